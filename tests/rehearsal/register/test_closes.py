"""The part of the register on closes."""

from okx_async.rehearsal.assumptions import ASSUMPTIONS
from okx_async.rehearsal.register.closes import CLOSES


def test_it_is_in_the_register() -> None:
    assert CLOSES
    assert set(CLOSES) <= set(ASSUMPTIONS)
