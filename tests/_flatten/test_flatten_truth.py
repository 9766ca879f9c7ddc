"""Whole flattens against the simulated exchange, on a network in memory and in virtual time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from math import inf, nan
from typing import Any, TypeAlias, cast

import pytest

import okx_async as okx
from okx_async._calls.caller import Caller
from okx_async._calls.on_wire import ClosesOnWire
from okx_async._flatten.arguments import FlattenArguments
from okx_async._flatten.flatten import FlattenRun
from okx_async._flatten.guard import Reading
from okx_async._rest.codes import LIFTED_BY_AUTO_CXL
from okx_async._rest.records import positions
from okx_async._rest.responses import Answer
from tests.conftest import World

BTC, ETH, SOL = "BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP"
POSITIONS = "/api/v5/account/positions"
EMPTY = '{"code":"0","data":[],"msg":""}'
Happen: TypeAlias = Callable[..., Any]


def test_an_account_that_was_flat_at_first_closes_nothing_that_was_opened_later(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.at(0.1, lambda: world.exchange.open_position(BTC, 3))
        return await client.flatten(deadline=5.0)

    def check(world: World, report: okx.FlattenReport) -> None:
        assert [(row.before, row.state) for row in report.rows] == [(None, okx.FlattenState.SUPERSEDED)]
        assert not report.flat
        assert world.closes() == []

    async def both(world: World, client: okx.Client) -> None:
        check(world, await story(world, client))

    happen(both)


def test_a_key_that_is_refused_for_one_leg_leaves_the_accepted_ones_their_story(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 3)
        world.exchange.open_position(ETH, 3)
        world.exchange.inject(code="50120", inst_id=ETH)
        return await client.flatten(deadline=8.0)

    report = happen(story, fill_delay=2.0)
    rows = {row.position.inst_id: row for row in report.rows}
    assert (rows[BTC].state, rows[BTC].error) == (okx.FlattenState.CLOSED, None)
    assert rows[ETH].state is okx.FlattenState.REFUSED


def test_a_leg_that_was_never_sent_is_told_in_words_of_its_own(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 3)
        world.exchange.open_position(ETH, 3)
        world.exchange.inject(code="50120", inst_id=ETH)
        await client.limiter.block(client.limiter_key(BTC), 2.0)
        return await client.flatten(deadline=8.0)

    report = happen(story)
    rows = {row.position.inst_id: row for row in report.rows}
    assert rows[BTC].state is okx.FlattenState.REFUSED
    assert ETH not in str(rows[BTC].error)
    assert "nothing was sent" in str(rows[BTC].error)


@pytest.mark.parametrize("late", [1.0, 3.0])
def test_a_close_that_is_accepted_after_the_deadline_is_proven_all_the_same(happen: Happen, late: float) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(delay=late)
        return await client.flatten(deadline=0.5)

    report = happen(story)
    assert (report.flat, [row.state for row in report.rows]) == (True, [okx.FlattenState.CLOSED])


@pytest.mark.parametrize("code", sorted(LIFTED_BY_AUTO_CXL))
def test_a_position_that_a_stop_closed_meanwhile_was_flat(happen: Happen, code: str) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        client._caller._random = lambda: 1.0  # the pauses have a random part
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(code=code, times=None)
        asyncio.get_running_loop().call_later(5.0, world.exchange.open_position, BTC, 0)
        return await client.flatten(deadline=60.0)

    report = happen(story)
    assert (report.flat, [row.state for row in report.rows]) == (True, [okx.FlattenState.ALREADY_FLAT])
    sent = [attempt.sent or 0.0 for attempt in report.rows[0].attempts]
    assert len(sent) > 2
    assert sent[-1] - sent[-2] > sent[1] - sent[0] > 0.0


def test_the_codes_that_auto_cxl_lifts() -> None:
    codes = "51112 51115 51117 51125 51126 51148 51168 51205 51206"
    assert set(codes.split()) == LIFTED_BY_AUTO_CXL


@pytest.mark.parametrize("code", sorted(LIFTED_BY_AUTO_CXL))
def test_pending_orders_that_are_being_cancelled_are_waited_for(happen: Happen, code: str) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(code=code, times=8)
        return await client.flatten(deadline=60.0)

    report = happen(story, timeout=2.0)
    assert (report.flat, len(report.rows[0].attempts)) == (True, 9)


def test_pending_orders_that_are_cancelled_late_leave_time_to_close(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(code="51117", times=None)
        world.at(16.0, world.exchange.clear_faults)
        return await client.flatten(deadline=20.0)

    report = happen(story)
    assert report.flat
    assert report.seconds < 19.5


def test_without_auto_cxl_pending_orders_end_it(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(code="51115", times=8)
        return await client.flatten(deadline=10.0, auto_cxl=False)

    assert [(row.state, len(row.attempts)) for row in happen(story).rows] == [(okx.FlattenState.REFUSED, 1)]


@pytest.mark.parametrize("unread", ["close", "leave"])
def test_a_close_whose_reading_is_old_goes_out_unread_only_if_that_is_wanted(happen: Happen, unread: Any) -> None:
    async def story(world: World, client: okx.Client) -> tuple[okx.FlattenReport, int]:
        world.exchange.open_position(BTC, 3)
        await client.limiter.block(client.limiter_key(BTC), 4.0)
        world.exchange.inject(code="50001", path="/api/v5/account/positions", after=1, times=None)
        report = await client.flatten(deadline=8.0, unread=unread)
        return report, len(world.closes())

    report, closes = happen(story)
    assert (closes, [row.unread for row in report.rows]) == ((1, [True]) if unread == "close" else (0, [False]))


@pytest.mark.parametrize("raised", [asyncio.CancelledError(), GeneratorExit(), ValueError("x")], ids=repr)
def test_a_predicate_that_raises_later_hides_no_position(happen: Happen, raised: BaseException) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 3)
        calls: list[okx.Position] = []

        def where(position: okx.Position) -> bool:
            calls.append(position)
            if len(calls) > 1:
                raise raised
            return True

        world.at(0.02, lambda: world.exchange.open_position(ETH, 3))
        return await client.flatten(deadline=5.0, where=where)

    report = happen(story)
    assert {row.position.inst_id: row.state for row in report.rows} == {
        BTC: okx.FlattenState.CLOSED,
        ETH: okx.FlattenState.SUPERSEDED,
    }


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_second_cancellation_keeps_the_notes(happen: Happen, turns: int) -> None:
    async def story(world: World, client: okx.Client) -> list[str]:
        world.exchange.open_position(BTC, 3)
        world.exchange.open_position(ETH, 3)
        task = asyncio.ensure_future(client.flatten(deadline=9.0))
        await asyncio.sleep(0.08)
        task.cancel()
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        return caught.value.__notes__

    notes = happen(story, fill_delay=3.0)
    assert sorted(note.partition(":")[0] for note in notes) == [BTC, ETH]


class Cancelling(okx.Limiter):
    """A limiter that awaits, for the closes of BTC, what another task has cancelled."""

    step = ""

    def slot(self, key: Any, **options: Any) -> Any:
        inner = super().slot(key, **options)
        return self._slot(inner) if self.step == "slot" and key[-1] == BTC else inner

    @asynccontextmanager
    async def _slot(self, _inner: object) -> AsyncIterator[Any]:
        await self._cancelled()
        yield None

    async def block(self, key: Any, seconds: float, *, refused: bool = True) -> None:
        if self.step == "block":
            await self._cancelled()
        await super().block(key, seconds, refused=refused)

    @staticmethod
    async def _cancelled() -> None:
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future


@pytest.mark.parametrize("step", ["slot", "block"])
def test_a_limiter_that_is_cancelled_by_another_task_ends_no_flatten(happen: Happen, step: str) -> None:
    async def story(world: World, _: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 3)
        world.exchange.open_position(ETH, 3)
        world.exchange.inject(code="50011", inst_id=BTC)
        limiter = Cancelling(clock=world.loop.clock)
        limiter.step = step
        async with world.client(limiter=limiter) as client:
            if step == "slot":
                with pytest.raises(okx.NotSentError, match="CancelledError"):
                    await client.close_position(BTC, "cross")
            return await client.flatten(deadline=3.0)

    report = happen(story)
    states = {row.position.inst_id: row.state for row in report.rows}
    assert states[ETH] is okx.FlattenState.CLOSED
    assert states[BTC] is (okx.FlattenState.DEADLINE if step == "slot" else okx.FlattenState.CLOSED)


def test_late_proofs_share_the_time_of_the_last_reading(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> tuple[float, okx.FlattenReport]:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(delay=1.0)
        world.exchange.inject(path="/api/v5/trade/orders-pending", delay=0.8, times=None)
        begun = world.loop.clock()
        report = await client.flatten(deadline=0.5)
        return world.loop.clock() - begun, report

    took, report = happen(story)
    assert took < 1.2 + 1.0  # the answer, and a second for readings
    assert report.flat


def test_without_a_last_reading_an_empty_account_is_not_proven_flat(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.inject(path=POSITIONS, code="50026", after=1, times=None)
        return await client.flatten(deadline=2.0)

    report = happen(story)
    assert (report.flat, report.rows) == (False, ())


def test_a_cancellation_that_the_predicate_raises_at_first_is_its_error(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        def where(_: okx.Position) -> bool:
            raise asyncio.CancelledError

        world.exchange.open_position(BTC, 3)
        with pytest.raises(okx.InvalidRequestError, match="where raised"):
            await client.flatten(where=where)
        assert not world.closes()

    happen(story)


def test_of_many_instruments_only_the_named_are_closed(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        for inst_id in (BTC, ETH):
            world.exchange.open_position(inst_id, 3)
        many = [BTC, *(f"S{number}-USDT-SWAP" for number in range(30))]  # more than one request can name
        assert await client.flatten(many)
        assert [holding.inst_id for holding in world.exchange.positions] == [ETH]

    happen(story)


class Idle:
    """In place of the client's calls, where none is made."""

    clock_offset = 0.0

    def __init__(self) -> None:
        self.on_wire = ClosesOnWire()

    def exchange_time(self) -> float:
        return 10.0


