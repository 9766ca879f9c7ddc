import asyncio
import logging
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any, cast

import pytest

from okx_async import (
    Attempt,
    AuthenticationError,
    Client,
    ClockSkewError,
    ClosePosition,
    NotSentError,
    OkxError,
    Outcome,
    OutcomeUnknownError,
    Priority,
    RateLimitedError,
    RejectedError,
    SlotTimeoutError,
    UnavailableError,
)
from okx_async._calls.attempt import AttemptState
from okx_async._calls.caller import BLOCK_WAIT, Caller
from okx_async._calls.exchange_clock import ExchangeClock
from okx_async._calls.reports import Reports
from okx_async._calls.sender import Sender
from okx_async._calls.uid_lookup import UidLookup
from okx_async._http.inflight import InFlight
from okx_async._http.timeouts import TimeoutGroup
from okx_async._limiter.slots import SlotSource
from okx_async._rest.outcomes import classify, decided
from okx_async._rest.requests import ApiRequest
from okx_async._rest.responses import parse
from tests.conftest import World

pytestmark = pytest.mark.virtual

REQUEST = ClosePosition("BTC-USDT-SWAP", "cross")
CLOSE = ApiRequest("POST", "/api/v5/trade/close-position", b"{}", "BTC-USDT-SWAP")
READ = ApiRequest("GET", "/api/v5/account/positions", b"", "account/positions")
KEY = ("live", "123", "BTC-USDT-SWAP")


UNSENT = "no connection"


