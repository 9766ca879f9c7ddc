"""Closes with confirmation, against the simulated exchange in virtual time."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

import okx_async as okx
from okx_async._flatten.confirm import _matching
from okx_async._flatten.engine import FIRST_CLOSE_WAIT
from okx_async._flatten.guard import Reading
from okx_async._flatten.readings import PositionReader
from okx_async._rest.records import positions
from okx_async._rest.responses import Answer
from tests.conftest import World

Happen: TypeAlias = Callable[..., Any]

BTC = "BTC-USDT-SWAP"
POSITIONS = "/api/v5/account/positions"


@pytest.mark.parametrize("fill_delay", [0.0, 1.0, 3.0])
def test_it_returns_once_the_position_is_gone(happen: Happen, fill_delay: float) -> None:
    async def story(world: World, client: okx.Client) -> okx.ClosedPosition:
        world.exchange.open_position(BTC, 3)
        closed = await client.close_position(BTC, "cross", cl_ord_id="mine", confirm=True)
        assert not world.exchange.positions
        return closed

    closed = happen(story, fill_delay=fill_delay)
    assert (closed.flat, closed.inst_id, closed.cl_ord_id) == (True, BTC, "mine")
    assert closed.attempts[0].outcome is okx.Outcome.ACCEPTED


def test_where_no_time_passes_it_returns_all_the_same(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> int:
        world.exchange.open_position(BTC, 3)
        assert (await client.close_position(BTC, "cross", confirm=True)).flat
        return sum(row.path.startswith(POSITIONS) for row in world.exchange.journal)

    assert happen(story, way=0.0) <= 4  # readings that asked again and again would use up their quota


@pytest.mark.parametrize("max_wait", [None, 4.0])
def test_what_seemed_gone_and_cannot_be_read_any_more_is_not_awaited_for_ever(
    happen: Happen, max_wait: float | None
) -> None:
    async def story(world: World, client: okx.Client) -> float:
        world.exchange.open_position(BTC, 3)
        await client.limiter.block(client.limiter_key(BTC), 2.0)  # so that the close needs another reading
        world.exchange.inject("positions empty once", after=1)
        world.exchange.inject("positions down", after=1)
        begun = world.loop.clock()
        with pytest.raises(okx.OkxError) as caught:
            await client.close_position(BTC, "cross", confirm=True, confirm_timeout=3.0, max_wait=max_wait)
        assert not isinstance(caught.value, okx.NothingToCloseError)
        assert not world.closes()
        return world.loop.clock() - begun

    assert happen(story) < (max_wait or 2.0) + 3.0 + 1.0


OF_ANOTHER = '{"code":"0","msg":"","data":[{"instId":"ETH-USDT-SWAP","mgnMode":"cross","posSide":"net","pos":"1"}]}'


def test_the_answer_to_another_question_proves_nothing_flat(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(path=POSITIONS, body=OF_ANOTHER, times=None)
        with pytest.raises(okx.OutcomeUnknownError, match="nothing of what was asked for"):
            await client.positions([BTC])
        with pytest.raises(okx.OutcomeUnknownError, match="nothing of what was asked for"):
            await client.flatten([BTC])
        assert len(await client.positions()) == 1
        with pytest.raises(okx.OutcomeUnknownError, match="accepted, but"):
            await client.close_position(BTC, "cross", confirm=True, confirm_timeout=1.5)

    happen(story)


def test_without_confirm_nothing_is_read_and_nothing_proven(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.ClosedPosition:
        world.exchange.open_position(BTC, 3)
        closed = await client.close_position(BTC, "cross")
        assert not any(row.path.startswith(POSITIONS) for row in world.exchange.journal)
        return closed

    assert not happen(story).flat


@pytest.mark.parametrize("executed", [True, False])
def test_an_unknown_outcome_becomes_a_known_one(happen: Happen, executed: bool) -> None:  # noqa: FBT001 - both
    async def story(world: World, client: okx.Client) -> okx.ClosedPosition:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject("50004", executed=executed)
        closed = await client.close_position(BTC, "cross", confirm=True)
        assert not world.exchange.positions
        assert sum(row.executed for row in world.closes()) == 1
        return closed

    closed = happen(story)
    assert closed.flat
    assert len(closed.attempts) == (1 if executed else 2)


@pytest.mark.parametrize("fault", ["50004", "50011", "51030", "never filled"])
def test_another_position_in_its_place_is_left_alone_and_reported(happen: Happen, fault: str) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(fault)
        world.exchange.reopen(BTC, 7, on_close=1)
        with pytest.raises(okx.RejectedError, match="superseded") as caught:
            await client.close_position(BTC, "cross", confirm=True)
        assert len(caught.value.attempts) == len(world.closes()) == 1
        assert [holding.pos for holding in world.exchange.positions] == [7]

    happen(story)


def test_not_proven_in_time_is_unknown(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> float:
        world.exchange.open_position(BTC, 3)
        begun = world.loop.clock()
        with pytest.raises(okx.OutcomeUnknownError, match="accepted, but still listed") as caught:
            await client.close_position(BTC, "cross", confirm=True, confirm_timeout=1.5)
        assert [attempt.outcome for attempt in caught.value.attempts] == [okx.Outcome.ACCEPTED]
        return world.loop.clock() - begun

    assert 1.5 < happen(story, fill_delay=3.0) < 1.7


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("51000", okx.RejectedError),
        ("50120", okx.AuthenticationError),
        ("51115", okx.PendingOrdersError),
        ("51032", okx.CloseInProgressError),
        ("50011", okx.RateLimitedError),
        ("51030", okx.UnavailableError),
        ("51023", okx.NothingToCloseError),
        ("HTML 403 early", okx.RejectedError),
    ],
)
def test_a_refusal_is_raised_as_it_is(happen: Happen, fault: str, error: type[okx.OkxError]) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(fault, times=None)
        with pytest.raises(error) as caught:
            await client.close_position(BTC, "cross", confirm=True, confirm_timeout=9.0)
        assert type(caught.value) is error
        assert caught.value.attempts
        assert [holding.pos for holding in world.exchange.positions] == [3]

    happen(story)


def test_without_a_position_the_exchange_says_so(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3, "isolated")
        with pytest.raises(okx.NothingToCloseError) as caught:
            await client.close_position(BTC, "cross", confirm=True)
        assert caught.value.code == "51023"
        assert len(world.closes()) == 1

    happen(story)


def test_closed_by_others_first_is_nothing_to_close(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        world.at(0.035, lambda: world.exchange.open_position(BTC, 0))
        with pytest.raises(okx.NothingToCloseError):
            await client.close_position(BTC, "cross", confirm=True)

    happen(story)


@pytest.mark.parametrize("failing", [1, 3])
def test_it_is_sent_although_nothing_can_be_read_and_proven_later(happen: Happen, failing: int) -> None:
    async def story(world: World, client: okx.Client) -> okx.ClosedPosition:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(path=POSITIONS, code="50026", times=failing)
        world.exchange.inject("50004", executed=True)
        return await client.close_position(BTC, "cross", confirm=True)

    closed = happen(story)
    assert (closed.flat, len(closed.attempts)) == (True, 1)


@pytest.mark.parametrize("fault", ["", "50004"])
def test_a_position_that_was_never_read_is_not_closed_twice(happen: Happen, fault: str) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(path=POSITIONS, code="50026")
        if fault:
            world.exchange.inject(fault, executed=False)
        with pytest.raises(okx.OutcomeUnknownError):
            await client.close_position(BTC, "cross", confirm=True, confirm_timeout=5.0)
        assert len(world.closes()) == 1

    happen(story, fill=0)


def test_the_side_is_told_apart(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3, "cross", "long")
        world.exchange.open_position(BTC, 3, "cross", "short")
        closed = await client.close_position(BTC, "cross", pos_side="short", confirm=True)
        assert closed.flat
        assert [holding.pos_side for holding in world.exchange.positions] == ["long"]

    happen(story, pos_mode="long_short_mode")


def test_max_wait_is_kept(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        limiter = client.limiter
        world.exchange.open_position(BTC, 3)
        await limiter.block(client.limiter_key(BTC), 5.0)
        begun = world.loop.clock()
        with pytest.raises(okx.SlotTimeoutError):
            await client.close_position(BTC, "cross", confirm=True, max_wait=1.0)
        assert world.loop.clock() - begun < 0.2
        assert not world.closes()
        with pytest.raises(okx.SlotTimeoutError):
            await client.close_position(BTC, "cross", confirm=True, max_wait=0.0)
        closed = await client.close_position(BTC, "cross", confirm=True, max_wait=6.0)
        assert closed.flat

    happen(story)


@pytest.mark.parametrize(
    ("moment", "note"),
    [(0.02, None), (0.04, "already sent, outcome unknown"), (0.2, "already sent, not proven closed")],
)
def test_cancelled_it_notes_what_is_known(happen: Happen, moment: float, note: str | None) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        task = asyncio.create_task(client.close_position(BTC, "cross", confirm=True))
        await asyncio.sleep(moment)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert getattr(caught.value, "__notes__", []) == ([f"{BTC}: {note}"] if note else [])

    happen(story, fill_delay=3.0)


@pytest.mark.parametrize("readable", [True, False])
def test_cancelled_before_the_last_reading_it_notes_that_nothing_is_proven(happen: Happen, readable: bool) -> None:  # noqa: FBT001 - both
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        if not readable:
            world.exchange.inject(path="/api/v5/account/positions", code="50026", times=None)
        task = asyncio.create_task(client.close_position(BTC, "cross", confirm=True))
        await asyncio.sleep(0.1 if readable else 1.5)
        assert not world.exchange.positions
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert getattr(caught.value, "__notes__", []) == [f"{BTC}: already sent, not proven closed"]

    happen(story)


def test_a_second_cancellation_keeps_the_note_of_what_was_sent(happen: Happen) -> None:
    """Seed 2611292015622 broke "rows": nothing had been read yet, so the close was that of no leg."""

    async def story(world: World, client: okx.Client) -> None:
        world.exchange.inject(path="/api/v5/account/positions", delay=4.0)  # the close does not wait for it
        world.exchange.inject(delay=1.0)
        task = asyncio.create_task(client.close_position(BTC, "cross", confirm=True))
        await asyncio.sleep(FIRST_CLOSE_WAIT + 0.5)
        assert len(world.closes()) == 1
        for _ in range(9):
            task.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert getattr(caught.value, "__notes__", []) == [f"{BTC}: already sent, outcome unknown"]

    happen(story)


@pytest.mark.parametrize("first", ["half filled", "never filled"])
def test_refused_is_not_said_once_a_close_was_taken(happen: Happen, first: str) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 4)
        world.exchange.inject(first)
        world.exchange.inject(code="51120")
        with pytest.raises(okx.OutcomeUnknownError, match="an earlier close was taken") as unknown:
            await client.close_position(BTC, "cross", confirm=True)
        assert unknown.value.code == "51120"
        assert [attempt.outcome.value for attempt in unknown.value.attempts] == ["accepted", "needs"]

    happen(story)


@pytest.mark.parametrize("arguments", [{"inst_id": "btc"}, {"confirm_timeout": 0}, {"max_wait": -1}])
def test_what_cannot_work_is_refused_before_anything_is_asked(happen: Happen, arguments: dict[str, Any]) -> None:
    async def story(world: World, client: okx.Client) -> None:
        before = len(world.exchange.journal)
        with pytest.raises(okx.InvalidRequestError):
            await client.close_position(**{"inst_id": BTC, "mgn_mode": "cross", "confirm": True, **arguments})
        assert len(world.exchange.journal) == before

    happen(story)


SWAP = {"instType": "SWAP", "instId": BTC, "mgnMode": "cross", "posSide": "net", "pos": "3", "ccy": "USDT"}
PAIR = {**SWAP, "instType": "MARGIN", "instId": "BTC-USDT", "posCcy": "BTC"}


@pytest.mark.parametrize(
    ("listed", "close", "may_close_it"),
    [
        (SWAP, {}, True),
        ({**SWAP, "pos": "0"}, {}, False),
        ({**SWAP, "instId": "ETH-USDT-SWAP"}, {}, False),
        ({**SWAP, "mgnMode": "isolated"}, {}, False),
        ({**SWAP, "posSide": "long"}, {}, False),
        ({**SWAP, "posSide": "long"}, {"pos_side": "long"}, True),
        ({**SWAP, "ccy": "BTC"}, {"ccy": "USDT"}, True),  # the exchange looks at the currency of pairs alone
        (PAIR, {"inst_id": "BTC-USDT"}, True),
        (PAIR, {"inst_id": "BTC-USDT", "ccy": "USDT"}, True),
        (PAIR, {"inst_id": "BTC-USDT", "ccy": "BTC"}, False),
    ],
)
def test_a_position_is_the_one_that_the_close_names(
    listed: dict[str, str],
    close: dict[str, Any],
    may_close_it: bool,  # noqa: FBT001 - expected
) -> None:
    request = okx.ClosePosition(**{"inst_id": BTC, "mgn_mode": "cross", **close})
    found = positions(Answer(200, "0", data=[listed], listed=True, envelope=True)).positions
    assert _matching(request, Reading(0.0, found)) == (found if may_close_it else [])


def reads(world: World, since: float) -> list[float]:
    """Return when readings were made, in seconds from this time of the loop."""
    rows = [row for row in world.exchange.journal if row.path.startswith(POSITIONS)]
    return [row.at - since for row in rows if row.at >= since]


def test_a_position_that_was_never_read_is_gone_after_two_readings_in_a_row(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(path=POSITIONS, code="50026")
        begun = world.loop.clock()
        task = asyncio.create_task(client.close_position(BTC, "cross", confirm=True))
        await asyncio.sleep(0.25)  # a first reading does not list it
        world.exchange.open_position(BTC, 7)
        await asyncio.sleep(0.2)  # the second one does
        world.exchange.open_position(BTC, 0)
        assert (await task).flat
        *_, listed, gone, proof = reads(world, begun)
        assert listed < 0.45 < gone
        assert proof - gone >= 0.2

    happen(story)


def test_cancelled_after_an_unknown_outcome_it_notes_that_nothing_is_proven(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(path=POSITIONS, code="50026", times=None)
        world.exchange.inject("50004", executed=True)
        task = asyncio.create_task(client.close_position(BTC, "cross", confirm=True))
        await asyncio.sleep(1.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert caught.value.__notes__ == [f"{BTC}: already sent, not proven closed"]

    happen(story)


def test_a_slow_first_reading_is_waited_for_a_second(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(path=POSITIONS, delay=3.0, counted=False)
        begun = world.loop.clock()
        assert (await client.close_position(BTC, "cross", confirm=True)).flat
        assert 1.0 <= world.closes()[0].at - begun < 1.1

    happen(story)


def test_the_first_reading_counts_towards_max_wait(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.inject(path=POSITIONS, delay=0.8, counted=False)
        await client.limiter.block(client.limiter_key(BTC), 1.5)
        with pytest.raises(okx.SlotTimeoutError):
            await client.close_position(BTC, "cross", confirm=True, max_wait=1.0)
        assert not world.closes()

    happen(story)


@pytest.mark.parametrize("max_wait", [0.5, None])
def test_the_end_of_another_close_of_the_position_begins_the_time_to_confirm(
    happen: Happen, max_wait: float | None
) -> None:
    """Seed 2611291830027 broke "deadlines": without a close of its own the call read for as long as the other's did."""

    async def story(world: World, client: okx.Client) -> float:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        world.exchange.open_position(BTC, 3)
        world.exchange.inject("never filled", delay=0.4)
        first = asyncio.ensure_future(client.close_position(BTC, "cross", confirm=True))
        await asyncio.sleep(0.1)
        with pytest.raises(okx.OutcomeUnknownError, match="not proven closed in time"):
            await client.close_position(BTC, "cross", confirm=True, max_wait=max_wait, confirm_timeout=0.5)
        took = loop.time() - begun
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        assert len(world.closes()) == 1
        return took

    assert happen(story) < 2.0


