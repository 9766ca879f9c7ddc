"""What a call returns or raises: accepted, refused, unknown, cancelled, or not foreseen."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from okx_async import (
    Attempt,
    AuthenticationError,
    NotSentError,
    OkxError,
    Outcome,
    OutcomeUnknownError,
    Priority,
    RejectedError,
    SlotTimeoutError,
)
from okx_async._calls.attempt import AttemptState
from okx_async._rest.requests import ApiRequest
from tests._calls.script import CLOSE, READ, REQUEST, Script, call, make

pytestmark = [pytest.mark.virtual, pytest.mark.usefixtures("no_spread")]


async def test_accepted_is_returned_with_its_attempt() -> None:
    told: list[Attempt] = []
    attempts = await call(Script((200, "0")), told=told)
    assert attempts == tuple(told)
    assert [attempt.code for attempt in attempts] == ["0"]


@pytest.mark.parametrize("answer", [(200, "51023"), (502, ""), "no answer within 5 s"])
async def test_what_auto_cxl_may_have_done_is_told(answer: tuple[int, str] | str) -> None:
    with pytest.raises(OkxError, match=r"; auto_cxl was set: pending orders may have been cancelled$"):
        await make(Script(answer)).call(CLOSE, Priority.PANIC, None, replace(REQUEST, auto_cxl=True))


async def test_a_key_refused_after_an_attempt_is_told_with_it() -> None:
    script = Script((503, "50001"), AuthenticationError("50119: no such key", code="50119"))
    with pytest.raises(AuthenticationError, match="BTC-USDT-SWAP was not sent again: 50119") as caught:
        await call(script)
    assert [attempt.code for attempt in caught.value.attempts] == ["50001"]


async def test_without_an_attempt_the_time_out_itself_is_raised() -> None:
    script = Script((200, "0"))
    script.until = 9.0
    with pytest.raises(SlotTimeoutError) as caught:
        await call(script, max_wait=5.0)
    assert (caught.value.wait, caught.value.attempts) == (9.0, ())


async def test_what_fails_before_the_mark_was_not_sent() -> None:
    script = Script(NotSentError("closed"))
    with pytest.raises(NotSentError, match="closed"):
        await call(script)


@pytest.mark.parametrize(
    ("at", "note", "sent"),
    [(1.0, None, 0), (2.05, "BTC-USDT-SWAP: already sent, outcome unknown", 1)],
    ids=["in line", "on the wire"],
)
async def test_cancelled(at: float, note: str | None, sent: int, caplog: pytest.LogCaptureFixture) -> None:
    script = Script((200, "0"))
    script.until = 2.0
    told: list[Attempt] = []
    notes: list[str] = []

    async def caller() -> None:
        try:
            await call(script, told=told)
        except asyncio.CancelledError as cancelled:
            notes.extend(getattr(cancelled, "__notes__", ()))
            raise

    task = asyncio.ensure_future(caller())
    await asyncio.sleep(at)
    task.cancel()
    await asyncio.wait({task})
    assert notes == ([note] if note else [])
    assert (len(script.sent), len(told), len(caplog.records)) == (sent, sent, sent)


async def test_a_question_that_is_cancelled_leaves_nothing_unknown(caplog: pytest.LogCaptureFixture) -> None:
    task = asyncio.ensure_future(call(Script((200, "0")), job=READ))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert not hasattr(caught.value, "__notes__")
    assert caplog.records == []


@pytest.mark.parametrize(
    "raised", [ValueError("x"), asyncio.CancelledError("of another task"), BaseException("x"), GeneratorExit("x")]
)
async def test_what_was_not_foreseen_has_its_attempts(raised: BaseException) -> None:
    script = Script((429, "50011"), (200, "0"))
    attempt = script.attempt

    async def fails(job: ApiRequest, flight: AttemptState, *arguments: Any, **options: Any) -> None:
        await attempt(job, flight, *arguments, **options)
        if len(script.sent) == 2:
            flight.answer, flight.classified, flight.token = None, None, "in doubt"
            raise raised

    script.attempt = fails  # type: ignore[method-assign]
    with pytest.raises(OutcomeUnknownError, match=type(raised).__name__) as caught:
        await call(script)
    assert [one.outcome.value for one in caught.value.attempts] == ["rate", "unknown"]


@pytest.mark.parametrize("raised", [ValueError("x"), asyncio.CancelledError(), NotSentError("x"), BaseException("x")])
async def test_what_is_raised_after_the_answer_is_logged_and_the_answer_told(
    raised: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    class Late(Script):
        async def attempt(self, *arguments: Any, **options: Any) -> None:
            await super().attempt(*arguments, **options)
            raise raised

    assert [attempt.outcome for attempt in await call(Late((200, "0")))] == [Outcome.ACCEPTED]
    assert "an error after the answer" in caplog.text
    with pytest.raises(RejectedError):
        await call(Late((200, "51000")))


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), SystemExit()], ids=repr)
async def test_what_ends_the_program_goes_on_with_a_note_of_what_was_sent(stop: BaseException) -> None:
    class Stopped(Script):
        async def attempt(self, *arguments: Any, **options: Any) -> None:
            await super().attempt(*arguments, **options)
            raise stop

    with pytest.raises(type(stop)) as caught:
        await call(Stopped((200, "0")))
    assert caught.value.__notes__ == ["BTC-USDT-SWAP: already sent, answered 0"]
