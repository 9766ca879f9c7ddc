"""Many closes at once, with closes that are scripted."""

import asyncio
import gc
import weakref

import pytest

from okx_async import ClosedPosition, ClosePosition, CloseResult, NotSentError, OutcomeUnknownError
from okx_async._calls.batch import run_batch

pytestmark = pytest.mark.virtual

LEGS = [ClosePosition(f"{name}-USDT-SWAP", "cross") for name in ("BTC", "ETH", "SOL")]


async def close(leg: ClosePosition) -> ClosedPosition:
    """Take longer for earlier legs; the second fails."""
    await asyncio.sleep(3.0 - LEGS.index(leg))
    if leg is LEGS[1]:
        raise NotSentError("no way")
    return ClosedPosition(leg.inst_id, "net", "", "")


async def test_results_are_in_order_and_told_as_they_arrive() -> None:
    told: list[CloseResult] = []
    results = await run_batch(LEGS, close, told.append)
    assert [result.request for result in results] == LEGS
    assert [result.ok for result in results] == [True, False, True]
    assert told == [results[2], results[1], results[0]]


async def test_no_legs_no_results() -> None:
    assert await run_batch([], close, None) == []


async def test_cancelled_it_says_which_legs_were_on_the_wire_and_has_told_of_those_decided() -> None:
    async def on_the_wire(leg: ClosePosition) -> ClosedPosition:
        try:
            return await close(leg)
        except asyncio.CancelledError as cancelled:
            cancelled.add_note(f"{leg.inst_id}: already sent, outcome unknown")
            raise

    told: list[CloseResult] = []
    task = asyncio.ensure_future(run_batch(LEGS, on_the_wire, told.append))
    await asyncio.sleep(1.5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert sorted(caught.value.__notes__) == [
        "BTC-USDT-SWAP: already sent, outcome unknown",
        "ETH-USDT-SWAP: already sent, outcome unknown",
        "SOL-USDT-SWAP: already sent, accepted",
    ]
    assert [result.request for result in told] == [LEGS[2]]


async def test_what_ends_a_batch_names_each_leg_that_was_or_may_have_been_executed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Cancelled in the turn of the loop after all have ended, or ended by a misuse, and without `on_result`."""

    async def ended(leg: ClosePosition) -> ClosedPosition:
        if leg is LEGS[1]:
            raise OutcomeUnknownError("who knows")
        if leg is LEGS[2]:
            raise NotSentError("no way")
        return ClosedPosition(leg.inst_id, "net", "", "")

    async def misused(leg: ClosePosition) -> ClosedPosition:
        if leg is LEGS[2]:
            raise RuntimeError("another event loop")
        return await ended(leg)

    task = asyncio.ensure_future(run_batch(LEGS, ended, None))
    await asyncio.sleep(0)  # the legs begin
    asyncio.get_running_loop().call_soon(task.cancel)  # after they have ended, before the batch goes on
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    notes = ["BTC-USDT-SWAP: already sent, accepted", "ETH-USDT-SWAP: already sent, outcome unknown"]
    assert caught.value.__notes__ == notes
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [
        "BTC-USDT-SWAP: cancelled after it was sent, accepted",
        "ETH-USDT-SWAP: cancelled after it was sent, outcome unknown",
    ]
    with pytest.raises(RuntimeError) as ruined:
        await run_batch(LEGS, misused, None)
    assert ruined.value.__notes__ == notes


async def test_a_misuse_is_raised_once_all_have_ended() -> None:
    ended: list[str] = []

    async def misused(leg: ClosePosition) -> ClosedPosition:
        if leg is LEGS[0]:
            raise RuntimeError("another event loop")
        await asyncio.sleep(1.0)
        ended.append(leg.inst_id)
        raise OutcomeUnknownError("who knows")

    with pytest.raises(RuntimeError, match="another event loop"):
        await run_batch(LEGS, misused, None)
    assert ended == [leg.inst_id for leg in LEGS[1:]]


async def test_many_legs_leave_the_loop_its_turns() -> None:
    """Others run between the legs of a long batch: counted in turns of the loop, not in time."""
    begun = 0
    turns: list[int] = []

    async def counted(leg: ClosePosition) -> ClosedPosition:
        nonlocal begun
        begun += 1
        await asyncio.sleep(1.0)
        return ClosedPosition(leg.inst_id, "net", "", "")

    async def bystander() -> None:
        while begun < 1000:
            await asyncio.sleep(0)
            turns.append(begun)

    other = asyncio.ensure_future(bystander())
    legs = [ClosePosition(f"X{n}-USDT-SWAP", "cross") for n in range(1000)]
    results = await run_batch(legs, counted, None)
    await other
    assert [result.request for result in results] == legs
    assert max(after - before for before, after in zip([0, *turns], turns, strict=False)) <= 100


async def test_cancelled_before_all_legs_have_begun_no_further_one_begins() -> None:
    begun: list[str] = []

    async def noted(leg: ClosePosition) -> ClosedPosition:
        begun.append(leg.inst_id)
        await asyncio.sleep(1.0)
        return ClosedPosition(leg.inst_id, "net", "", "")

    task = asyncio.ensure_future(run_batch([ClosePosition(f"X{n}", "cross") for n in range(1000)], noted, None))
    for _ in range(4):  # turns of the loop
        await asyncio.sleep(0)
    so_far = len(begun)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert 0 < so_far < 1000
    assert len(begun) <= so_far + 100
    await asyncio.sleep(2.0)
    assert len(begun) <= so_far + 100


async def test_a_leg_that_somebody_else_cancels_ends_the_batch() -> None:
    async def stuck(_: ClosePosition) -> ClosedPosition:
        await asyncio.sleep(100.0)
        raise AssertionError

    before = asyncio.all_tasks()
    batch = asyncio.ensure_future(run_batch(LEGS, stuck, None))
    await asyncio.sleep(0)
    for leg in asyncio.all_tasks() - before - {batch}:
        leg.cancel()
    with pytest.raises(asyncio.CancelledError):
        await batch
    assert asyncio.get_running_loop().time() == 0.0


async def test_a_result_keeps_the_error_and_not_what_the_leg_had_in_hand() -> None:
    class Answer:
        pass

    watched: list[weakref.ref[Answer]] = []

    async def refused(leg: ClosePosition) -> ClosedPosition:
        answer = Answer()
        watched.append(weakref.ref(answer))
        try:
            int(leg.inst_id)
        except ValueError:
            raise NotSentError(f"no way, {answer!r}")  # noqa: B904 - its context has frames too
        return ClosedPosition(leg.inst_id, "net", "", "")

    results = await run_batch(LEGS, refused, None)
    gc.collect()
    assert not any(result.ok for result in results)
    assert [each() for each in watched] == [None] * len(LEGS)
