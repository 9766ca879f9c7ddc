"""Many closes at once, with closes that are scripted."""

import asyncio

import pytest

from okx_async import ClosePosition
from okx_async._calls.gather import AT_ONCE, gather_in_turns, wait_ended

pytestmark = pytest.mark.virtual

LEGS = [ClosePosition(f"{name}-USDT-SWAP", "cross") for name in ("BTC", "ETH", "SOL")]


async def test_gather_returns_in_order_and_raises_once_all_have_ended() -> None:
    ended: list[float] = []

    async def work(seconds: float) -> float:
        await asyncio.sleep(seconds)
        ended.append(seconds)
        if seconds == 0.1:
            raise KeyError(seconds)
        return seconds

    assert await gather_in_turns(work, [0.3, 0.2]) == [0.3, 0.2]
    assert await gather_in_turns(work, []) == []
    with pytest.raises(KeyError):
        await gather_in_turns(work, [0.3, 0.1])
    assert ended == [0.2, 0.3, 0.1, 0.3]


async def test_some_begin_in_each_turn_of_the_loop() -> None:
    begun = 0

    async def work(_: int) -> None:
        nonlocal begun
        begun += 1

    task = asyncio.create_task(gather_in_turns(work, range(3 * AT_ONCE)))
    most = before = 0
    while not task.done():
        await asyncio.sleep(0)
        most, before = max(most, begun - before), begun
    assert (begun, most) == (3 * AT_ONCE, AT_ONCE)


async def test_gather_cancelled_ends_all_and_has_their_notes() -> None:
    async def work(number: int) -> None:
        try:
            await asyncio.sleep(1.0)
        except asyncio.CancelledError as cancelled:
            cancelled.add_note(f"note {number}")
            raise

    task = asyncio.create_task(gather_in_turns(work, range(3)))
    await asyncio.sleep(0.5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert getattr(caught.value, "__notes__", []) == ["note 0", "note 1", "note 2"]


async def test_of_several_errors_the_first_in_order_is_raised() -> None:
    async def fail(seconds: float) -> None:
        await asyncio.sleep(seconds)
        raise ValueError(str(seconds))

    with pytest.raises(ValueError, match=r"0\.2"):
        await gather_in_turns(fail, [0.2, 0.1, 0.3])


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
async def test_a_second_cancellation_loses_no_note(turns: int) -> None:
    async def work(number: int) -> None:
        try:
            await asyncio.sleep(1.0)
        finally:
            try:
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            finally:
                error = asyncio.CancelledError()
                error.add_note(f"note {number}")
                raise error

    task = asyncio.ensure_future(gather_in_turns(work, range(3)))
    await asyncio.sleep(0.1)
    task.cancel()
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert sorted(caught.value.__notes__) == ["note 0", "note 1", "note 2"]


async def test_waiting_for_the_end_of_tasks_goes_on_and_is_cancelled_in_the_end() -> None:
    slow = asyncio.ensure_future(asyncio.sleep(1.0))
    waiting = asyncio.ensure_future(wait_ended([slow]))
    for _ in range(3):
        await asyncio.sleep(0.1)
        waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert slow.done()


async def test_what_ends_it_from_within_has_each_note_once() -> None:
    async def work(number: int) -> None:
        alone = asyncio.get_running_loop().create_future()
        (alone.set_result if number else alone.cancel)(None)
        try:
            await alone
        except asyncio.CancelledError as cancelled:
            cancelled.add_note(f"note {number}")
            raise

    with pytest.raises(asyncio.CancelledError) as caught:
        await gather_in_turns(work, range(2))
    assert getattr(caught.value, "__notes__", []) == ["note 0"]
