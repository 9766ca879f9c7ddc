"""What is said of one leg."""

import logging

import pytest

from okx_async import AuthenticationError, NotSentError, Position
from okx_async._flatten.leg import Leg
from okx_async._flatten.leg_words import error_of, warn_of_other
from tests._flatten.legs import read
from tests._flatten.one_position import BEFORE, position


@pytest.mark.parametrize(
    ("listed", "level", "words"),
    [
        (position(pos="-3"), "ERROR", "the turned position stands there now"),
        (position(posId="8", cTime="9000", pos="5"), "WARNING", "another position stands there now"),
        (BEFORE, None, ""),
        (None, None, ""),
    ],
)
def test_another_position_at_its_address_is_logged_and_a_turned_one_as_an_error(
    listed: Position | None, level: str | None, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    leg = Leg(BEFORE, 0.0)
    read(leg, 1.0, *([listed] if listed else []))
    warn_of_other(leg)
    assert [record.levelname for record in caplog.records] == [level] * bool(level)
    for record in caplog.records:
        assert words in record.getMessage()
        assert BEFORE.inst_id in record.getMessage()


def test_a_refused_key_is_told_of_each_leg_and_of_no_other() -> None:
    leg = Leg(BEFORE, 0.0)
    refused = AuthenticationError("ETH-USDT-SWAP: refused", code="50119", status=401, message="no such key")
    told = error_of(leg, refused)
    assert type(told) is AuthenticationError
    assert str(told) == f"{BEFORE.inst_id}: nothing was sent: the API key is refused (50119: no such key)"
    assert (told.code, told.status, told.message) == ("50119", 401, "no such key")
    closed = NotSentError("the client was closed")
    assert error_of(leg, closed) is closed