def listed(**fields: str) -> okx.Position:
    record = {"instType": "SWAP", "instId": BTC, "mgnMode": "cross", "posSide": "net", "posId": "7", "pos": "3"}
    record |= {"cTime": "1000", "uTime": "1000"} | fields
    return positions(Answer(200, "0", data=[record], listed=True, envelope=True)).positions[0]


def run_of() -> FlattenRun:
    return FlattenRun(cast("Caller", Idle()), FlattenArguments(auto_cxl=False, deadline=5.0))


@pytest.mark.virtual
async def test_only_a_position_that_is_known_to_be_older_than_the_call_is_closed_late() -> None:
    run, times = run_of(), {"9000": True, "10000": True, "10001": False, "0": False}
    assert {time: run._opened_before_the_call(listed(cTime=time)) for time in times} == times


@pytest.mark.virtual
async def test_the_time_of_the_call_is_corrected_once_the_exchange_s_clock_is_known() -> None:
    calls = Idle()
    run = FlattenRun(cast("Caller", calls), FlattenArguments(auto_cxl=False, deadline=5.0))
    calls.clock_offset = -4.0
    assert not run._opened_before_the_call(listed(cTime="9000"))
    assert run._opened_before_the_call(listed(cTime="6000"))


@pytest.mark.virtual
@pytest.mark.parametrize("time", [inf, nan, -1.0, 1e300])
async def test_without_a_time_of_the_call_no_position_is_older(time: float) -> None:
    calls = Idle()
    calls.exchange_time = lambda: time  # type: ignore[method-assign]
    run = FlattenRun(cast("Caller", calls), FlattenArguments(auto_cxl=False, deadline=5.0))
    assert not run._opened_before_the_call(listed(cTime="1"))


