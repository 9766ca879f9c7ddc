"""The errors of a call, in the words of its request."""

import asyncio
import logging

import pytest

from okx_async import (
    AuthenticationError,
    ClosePosition,
    NotSentError,
    OkxError,
    OutcomeUnknownError,
    RejectedError,
    SlotTimeoutError,
)
from okx_async._calls.attempt import AttemptState
from okx_async._calls.failures import failure_of, unsent
from okx_async._http.inflight import InFlight
from okx_async._http.timeouts import TimeoutGroup
from okx_async._rest.requests import PUBLIC_TIME, ApiRequest, close_position, positions
from okx_async._rest.responses import parse

pytestmark = pytest.mark.virtual

CLOSE = ClosePosition("BTC-USDT-SWAP", "cross")
KEY = ("live", "123", "BTC-USDT-SWAP")


def failed(
    words: str,
    request: ApiRequest | None = None,
    close: ClosePosition | None = None,
    *,
    left: bool = False,
    futile: bool = False,
) -> OkxError:
    """Return the error of an attempt that had no answer."""
    attempt = AttemptState(InFlight(TimeoutGroup(asyncio.get_running_loop()), timeout=5.0, wall_clock=lambda: 1.0))
    attempt.key = KEY
    attempt.wire.failure, attempt.wire.may_have_left, attempt.wire.futile = words, left, futile
    return failure_of(request or close_position(close or CLOSE), attempt, (), close, listed=False, no_swaps=False)


async def test_what_never_left_may_be_tried_again_unless_that_is_in_vain() -> None:
    error = failed("no connection in time")
    assert type(error) is NotSentError
    assert (str(error), error.key) == (
        "BTC-USDT-SWAP: nothing was sent: no connection in time; trying again is safe",
        KEY,
    )
    assert str(failed("the session is closed", futile=True)).endswith("nothing was sent: the session is closed")


async def test_what_may_have_left_says_what_to_look_at(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    error = failed("no answer within 5 s", close=CLOSE, left=True)
    assert type(error) is OutcomeUnknownError
    assert "no answer within 5 s; it may have been executed: ask positions" in str(error)
    assert "auto_cxl" not in str(error)
    assert [record.getMessage() for record in caplog.records] == [str(error)]
    also = failed("no answer", close=ClosePosition("BTC-USDT-SWAP", "cross", auto_cxl=True), left=True)
    assert "auto_cxl was set: pending orders may have been cancelled" in str(also)


async def test_a_question_without_an_answer_is_asked_again_and_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    for question in (positions(None), PUBLIC_TIME):
        assert str(failed("no answer within 5 s", question, left=True)).endswith("no answer within 5 s; ask again")
    assert caplog.records == []


async def test_an_answer_says_more_than_the_wire() -> None:
    attempt = AttemptState(InFlight(TimeoutGroup(asyncio.get_running_loop()), timeout=5.0, wall_clock=lambda: 1.0))
    attempt.wire.may_have_left, attempt.wire.failure = True, "never told"
    attempt.answer = parse(200, b'{"code":"51000","data":[],"msg":"Parameter posSide error"}')
    error = failure_of(close_position(CLOSE), attempt, (), CLOSE, listed=False, no_swaps=False)
    assert isinstance(error, (RejectedError, OutcomeUnknownError))
    assert error.code == "51000"
    assert "never told" not in str(error)


def test_a_wait_for_a_slot_that_would_be_too_long_is_told_with_the_callers_max_wait() -> None:
    found = unsent(SlotTimeoutError("k: 0.3 s left", wait=1.25, key=KEY), close_position(CLOSE), 0.5, ())
    assert isinstance(found, SlotTimeoutError)
    assert (found.wait, found.key) == (1.25, KEY)
    assert str(found) == (
        "BTC-USDT-SWAP: no slot within max_wait=0.5 s, the earliest possible one is 1.250 s away; nothing was sent"
    )


def test_a_wait_whose_end_has_come_meanwhile_is_told_so() -> None:
    found = unsent(SlotTimeoutError("k: 0.3 s left", wait=2.005, key=KEY), close_position(CLOSE), 5.0, ())
    assert str(found) == (
        "BTC-USDT-SWAP: no slot within max_wait=5 s, which ends before the earliest possible one, 2.005 s from now; "
        "nothing was sent"
    )


def test_an_error_of_a_limiter_that_names_no_key_is_told_with_the_call_and_left_as_it_is() -> None:
    theirs = SlotTimeoutError("full")
    found = unsent(theirs, close_position(CLOSE), 0.5, ())
    assert (str(found), str(theirs)) == ("BTC-USDT-SWAP: full", "full")


@pytest.mark.parametrize("again", [False, True])
def test_a_key_that_was_refused_before_is_told_with_the_call(*, again: bool) -> None:
    attempts = (object(),) * again
    found = unsent(AuthenticationError("the key is refused"), close_position(CLOSE), None, attempts)  # type: ignore[arg-type]
    assert str(found) == f"BTC-USDT-SWAP was not sent{' again' * again}: the key is refused"
    assert found.attempts == attempts