@pytest.mark.parametrize("max_wait", [None, 3.0])
def test_one_that_never_sends_beside_another_comes_to_its_end(happen: Happen, max_wait: float | None) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        begun = world.loop.clock()
        calls = [
            client.close_position(BTC, "cross", confirm=True, max_wait=max_wait, confirm_timeout=1.0) for _ in range(2)
        ]
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(result, okx.OutcomeUnknownError | okx.CloseInProgressError) for result in results)
        assert world.loop.clock() - begun < (max_wait or 0.0) + 2.0

    happen(story, fill_delay=60.0)


@pytest.mark.parametrize("late", ["connecting", "reading"])
def test_no_first_close_is_sent_after_max_wait(happen: Happen, late: str) -> None:
    async def story(world: World, warm: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        if late == "reading":
            world.exchange.inject(delay=2.0, path=POSITIONS)
        async with world.client() as cold:
            client = cold if late == "connecting" else warm
            begun = world.loop.clock()
            close = client.close_position(BTC, "cross", confirm=True, max_wait=0.5, confirm_timeout=3.0)
            if late == "connecting":
                with pytest.raises(okx.NotSentError):
                    await close
            else:
                assert (await close).flat  # a reading that does not come leaves time for the close
        sent = [attempt.sent - world.wall_clock() + world.loop.clock() for attempt in world.attempts if attempt.sent]
        assert [moment - begun < 0.5 for moment in sent] == [True] * (late == "reading")

    happen(story, way=0.4 if late == "connecting" else 0.015)


@pytest.mark.parametrize("confirm", [True, False])
def test_a_close_that_may_not_wait_may_connect(happen: Happen, *, confirm: bool) -> None:
    async def story(world: World, _: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        async with world.client() as client:  # it has no connection yet
            assert (await client.close_position(BTC, "cross", confirm=confirm, max_wait=0.0)).inst_id == BTC
        assert len(world.closes()) == 1

    happen(story)


def test_a_first_close_whose_time_ran_out_beside_the_reading_is_not_sent(
    happen: Happen, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stalls(*_: object) -> bool:
        await asyncio.sleep(0.6)  # as a loop that stands still
        return False

    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        with monkeypatch.context() as patch:
            patch.setattr(PositionReader, "read_since", stalls)
            with pytest.raises(okx.NotSentError):
                await client.close_position(BTC, "cross", confirm=True, max_wait=0.5)
        assert not world.closes()

    happen(story)


def test_a_key_that_may_not_read_may_close(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(path="/api/v5/account/positions", code="50120", times=None)
        begun = world.loop.clock()
        with pytest.raises(okx.OutcomeUnknownError, match=r"accepted, but not proven closed.*50120") as caught:
            await client.close_position(BTC, "cross", confirm=True)
        assert [attempt.outcome for attempt in caught.value.attempts] == [okx.Outcome.ACCEPTED]
        assert not world.exchange.positions
        assert world.loop.clock() - begun < 1.0
        with pytest.raises(okx.NothingToCloseError):
            await client.close_position(BTC, "cross", confirm=True)

    happen(story)


def test_a_key_that_is_refused_altogether_closes_nothing(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(path="/api/v5/account/positions", code="50119", times=None)
        with pytest.raises(okx.AuthenticationError):
            await client.close_position(BTC, "cross", confirm=True)
        assert not world.closes()

    happen(story)


@pytest.mark.parametrize("listed", [True, False])
def test_of_a_closed_client_nothing_is_awaited(happen: Happen, *, listed: bool) -> None:
    async def story(world: World, client: okx.Client) -> None:
        if listed:
            world.exchange.open_position(BTC, 3)
        else:
            world.exchange.inject(
                body='{"code":"0","msg":"","data":[]}', status=200, path="/api/v5/trade/close-position"
            )
            world.exchange.inject(path="/api/v5/account/positions", code="50001", times=None)
        task = asyncio.ensure_future(client.close_position(BTC, "cross", confirm=True))
        while not world.attempts:  # noqa: ASYNC110 - turns of virtual time
            await asyncio.sleep(0.01)
        begun = world.loop.clock()
        await client.aclose()
        with pytest.raises(okx.OutcomeUnknownError):
            await task
        assert world.loop.clock() - begun < 2.0

    happen(story, fill_delay=20.0)
