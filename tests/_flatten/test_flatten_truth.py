"""What the report of a flatten says of closes, cancellations and errors, in virtual time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import pytest

import okx_async as okx
from okx_async._rest.codes import LIFTED_BY_AUTO_CXL
from tests.conftest import World

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
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
