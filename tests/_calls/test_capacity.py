import asyncio

import pytest

from okx_async import Priority
from okx_async._calls.capacity import CapacityLimiter


async def step() -> None:
    await asyncio.sleep(0)


def test_places_are_taken_until_none_is_left() -> None:
    gate = CapacityLimiter(2)
    assert [gate.enter() for _ in range(3)] == [True, True, False]
    assert not gate.free
    gate.leave()
    assert gate.free
    assert gate.enter()


async def test_a_free_place_is_taken_without_waiting() -> None:
    gate = CapacityLimiter(1)
    coroutine = gate.wait(Priority.NORMAL)
    with pytest.raises(StopIteration):
        coroutine.send(None)
    assert gate.taken == 1


async def test_first_come_first_served_and_panic_before_normal() -> None:
    gate = CapacityLimiter(1)
    assert gate.enter()
    order: list[str] = []

    async def wait(name: str, priority: Priority) -> None:
        await gate.wait(priority)
        order.append(name)

    tasks = []
    for name in ("n1", "n2", "p1", "p2"):
        tasks.append(asyncio.ensure_future(wait(name, Priority.PANIC if name[0] == "p" else Priority.NORMAL)))
        await step()
    for _ in tasks:
        gate.leave()
        await step()
    assert order == ["p1", "p2", "n1", "n2"]
    assert gate.taken == 1
    gate.leave()
    assert gate.taken == 0


async def test_who_holds_a_slot_goes_before_all_others() -> None:
    gate = CapacityLimiter(1)
    assert gate.enter()
    panic = asyncio.ensure_future(gate.wait(Priority.PANIC))
    await step()
    holding = asyncio.ensure_future(gate.wait(Priority.NORMAL, holds_slot=True))
    await step()
    gate.leave()
    await holding
    assert not panic.done()
    gate.leave()
    await panic


async def test_a_place_is_handed_over_and_nobody_snatches_it() -> None:
    gate = CapacityLimiter(1)
    assert gate.enter()
    waiter = asyncio.ensure_future(gate.wait(Priority.NORMAL))
    await step()
    gate.leave()
    assert not gate.enter()  # in the gap before the waiter runs
    await waiter
    assert gate.taken == 1


@pytest.mark.parametrize("handed", [False, True], ids=["queued", "handed over"])
@pytest.mark.parametrize("others", [0, 1])
async def test_a_cancelled_waiter_leaves_its_place_to_the_next(*, handed: bool, others: int) -> None:
    gate = CapacityLimiter(1)
    assert gate.enter()
    first, *rest = [asyncio.ensure_future(gate.wait(Priority.NORMAL)) for _ in range(1 + others)]
    await step()
    if handed:
        gate.leave()
    first.cancel()
    if not handed:
        gate.leave()
    await asyncio.wait({first, *rest})
    assert first.cancelled()
    assert gate.taken == others
    if others:
        gate.leave()
    assert gate.free


async def test_of_many_cancelled_in_line_nothing_is_left() -> None:
    gate = CapacityLimiter(1)
    assert gate.enter()
    tasks = [asyncio.ensure_future(gate.wait(Priority(n % 2))) for n in range(100)]
    await step()
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert [len(lane) for lane in gate._lanes] == [0, 0, 0]
    assert gate.taken == 1


async def test_a_waiter_cancelled_by_its_own_future_is_passed_over() -> None:
    gate = CapacityLimiter(1)
    assert gate.enter()
    waiter = asyncio.ensure_future(gate.wait(Priority.NORMAL))
    await step()
    next(iter(gate._lanes[0])).cancel()  # as a cancelled task does, before it runs
    gate.leave()
    assert gate.taken == 0
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert gate.taken == 0