@pytest.mark.virtual
async def test_by_a_last_reading_that_does_not_count_nothing_is_flat() -> None:
    run, before = run_of(), listed()
    leg = run._engine.add_leg(before, Reading(0.0, [before]), okx.ClosePosition.of(before))
    leg.close_started()
    leg.answered(okx.Outcome.ACCEPTED, None, (), 0.5, 1.0)
    for at, records, flat in ((1.0, [], False), (2.0, [], True), (3.0, [listed(uTime="900")], False), (4.0, [], True)):
        run._last = Reading(at, records)
        leg.observe(run._last, at)
        assert run._report().flat is flat


@pytest.mark.virtual
@pytest.mark.parametrize("complete", [True, False])
async def test_a_reading_that_came_after_its_time_speaks_for_the_report(*, complete: bool) -> None:
    run = run_of()
    run._last = Reading(1.0, [listed()])
    run._engine.reader.latest = Reading(2.0, [])
    run._engine.reader._complete_begun = 2.0 if complete else 1.0
    report = run._report()
    assert report.flat is complete
    assert len(report.rows) == (0 if complete else 1)


@pytest.mark.parametrize("data", ["null", "{}", '"x"'])
def test_one_answer_that_is_no_list_of_positions_bars_no_exit(happen: Happen, data: str) -> None:
    async def story(world: World, client: okx.Client) -> None:
        odd: dict[str, Any] = {
            "body": f'{{"code":"0","msg":"","data":{data}}}',
            "status": 200,
            "path": "/api/v5/account/positions",
        }
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(**odd, times=3)
        assert len(await client.positions()) == 1
        world.exchange.inject(**odd, times=3)
        assert (await client.flatten()).flat
        world.exchange.inject(**odd, times=None)
        begun = world.loop.clock()
        with pytest.raises(okx.OutcomeUnknownError, match="no list of positions"):
            await client.positions()
        assert world.loop.clock() - begun < 5.0
        with pytest.raises(okx.OutcomeUnknownError, match="no list of positions"):
            await client.flatten(deadline=0.5)
        assert world.loop.clock() - begun < 8.0

    happen(story)


def test_positions_that_may_not_be_read_any_more_end_it_and_the_report_says_so(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        for inst_id in (BTC, ETH):
            world.exchange.open_position(inst_id, 3)
        task = asyncio.ensure_future(client.flatten())
        while not world.closes():  # noqa: ASYNC110 - turns of virtual time
            await asyncio.sleep(0.01)
        world.exchange.inject(path="/api/v5/account/positions", code="50120", times=None)
        return await task

    report = happen(story, latency=0.04)
    assert not report.flat
    assert [row.state for row in report.rows] == [okx.FlattenState.UNKNOWN] * 2
    assert report.seconds < 3.0
    assert len(report.notes) == 1
    assert "50120" in report.notes[0]
