"""Callers of a joined close that are cancelled or run out of time, and what is left for the others."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

import okx_async as okx
from tests._calls.joining import close, full
from tests.conftest import World

Happen: TypeAlias = Callable[..., Any]
BTC = "BTC-USDT-SWAP"


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("after", [0.0, 0.01, 0.02])
def test_a_cancelled_caller_takes_no_other_along(happen: Happen, *, first: bool, after: float) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        calls = [close(client), close(client)]
        await asyncio.sleep(after)
        calls[not first].cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await calls[not first]
        if after:
            assert any("goes on for other callers" in note for note in caught.value.__notes__)
        assert (await calls[first]).inst_id == BTC
        assert [row.executed for row in world.closes()] == [True]

    happen(story)


@pytest.mark.parametrize("sent", [True, False])
def test_the_last_caller_that_is_cancelled_ends_the_close(happen: Happen, *, sent: bool) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        if not sent:
            await full(client, 5.0)
        calls = [close(client), close(client)]
        await asyncio.sleep(0.01)
        calls[0].cancel()
        await asyncio.sleep(0)
        calls[1].cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await calls[1]
        notes = getattr(caught.value, "__notes__", [])
        assert notes == ([f"{BTC}: already sent, outcome unknown"] if sent else [])
        await asyncio.sleep(6.0)
        assert len(world.closes()) == sent

    happen(story)


def test_a_joiners_max_wait_is_its_own(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        await full(client, 3.0)
        patient, hasty = close(client), close(client, max_wait=1.0)
        begun = world.loop.clock()
        with pytest.raises(okx.SlotTimeoutError, match="goes on for other callers"):
            await hasty
        assert world.loop.clock() - begun == pytest.approx(1.0)
        assert (await patient).inst_id == BTC
        assert len(world.closes()) == 1

    happen(story)


def test_after_the_first_callers_time_another_takes_over(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        crowd = asyncio.ensure_future(client.close_positions([okx.ClosePosition(BTC, "isolated")] * 20))
        await asyncio.sleep(0.1)
        hasty, patient = close(client, max_wait=2.0), close(client)
        await asyncio.sleep(0)
        await full(client, 3.0)
        with pytest.raises(okx.SlotTimeoutError):
            await hasty
        assert (await patient).inst_id == BTC
        await crowd
        assert sum(row.executed for row in world.closes()) == 1

    happen(story)


def test_a_call_that_joins_while_the_last_caller_leaves_is_not_cancelled(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        await full(client, 1.0)
        normal = close(client)
        await asyncio.sleep(0.1)
        urgent = close(client, priority=okx.Priority.PANIC)
        await asyncio.sleep(0)
        urgent.cancel()  # before the normal one, whose flight it has replaced, joins its own
        await asyncio.wait({urgent})
        assert urgent.cancelled()
        assert (await normal).inst_id == BTC
        assert len(world.closes()) == 1

    happen(story)


def test_a_call_in_the_step_in_which_another_runs_out_of_time_flies_anew(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        await full(client, 1.0)

        async def close_in_that_step() -> okx.ClosedPosition:
            for _ in range(100):
                if flights[0].done():
                    break
                await asyncio.sleep(0)
            return await client.close_position(BTC, "cross", join=True)

        hasty = close(client, max_wait=0.0)
        await asyncio.sleep(0)
        flights = [task for task in asyncio.all_tasks() if task.get_name() == "okx_async joined close"]
        assert len(flights) == 1
        late = asyncio.ensure_future(close_in_that_step())
        with pytest.raises(okx.SlotTimeoutError):
            await hasty
        assert (await late).inst_id == BTC
        assert len(world.closes()) == 1

    happen(story)


def test_a_second_cancellation_keeps_the_note_of_the_first(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        call = close(client)
        await asyncio.sleep(0.01)
        call.cancel()
        await asyncio.sleep(0)
        assert not call.done()
        call.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await call
        assert getattr(caught.value, "__notes__", []) == [f"{BTC}: already sent, outcome unknown"]

    happen(story)


def test_a_close_that_is_cancelled_before_its_first_step_leaves_nothing(
    happen: Happen, recwarn: pytest.WarningsRecorder
) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        normal = close(client)
        urgent = close(client, priority=okx.Priority.PANIC)  # begins in the same step, so that it replaces the other
        assert await urgent == await normal
        assert len(world.closes()) == 1

    happen(story)
    assert [str(warning.message) for warning in recwarn if "never awaited" in str(warning.message)] == []


def test_a_joined_close_that_a_hook_cancels_is_not_sent_again(happen: Happen) -> None:
    async def story(world: World, _: okx.Client) -> None:
        def cancels(_attempt: okx.Attempt) -> None:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()

        world.exchange.open_position(BTC, 3)
        async with world.client(on_attempt=cancels) as client:
            calls = [close(client), close(client)]
            told = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(error) for error in told] == [okx.OutcomeUnknownError] * 2
        assert len(world.closes()) == 1

    happen(story)


def test_who_flies_anew_after_its_time_sends_nothing(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(code="51115", inst_id=BTC, delay=0.5, times=1)
        plain = close(client)
        hasty = close(client, auto_cxl=True, max_wait=0.1)  # closes again once the other is refused: too late
        with pytest.raises(okx.OkxError):
            await hasty
        with pytest.raises(okx.PendingOrdersError):
            await plain
        assert len(world.closes()) == 1

    happen(story)


@pytest.mark.parametrize(
    ("code", "words", "first", "other"),
    [
        ("51115", "", {}, {"auto_cxl": True}),
        ("51112", "", {}, {"auto_cxl": True}),  # the order of which it holds: no PendingOrdersError
        ("51205", "", {}, {"auto_cxl": True}),
        ("51016", "", {"cl_ord_id": "taken"}, {}),
        ("50071", "", {"cl_ord_id": "taken"}, {"cl_ord_id": "free"}),
        ("51000", "Parameter clOrdId error", {"cl_ord_id": "taken"}, {}),
        ("51000", "Parameter tag error", {"tag": "odd"}, {"tag": "plain"}),
        ("50014", "Parameter posSide can not be empty", {}, {"pos_side": "net"}),
    ],
)
@pytest.mark.parametrize("confirm", [False, True])
def test_what_was_refused_for_anothers_words_is_sent_with_ones_own(
    happen: Happen, code: str, words: str, first: dict[str, Any], other: dict[str, Any], *, confirm: bool
) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(code=code, message=words, inst_id=BTC, delay=0.5, times=1)
        refused = close(client, **first)
        joined = close(client, confirm=confirm, **other)
        with pytest.raises(okx.RejectedError) as caught:
            await refused
        assert caught.value.code == code
        assert (await joined).flat is confirm
        assert [row.executed for row in world.closes()] == [False, True]

    happen(story)


@pytest.mark.parametrize(
    ("code", "words", "first", "other"),
    [
        ("51112", "", {"auto_cxl": True}, {}),  # with less, it would be refused all the more
        ("51016", "", {"cl_ord_id": "one", "tag": "a"}, {"cl_ord_id": "one", "tag": "b"}),
        ("51000", "Parameter mgnMode error", {"tag": "a"}, {"tag": "b"}),
        ("51000", "", {"tag": "a"}, {"tag": "b"}),
        ("51023", "about the tag", {"tag": "a"}, {"tag": "b"}),
    ],
)
def test_what_was_refused_for_other_reasons_is_sent_once(
    happen: Happen, code: str, words: str, first: dict[str, Any], other: dict[str, Any]
) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(code=code, message=words, inst_id=BTC, delay=0.5, times=None)
        calls = [close(client, **first), close(client, **other)]
        told = await asyncio.gather(*calls, return_exceptions=True)
        alone = 4 if first.get("auto_cxl") else 1  # its own repeats
        assert [getattr(error, "code", "") for error in told] == [code, code]
        assert len(world.closes()) == alone

    happen(story)
