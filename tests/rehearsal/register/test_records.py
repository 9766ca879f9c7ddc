"""The part of the register on the records of positions."""

from okx_async.rehearsal.assumptions import ASSUMPTIONS
from okx_async.rehearsal.register.records import RECORDS


def test_it_is_in_the_register() -> None:
    assert RECORDS
    assert set(RECORDS) <= set(ASSUMPTIONS)
