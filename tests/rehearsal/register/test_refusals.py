"""The part of the register on refusals of single requests."""

from okx_async.rehearsal.assumptions import ASSUMPTIONS
from okx_async.rehearsal.register.refusals import REFUSALS


def test_it_is_in_the_register() -> None:
    assert REFUSALS
    assert set(REFUSALS) <= set(ASSUMPTIONS)