@pytest.fixture(autouse=True)
def no_spread(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of whole windows, but in the test of their random part."""
    if "spread" not in request.node.name:
        monkeypatch.setattr("okx_async._rest.retry.SPREAD", 0.0)


class Script:
    """In place of sender and limiter: each attempt waits for the block of its key, then meets the next answer.

    An answer: (status, code[, Retry-After]), an exception to raise, or the words of a failure after the mark.
    """

    def __init__(self, *answers: tuple[int, str] | tuple[int, str, str] | Exception | str) -> None:
        self.answers = deque(answers)
        self.sent: list[float] = []
        self.until = 0.0
        self.takes = 0.1
        self.refused = 0
        self.asked = 0
        self.time: float | None = None
        self.set_back = 0.0
        self.keys: tuple[tuple[str, str, str], ...] = (KEY,)
        self.blocked: list[Hashable] = []

    def new_attempt(self, permit: Any = None) -> AttemptState:
        loop = asyncio.get_running_loop()
        return AttemptState(InFlight(TimeoutGroup(loop), timeout=5.0, wall_clock=loop.time), permit)

    async def attempt(
        self,
        job: ApiRequest,
        flight: AttemptState,
        _discovery: object,
        *,
        priority: Priority,
        deadline: float | None,
        pause: float = 0.0,
    ) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(pause)
        flight.begun, flight.deadline = loop.time(), deadline
        assert priority is Priority.PANIC
        if deadline is not None and self.until > deadline:
            raise SlotTimeoutError(f"{job.label}: no slot", wait=self.until - loop.time())
        if not job.signed:
            self.asked += 1
            assert deadline == loop.time() + 2.0
            if self.time is not None:
                flight.wire.sent, flight.settled = self.time, self.time - self.set_back
                flight.answer = parse(200, b'{"code":"0","data":[{"ts":"1000000000"}],"msg":""}')
            return
        await asyncio.sleep(max(0.0, self.until - loop.time()))
        flight.keys, flight.key = self.keys, KEY
        answer = self.answers.popleft() if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if answer == UNSENT:
            flight.start()
            flight.wire.failure = UNSENT
            return
        with flight.wire:
            flight.start()
            flight.wire.connected(None)
            self.sent.append(loop.time())
            await asyncio.sleep(self.takes)
            if isinstance(answer, str):
                flight.wire.failure, flight.token = answer, "in doubt"
                return
            status, code, *retry_after = answer
            body = b"<html>" if not code else f'{{"code":"{code}","data":[],"msg":"words"}}'.encode()
            parsed = parse(status, body)
            flight.answer, flight.classified = parsed, classify(parsed)
            flight.retry_after, flight.settled = (retry_after[0] if retry_after else None), loop.time()
            flight.token = "settled" if decided(parsed, flight.outcome) else "in doubt"

    async def block(self, key: Hashable, seconds: float, *, refused: bool = True) -> None:
        self.blocked.append(key)
        self.refused += refused
        self.until = max(self.until, asyncio.get_running_loop().time() + seconds)


def make(script: Script, told: list[Attempt] | None = None) -> Caller:
    calls = Caller(
        cast("Sender", script),
        cast("SlotSource", script),
        cast("UidLookup", None),
        ExchangeClock(asyncio.get_running_loop().time),
        Reports(None if told is None else told.append),
    )
    calls._random = lambda: 1.0  # the longest of the pauses
    return calls


async def call(
    script: Script, *, job: ApiRequest = CLOSE, max_wait: float | None = None, told: list[Attempt] | None = None
) -> tuple[Attempt, ...]:
    _, attempts = await make(script, told).call(job, Priority.PANIC, max_wait, REQUEST if job is CLOSE else None)
    return attempts


async def test_accepted_is_returned_with_its_attempt() -> None:
    told: list[Attempt] = []
    attempts = await call(Script((200, "0")), told=told)
    assert attempts == tuple(told)
    assert [attempt.code for attempt in attempts] == ["0"]


@pytest.mark.parametrize("code", ["50011", "50061", "50040"])
async def test_refused_for_rate_it_is_sent_again_after_the_window(code: str) -> None:
    script = Script((429, code), (200, "0"))
    attempts = await call(script)
    assert script.sent == pytest.approx([0.0, 2.1])
    assert script.refused == 1
    assert script.blocked == [KEY]
    assert [attempt.code for attempt in attempts] == [code, "0"]


async def test_under_two_keys_both_are_blocked() -> None:
    script = Script((429, "50011"), (200, "0"))
    script.keys = (("live", "key:0af1", "BTC-USDT-SWAP"), KEY)
    await call(script)
    assert script.blocked == list(script.keys)


async def test_all_blocks_of_one_refusal_have_one_time_and_no_more_than_the_call() -> None:
    script = Script((429, "50011"), (200, "0"))
    script.keys = (("live", "key:0af1", "BTC-USDT-SWAP"), KEY)

    async def block(*_: object, **__: object) -> None:
        await asyncio.sleep(1_000.0)

    script.block = block  # type: ignore[method-assign]
    await call(script)
    assert script.sent[1] - script.sent[0] < 2 * 0.1 + BLOCK_WAIT + 0.01
    script = Script((429, "50011"))
    script.block = block  # type: ignore[method-assign]
    begun = asyncio.get_running_loop().time()
    with pytest.raises(OkxError):
        await call(script, max_wait=0.3)
    assert asyncio.get_running_loop().time() - begun == pytest.approx(0.4)  # the last answer's time is its own


async def test_the_pauses_after_a_refusal_for_rate_are_spread_by_chance() -> None:
    script = Script((200, "50011"), (200, "0"))
    calls = make(script)
    calls._random = lambda: 0.5
    await calls.call(CLOSE, Priority.PANIC, None, REQUEST)
    assert script.sent == pytest.approx([0.0, 0.1 + 2.0 * 1.075])


async def test_a_throttle_of_liquidations_pauses_longer_each_time() -> None:
    script = Script(*[(429, "51113")] * 4, (200, "0"))
    await call(script)
    gaps = [later - earlier for earlier, later in zip(script.sent, script.sent[1:], strict=False)]
    assert gaps == pytest.approx([2.1, 4.1, 8.1, 8.1])


async def test_the_throttle_is_the_keys_and_not_one_calls() -> None:
    script = Script(*[(429, "51113")] * 3, (200, "0"), (429, "51113"), (200, "0"))
    calls = make(script)
    for _ in range(3):  # three callers, each with time for one attempt
        with pytest.raises(RateLimitedError):
            await calls.call(CLOSE, Priority.PANIC, 0.0, REQUEST)
        await asyncio.sleep(script.until - asyncio.get_running_loop().time())
    await calls.call(CLOSE, Priority.PANIC, None, REQUEST)
    await calls.call(CLOSE, Priority.PANIC, None, REQUEST)  # accepted meanwhile: it begins anew
    gaps = [later - earlier for earlier, later in zip(script.sent, script.sent[1:], strict=False)]
    assert gaps == pytest.approx([2.1, 4.1, 8.1, 0.1, 2.1])


async def test_another_refusal_for_rate_is_none_of_that_throttle() -> None:
    script = Script((429, "50011"), (429, "51113"), (200, "0"))
    await call(script)
    assert script.sent == pytest.approx([0.0, 2.1, 4.2])


async def test_retry_after_counts_where_it_is_longer() -> None:
    script = Script((429, "50011", "7"), (429, "50011", "1"), (200, "0"))
    await call(script)
    assert script.sent == pytest.approx([0.0, 7.1, 9.2])


async def test_five_repeats_and_no_more() -> None:
    script = Script((200, "50011"))
    told: list[Attempt] = []
    with pytest.raises(RateLimitedError) as caught:
        await call(script, told=told)
    assert len(script.sent) == 6
    assert caught.value.attempts == tuple(told)
    assert caught.value.code == "50011"
    assert caught.value.__cause__ is None


async def test_thirty_seconds_after_the_first_send_there_is_no_more_time() -> None:
    script = Script((429, "51113", "29"))
    with pytest.raises(RateLimitedError) as caught:
        await call(script)
    assert script.sent == pytest.approx([0.0, 29.1])
    assert len(caught.value.attempts) == 2
    assert asyncio.get_running_loop().time() == pytest.approx(29.2)  # at once, not after the last pause


@pytest.mark.parametrize(("line", "takes", "sent"), [(10.0, 0.1, [10.0, 39.1]), (0.0, 2.0, [0.0])])
async def test_they_begin_with_the_first_send_and_not_with_the_call_or_the_answer(
    line: float, takes: float, sent: list[float]
) -> None:
    script = Script((429, "50011", "29"))
    script.until, script.takes = line, takes
    with pytest.raises(RateLimitedError):
        await call(script)
    assert script.sent == pytest.approx(sent)


@pytest.mark.parametrize("code", ["50001", "51029", "51030", "51109"])
async def test_a_passing_reason_is_waited_out_with_growing_pauses(code: str) -> None:
    script = Script((503, code), (503, code), (503, code), (200, "0"))
    attempts = await call(script)
    assert script.sent == pytest.approx([0.0, 0.35, 0.95, 2.05])
    assert [attempt.code for attempt in attempts] == [code, code, code, "0"]


async def test_a_reason_that_does_not_pass_ends_after_five_repeats() -> None:
    script = Script((503, "50001"))
    with pytest.raises(UnavailableError) as caught:
        await call(script)
    assert len(caught.value.attempts) == len(script.sent) == 6


@pytest.mark.parametrize(("code", "sent"), [("50005", 3), ("50046", 4), ("50062", 4)])
async def test_what_mostly_does_not_pass_is_repeated_less(code: str, sent: int) -> None:
    script = Script((200, code))
    with pytest.raises(UnavailableError):
        await call(script)
    assert len(script.sent) == sent


async def test_a_pause_beyond_max_wait_is_not_begun() -> None:
    script = Script((503, "50001"))
    with pytest.raises(UnavailableError):
        await call(script, max_wait=0.2)
    assert len(script.sent) == 1
    assert asyncio.get_running_loop().time() == pytest.approx(0.1)


def test_a_repeat_that_begins_after_max_wait_is_not_sent(happen: Callable[..., Any]) -> None:
    async def story(world: World, client: Client) -> None:
        class Slow(logging.Handler):
            """A handler of the user's that takes its time, as one on a busy disk does."""

            def emit(self, record: logging.LogRecord) -> None:
                if "to be repeated" in record.getMessage():
                    world.loop.freeze(0.5)

        logging.getLogger("okx_async").addHandler(Slow())
        world.exchange.open_position("BTC-USDT-SWAP", 3)
        world.exchange.inject("50001")
        with pytest.raises(UnavailableError):
            await client.close_position("BTC-USDT-SWAP", "cross", max_wait=0.4)
        assert len(world.closes()) == 1

    happen(story)


async def test_what_was_never_sent_is_sent_again() -> None:
    script = Script(UNSENT, UNSENT, (200, "0"))
    attempts = await call(script)
    assert [attempt.outcome for attempt in attempts] == [Outcome.NOT_SENT, Outcome.NOT_SENT, Outcome.ACCEPTED]
    with pytest.raises(NotSentError) as caught:
        await call(Script(UNSENT))
    assert len(caught.value.attempts) == 6


@pytest.mark.parametrize("before", [(429, "50011"), (503, "50001"), UNSENT])
@pytest.mark.parametrize("lost", ["no answer within 5 s", (502, ""), (400, "50004")])
async def test_a_repeat_that_is_lost_is_unknown_whatever_was_before(
    before: tuple[int, str] | str, lost: tuple[int, str] | str
) -> None:
    script = Script(before, lost)
    with pytest.raises(OutcomeUnknownError) as caught:
        await call(script)
    assert [attempt.token for attempt in caught.value.attempts] == [
        "refunded" if before == UNSENT else "settled",
        "in doubt",
    ]


@pytest.mark.parametrize("answer", [(200, "51023"), (502, ""), "no answer within 5 s"])
async def test_what_auto_cxl_may_have_done_is_told(answer: tuple[int, str] | str) -> None:
    with pytest.raises(OkxError, match=r"; auto_cxl was set: pending orders may have been cancelled$"):
        await make(Script(answer)).call(CLOSE, Priority.PANIC, None, replace(REQUEST, auto_cxl=True))


async def test_a_repeat_that_could_not_be_sent_does_not_make_it_not_sent() -> None:
    script = Script((429, "50011"), UNSENT)
    with pytest.raises(RateLimitedError) as caught:
        await call(script)
    assert [attempt.outcome for attempt in caught.value.attempts] == [Outcome.RATE] + [Outcome.NOT_SENT] * 5


async def test_a_key_refused_after_an_attempt_is_told_with_it() -> None:
    script = Script((503, "50001"), AuthenticationError("50119: no such key", code="50119"))
    with pytest.raises(AuthenticationError, match="BTC-USDT-SWAP was not sent again: 50119") as caught:
        await call(script)
    assert [attempt.code for attempt in caught.value.attempts] == ["50001"]


async def test_a_refused_timestamp_has_the_clock_set_and_is_signed_anew_once() -> None:
    script = Script((401, "50102"), (200, "0"))
    script.time = 1_000_000.0
    await call(script)
    assert script.asked == 1
    script = Script((401, "50102"))
    script.time = 1_000_000.0
    with pytest.raises(ClockSkewError) as caught:
        await call(script)
    assert (script.asked, len(caught.value.attempts)) == (1, 2)


async def test_many_that_were_refused_ask_once() -> None:
    script = Script((401, "50102"), (401, "50102"), (200, "0"))
    script.time = 1_000_000.0
    calls = make(script)
    await asyncio.gather(*(calls.call(CLOSE, Priority.PANIC, None, REQUEST) for _ in range(2)))
    assert (script.asked, len(script.sent)) == (1, 4)


async def test_a_slower_answer_counts_once_a_timestamp_was_refused_again() -> None:
    script = Script((401, "50102"), (200, "0"), (401, "50102"), (200, "0"))
    calls = make(script)
    script.time = 1_000_000.0
    await calls.call(CLOSE, Priority.PANIC, None, REQUEST)
    assert calls._clock.offset == 0.0
    script.time, script.set_back = 990_000.0, -2.0
    await calls.call(CLOSE, Priority.PANIC, None, REQUEST)
    assert calls._clock.offset == 9_999.0


async def test_without_the_exchanges_time_a_refused_timestamp_is_not_sent_again() -> None:
    script = Script((401, "50102"))
    with pytest.raises(ClockSkewError) as caught:
        await call(script)
    assert (script.asked, len(caught.value.attempts)) == (1, 1)


async def test_nor_where_this_machines_clock_was_set_back_meanwhile(caplog: pytest.LogCaptureFixture) -> None:
    script = Script((401, "50102"))
    script.time, script.set_back = 1_000_000.0, 60.0
    with pytest.raises(ClockSkewError) as caught:
        await call(script)
    assert (script.asked, len(caught.value.attempts)) == (1, 1)
    assert "signing by it" not in caplog.text


async def test_an_odd_time_is_no_answer_and_the_next_usable_one_is() -> None:
    script = Script((401, "50102"))
    calls = make(script)
    script.time = 1_000_000_000.0  # the answer would be in other units
    for asked in (1, 2):
        with pytest.raises(ClockSkewError):
            await calls.call(CLOSE, Priority.PANIC, None, REQUEST)
        assert (script.asked, calls._clock.offset) == (asked, 0.0)
    script.time, script.answers = 1_000_007.0, deque([(401, "50102"), (200, "0")])
    await calls.call(CLOSE, Priority.PANIC, None, REQUEST)
    assert calls._clock.offset == -7.0


async def test_max_wait_ends_the_repeats_and_the_attempts_error_is_raised() -> None:
    script = Script((429, "50011"))
    with pytest.raises(RateLimitedError) as caught:
        await call(script, max_wait=5.0)
    assert script.sent == pytest.approx([0.0, 2.1, 4.2])
    assert [attempt.code for attempt in caught.value.attempts] == ["50011"] * 3


async def test_without_an_attempt_the_time_out_itself_is_raised() -> None:
    script = Script((200, "0"))
    script.until = 9.0
    with pytest.raises(SlotTimeoutError) as caught:
        await call(script, max_wait=5.0)
    assert (caught.value.wait, caught.value.attempts) == (9.0, ())


@pytest.mark.parametrize(
    "answer",
    [(400, "50004"), (500, "51054"), (200, "77777"), (502, "0"), (502, ""), (200, ""), "no answer within 5 s"],
    ids=str,
)
async def test_an_unknown_outcome_is_never_repeated(
    answer: tuple[int, str] | str, caplog: pytest.LogCaptureFixture
) -> None:
    script = Script(answer)
    with pytest.raises(OutcomeUnknownError, match="do not blindly repeat") as caught:
        await call(script)
    assert len(script.sent) == 1
    assert [attempt.token for attempt in caught.value.attempts] == ["in doubt"]
    assert caught.value.key == KEY
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@pytest.mark.parametrize("code", ["50009", "51023", "51032", "51115", "51000", "50113"])
async def test_nor_is_any_other_refusal(code: str) -> None:
    script = Script((200, code))
    with pytest.raises(RejectedError) as caught:
        await call(script)
    assert len(script.sent) == 1
    assert caught.value.code == code


async def test_too_many_requests_without_a_code_blocks_and_is_unknown() -> None:
    script = Script((429, "", "4"))
    with pytest.raises(OutcomeUnknownError):
        await call(script)
    assert script.until == pytest.approx(4.1)
    assert script.refused == 0  # nobody said that the exchange's limit was met
    assert len(script.sent) == 1


async def test_what_fails_before_the_mark_was_not_sent() -> None:
    script = Script(NotSentError("closed"))
    with pytest.raises(NotSentError, match="closed"):
        await call(script)


async def test_a_question_that_stays_unanswered_may_be_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(OutcomeUnknownError, match="account/positions: no answer within 5 s; ask again"):
        await call(Script("no answer within 5 s"), job=READ, max_wait=0.0)
    assert caplog.records == []  # nothing hangs on it
    script = Script("no answer within 5 s", (500, "50026"), (200, "0"))
    await call(script, job=READ)
    assert len(script.sent) == 3


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


@pytest.mark.parametrize("hangs", [True, False])
async def test_a_limiter_that_cannot_block_a_key_changes_no_outcome(hangs: bool) -> None:  # noqa: FBT001 - both
    script = Script((200, "50011"), (200, "0"))

    async def block(*_: object, **__: object) -> None:
        if hangs:
            await asyncio.sleep(1_000.0)
        raise OSError("disk full")

    script.block = block  # type: ignore[method-assign]
    attempts = await call(script)
    assert [attempt.code for attempt in attempts] == ["50011", "0"]
    assert asyncio.get_running_loop().time() < 10.0


async def test_a_caller_that_repeats_by_its_own_rule_gets_the_first_refusal() -> None:
    async def permit() -> float:
        return 1_000.0

    script = Script((401, "50102"), (200, "0"))
    script.time = 1_000_000.0
    with pytest.raises(ClockSkewError):
        await make(script).call(CLOSE, Priority.PANIC, None, REQUEST, once=True, permit=permit)
    assert (script.asked, len(script.sent)) == (1, 1)  # the clock is set for its next close


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
