"""Single steps of the engine, with calls that are scripted, in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable
from math import inf
from typing import Any, cast

import pytest

from okx_async import ClosePosition, OkxError, Outcome, Position, Priority, RateLimitedError
from okx_async._calls.caller import Caller
from okx_async._calls.on_wire import ClosesOnWire, CloseTurn
from okx_async._errors import AuthenticationError, NotSentError
from okx_async._flatten.engine import FIRST_CLOSE_WAIT, CloseEngine
from okx_async._flatten.guard import FRESH, STILL, Observation, Reading
from okx_async._flatten.leg import Leg, Move
from okx_async._models import Attempt
from okx_async._rest.records import positions
from okx_async._rest.requests import ApiRequest
from okx_async._rest.responses import Answer

pytestmark = pytest.mark.virtual

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
RECORD = {"instType": "SWAP", "instId": BTC, "mgnMode": "cross", "posSide": "net", "posId": "7", "pos": "3"}
RECORD |= {"cTime": "1000", "uTime": "1000"}
REFUSED = AuthenticationError("the key is refused", code="50119")


def position(**fields: str) -> Position:
    return positions(Answer(200, "0", data=[{**RECORD, **fields}], listed=True, envelope=True)).positions[0]


BEFORE = position()


def now() -> float:
    return asyncio.get_running_loop().time()


class Calls:
    """In place of the client's calls: readings list what they are told to, closes fail as they are told to."""

    closing = False

    def __init__(self, *listed: dict[str, str], takes: float = 0.0) -> None:
        self.on_wire = ClosesOnWire()
        self.listed = list(listed)
        self.takes = takes
        self.reading_fails: OkxError | None = None
        self.close_fails: OkxError | None = None
        self.reads: list[float] = []
        self.closes: list[float] = []

    def draw(self) -> float:
        return 1.0

    def exchange_time(self) -> float:
        return 1e9

    async def call(
        self,
        request: ApiRequest,
        _priority: Priority,
        _max_wait: float | None,
        close: ClosePosition | None = None,
        *,
        once: bool,
        permit: Callable[[], Awaitable[float | None]],
        confirm_write: Callable[[], bool] | None = None,
        turn: CloseTurn | None = None,
        made: int = 0,
    ) -> tuple[Answer, tuple[Attempt, ...]]:
        assert once
        assert made in {0, 1}
        assert await permit() is not None
        if request.writes:
            assert confirm_write is not None
            assert confirm_write()
        (self.closes if request.writes else self.reads).append(now())
        await asyncio.sleep(self.takes)
        if turn is not None:
            turn.ended(Outcome.ACCEPTED)
        failure = self.close_fails if request.writes else self.reading_fails
        if failure is not None:
            if close is not None:
                outcome = Outcome.RATE if isinstance(failure, RateLimitedError) else Outcome.FATAL
                failure.attempts = (Attempt(close, None, 0.0, 1.0, 2.0, failure.code, 200, outcome, "settled"),)
            raise failure
        data: list[Any] = [] if request.writes else list(self.listed)
        return Answer(200, "0", data=data, listed=True, envelope=True), ()


def engine_of(calls: Calls, **options: Any) -> CloseEngine:
    return CloseEngine(cast("Caller", calls), None, Priority.PANIC, **options)


def turn() -> CloseTurn:
    """Return a turn that no other close is in the way of."""
    return CloseTurn(ClosesOnWire(), ClosePosition.of(BEFORE), object())


def leg_of(engine: CloseEngine, before: Position = BEFORE, started: float = 0.0) -> Leg:
    return engine.add_leg(before, Reading(started, [before]), ClosePosition.of(before, auto_cxl=False))


def taken(leg: Leg, outcome: Outcome = Outcome.ACCEPTED) -> Leg:
    leg.close_started()
    leg.answered(outcome, None, (), now(), 1.0)
    return leg


# --- the permit of a close ---


async def test_the_deadline_ends_a_permit() -> None:
    engine = engine_of(Calls(), deadline=0.5)
    leg = leg_of(engine)
    assert await engine._permit(leg, turn()) == (0.5, False)
    await asyncio.sleep(0.5)
    assert await engine._permit(leg, turn()) == (None, False)


async def test_a_reading_that_grew_old_is_made_again() -> None:
    calls = Calls(RECORD)
    engine = engine_of(calls)
    leg = leg_of(engine)
    await asyncio.sleep(2.0)
    assert await engine._permit(leg, turn()) == (2.0 + FRESH, False)
    assert calls.reads == [2.0]


@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize("unclear", [True, False])
async def test_a_first_close_goes_out_without_a_reading_only_if_that_is_wanted(allowed: bool, unclear: bool) -> None:  # noqa: FBT001 - both
    calls = Calls({**RECORD, "pos": "many"})
    calls.reading_fails = None if unclear else OkxError("no")
    engine = engine_of(calls, may_send_blind=allowed, deadline=inf if unclear or allowed else 5.0)
    leg = leg_of(engine)
    await asyncio.sleep(2.0)
    until, blind = await engine._permit(leg, turn())
    assert leg.guard.observation is (Observation.UNCLEAR if unclear else Observation.SAME)
    assert blind is allowed
    if allowed:
        assert until == inf
    else:  # not at all, or not any more
        assert until is None or until < now()


