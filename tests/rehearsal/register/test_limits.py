"""The part of the register on rate limits."""

from okx_async.rehearsal.assumptions import ASSUMPTIONS
from okx_async.rehearsal.register.limits import LIMITS


def test_it_is_in_the_register() -> None:
    assert LIMITS
    assert set(LIMITS) <= set(ASSUMPTIONS)
