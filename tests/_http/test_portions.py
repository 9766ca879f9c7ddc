import asyncio
from itertools import pairwise

import pytest

from okx_async._http.portions import PORTION, Pace, Portions

pytestmark = pytest.mark.virtual


async def crowd(portions: Portions, size: int) -> tuple[list[int], list[asyncio.Task[None]]]:
    gone: list[int] = []

    async def one(number: int) -> None:
        await portions.wait(None)
        gone.append(number)

    tasks = [asyncio.create_task(one(number)) for number in range(size)]
    await asyncio.sleep(0)
    return gone, tasks


async def test_they_go_on_in_their_order_a_few_in_each_turn() -> None:
    portions = Portions()
    gone, tasks = await crowd(portions, 4 * PORTION + 1)
    portions.open()
    at_once, before = 0, 0
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        at_once, before = max(at_once, len(gone) - before), len(gone)
    assert at_once == PORTION
    assert gone == list(range(4 * PORTION + 1))


async def test_who_is_cancelled_or_out_of_time_leaves_the_others_alone() -> None:
    portions = Portions()
    gone, [first, *others] = await crowd(portions, 3)
    await portions.wait(0.5)
    assert asyncio.get_running_loop().time() == 0.5
    first.cancel()
    await asyncio.wait({first})
    assert (first.cancelled(), gone) == (True, [])
    portions.open()
    await asyncio.gather(*others)
    assert gone == [1, 2]


async def test_who_comes_later_waits_for_the_next_opening() -> None:
    portions = Portions()
    _, tasks = await crowd(portions, 1)
    portions.open()
    await asyncio.gather(*tasks)
    gone, tasks = await crowd(portions, 1)
    await asyncio.sleep(1.0)
    assert gone == []
    portions.open()
    await asyncio.gather(*tasks)


async def test_a_pace_lets_a_portion_pass_in_each_turn_in_their_order() -> None:
    pace, passed = Pace(), list[int]()

    async def one(number: int) -> None:
        await pace.wait()
        passed.append(number)

    async def late() -> None:
        await asyncio.sleep(0)
        await one(2 * PORTION + 1)

    tasks = [asyncio.create_task(late()), *(asyncio.create_task(one(number)) for number in range(2 * PORTION + 1))]
    counts = []
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        counts.append(len(passed))
    assert counts[0] == PORTION
    assert max(later - earlier for earlier, later in pairwise(counts)) == PORTION
    assert passed == list(range(2 * PORTION + 2))


async def test_a_pace_suspends_nobody_where_few_pass() -> None:
    pace = Pace()
    for _ in range(2):
        for _ in range(PORTION):
            with pytest.raises(StopIteration):
                pace.wait().send(None)
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_who_is_cancelled_in_a_pace_holds_up_nobody() -> None:
    pace = Pace()
    tasks = [asyncio.create_task(pace.wait()) for _ in range(3 * PORTION)]
    await asyncio.sleep(0)
    for task in tasks[PORTION : 2 * PORTION]:
        task.cancel()
    await asyncio.wait(tasks)
    assert sum(task.cancelled() for task in tasks) == PORTION