async def test_a_first_close_waits_a_second_for_a_reading() -> None:
    engine = engine_of(Calls(RECORD, takes=3.0))
    leg = leg_of(engine)
    await asyncio.sleep(2.0)
    assert await engine._permit(leg, turn()) == (inf, True)
    assert now() == 2.0 + FIRST_CLOSE_WAIT
    await engine.aclose()
    assert engine.reader._task is None
    assert now() == 2.0 + FIRST_CLOSE_WAIT


async def test_a_key_that_is_refused_while_positions_are_read_permits_nothing() -> None:
    calls = Calls()
    calls.reading_fails = REFUSED
    engine = engine_of(calls)
    leg = leg_of(engine)
    await asyncio.sleep(2.0)
    until, _ = await engine._permit(leg, turn())
    assert until is None
    assert engine.stop_error is REFUSED


# --- a stop ---


async def test_after_a_stop_nothing_is_written_though_a_reading_allows_it() -> None:
    engine = engine_of(Calls())
    leg = taken(leg_of(engine))
    for at in (1.0, 1.0 + STILL):
        leg.observe(Reading(at, [BEFORE]), at)
    assert leg.may_send_until() == 1.0 + STILL + FRESH
    engine.stop(NotSentError("closed"))
    assert leg.may_send_until() is not None  # a taken leg keeps its story
    assert not engine._writing(leg, turn(), blind=False)


async def test_a_refused_key_stops_all_legs_each_in_words_of_its_own() -> None:
    calls = Calls()
    calls.close_fails = REFUSED
    engine = engine_of(calls)
    first, second = leg_of(engine), leg_of(engine, position(instId=ETH))
    await engine.follow(first)
    assert engine.stop_error is not None
    assert (first.step(now()).move, second.step(now()).move) == (Move.DONE, Move.DONE)
    assert str(second.error).startswith(f"{ETH}: nothing was sent: the API key is refused (50119")
    assert BTC not in str(second.error)
    await engine.follow(second)
    assert len(calls.closes) == 1


async def test_after_a_stop_what_was_taken_is_read_until_it_is_gone() -> None:
    calls = Calls()
    engine = engine_of(calls, deadline=5.0)
    leg = taken(leg_of(engine))
    engine.stop(NotSentError("another leg's"))
    await engine.follow(leg)
    assert leg.guard.observation is Observation.GONE
    assert len(calls.reads) == 1


async def test_with_a_refused_key_nothing_is_read_either() -> None:
    calls = Calls(RECORD)
    engine = engine_of(calls, deadline=5.0)
    leg = taken(leg_of(engine))
    engine.reader.failure = REFUSED
    engine.check_stopped()
    await engine.follow(leg)
    assert calls.reads == []


# --- what a cancellation says ---


async def test_each_leg_that_is_not_proven_has_one_note() -> None:
    engine = engine_of(Calls())
    legs = [leg_of(engine, position(instId=each)) for each in (BTC, ETH, "SOL-USDT-SWAP")]
    taken(legs[0])
    taken(legs[1])
    cancelled = asyncio.CancelledError()
    cancelled.add_note(f"{BTC}: already sent, outcome unknown")
    engine.add_notes(cancelled)
    assert cancelled.__notes__ == [f"{BTC}: already sent, outcome unknown", f"{ETH}: already sent, not proven closed"]


# --- times ---


async def test_confirm_timeout_runs_from_the_first_close_and_bounds_the_others() -> None:
    calls = Calls(takes=0.5)
    calls.close_fails = RateLimitedError("busy", code="50011")
    engine = engine_of(calls, confirm_timeout=2.0)
    leg = leg_of(engine)
    await engine._send(leg)
    assert (engine.send_by, engine.read_by) == (2.5, 2.5)
    calls.listed = [RECORD]
    await engine._send(leg)
    assert now() > 0.5
    assert (engine.send_by, engine.read_by) == (2.5, 2.5)


async def test_the_reading_after_a_close_waits_for_no_other() -> None:
    calls = Calls()
    engine = engine_of(calls, deadline=5.0)
    await engine.follow(leg_of(engine))
    assert (calls.closes, calls.reads) == ([0.0], [0.0])


async def test_readings_that_do_not_count_become_rarer() -> None:
    calls = Calls({**RECORD, "uTime": "900"}, takes=0.01)
    engine = engine_of(calls, deadline=2.0)
    leg = taken(leg_of(engine))
    await engine.follow(leg)
    assert leg.guard.observation is None
    assert 3 <= len(calls.reads) <= 6
