"""The part of the register on environment, connections, clock and signature."""

from okx_async.rehearsal.assumptions import ASSUMPTIONS
from okx_async.rehearsal.register.access import ACCESS


def test_it_is_in_the_register() -> None:
    assert ACCESS
    assert set(ACCESS) <= set(ASSUMPTIONS)
