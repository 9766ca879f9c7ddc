import asyncio
from collections.abc import Callable

import pytest

from okx_async import Priority
from okx_async._calls.capacity import TRY_AT_ONCE, CapacityLimiter

pytestmark = pytest.mark.virtual


async def step() -> None:
    await asyncio.sleep(0)


async def full(bound: int = 1) -> CapacityLimiter:
    gate = CapacityLimiter(bound)
    assert all(gate.enter() for _ in range(bound))
    return gate


def test_places_are_taken_until_none_is_left() -> None:
    gate = CapacityLimiter(2)
    assert [gate.enter() for _ in range(3)] == [True, True, False]
    assert not gate.free_for("A")
    gate.leave()
    assert gate.free_for("A")
    assert gate.enter()


async def test_a_free_place_is_taken_without_waiting() -> None:
    gate = CapacityLimiter(1)
    coroutine = gate.wait_with_slot()
    with pytest.raises(StopIteration):
        coroutine.send(None)
    assert gate.taken == 1


async def test_first_come_first_served_and_panic_before_normal() -> None:
    gate = await full()
    order: list[str] = []

    async def wait(name: str, priority: Priority) -> None:
        assert await gate.wait("A", priority)
        gate.tried("A")
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


async def test_keys_take_turns() -> None:
    gate = await full()
    order: list[str] = []

    async def wait(name: str) -> None:
        assert await gate.wait(name[0], Priority.NORMAL)
        gate.tried(name[0])
        order.append(name)
        gate.leave()

    tasks = [asyncio.ensure_future(wait(name)) for name in ("A1", "A2", "A3", "B1", "C1", "C2")]
    await step()
    gate.leave()
    await asyncio.wait(tasks)
    assert order == ["A1", "B1", "C1", "A2", "C2", "A3"]
    assert not gate._lines


async def test_who_holds_a_slot_goes_before_all_others() -> None:
    gate = await full()
    panic = asyncio.ensure_future(gate.wait("A", Priority.PANIC))
    await step()
    holding = asyncio.ensure_future(gate.wait_with_slot())
    await step()
    gate.leave()
    await holding
    assert not panic.done()
    gate.leave()
    await panic


Wait = Callable[[CapacityLimiter], asyncio.Task[None]]


async def without(gate: CapacityLimiter) -> None:
    assert await gate.wait("A", Priority.NORMAL)
    gate.tried("A")


def task_with_slot(gate: CapacityLimiter) -> asyncio.Task[None]:
    return asyncio.create_task(gate.wait_with_slot())


def task_without(gate: CapacityLimiter) -> asyncio.Task[None]:
    return asyncio.create_task(without(gate))


both_kinds = pytest.mark.parametrize("wait", [task_with_slot, task_without], ids=["with a slot", "without"])


@both_kinds
async def test_a_place_is_handed_over_and_nobody_snatches_it(wait: Wait) -> None:
    gate = await full()
    waiter = wait(gate)
    await step()
    gate.leave()
    assert not gate.enter()  # in the gap before the waiter runs
    await waiter
    assert gate.taken == 1


@both_kinds
@pytest.mark.parametrize("handed", [False, True], ids=["queued", "handed over"])
@pytest.mark.parametrize("others", [0, 1])
async def test_a_cancelled_waiter_leaves_its_place_to_the_next(wait: Wait, *, handed: bool, others: int) -> None:
    gate = await full()
    first, *rest = [wait(gate) for _ in range(1 + others)]
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
    assert gate.free_for("A")


async def test_of_many_cancelled_in_line_nothing_is_left() -> None:
    gate = await full()
    tasks = [asyncio.create_task(gate.wait(n % 3, Priority(n % 2))) for n in range(100)]
    holding = [asyncio.create_task(gate.wait_with_slot()) for n in range(100)]
    await step()
    for task in (*tasks, *holding):
        task.cancel()
    await asyncio.wait([*tasks, *holding])
    assert not gate._lines
    assert not gate._holding
    assert not any(gate._ready)
    assert gate.taken == 1


async def test_a_waiter_cancelled_by_its_own_future_is_passed_over() -> None:
    gate = await full()
    waiter = asyncio.ensure_future(gate.wait("A", Priority.NORMAL))
    await step()
    next(iter(gate._lines["A"].lanes[0])).cancel()  # as a cancelled task does, before it runs
    gate.leave()
    assert gate.enter()
    later = asyncio.ensure_future(gate.wait("A", Priority.NORMAL))
    with pytest.raises(asyncio.CancelledError):
        await waiter  # its end leaves the line of the later one alone
    gate.leave()
    assert await later
    assert gate.taken == 1


class Crowd:
    """Those of one key, each of which finds no slot where it tries."""

    def __init__(self, gate: CapacityLimiter, size: int) -> None:
        self.gate = gate
        self.tried = self.sent_away = self.most_in_a_turn = 0
        self.tasks = [asyncio.ensure_future(self.one()) for _ in range(size)]

    async def one(self) -> None:
        if await self.gate.wait("A", Priority.NORMAL):
            self.tried += 1
            await step()  # the limiter may take its time to say that there is no slot
            self.gate.tried("A", in_vain=True)
            self.gate.leave()
        else:
            self.sent_away += 1

    async def end(self) -> None:
        while not all(task.done() for task in self.tasks):
            before = self.sent_away
            await step()
            self.most_in_a_turn = max(self.most_in_a_turn, self.sent_away - before)


async def test_a_crowd_without_a_slot_goes_to_the_line_for_slots_one_in_a_turn_and_not_over_places() -> None:
    gate = await full(100)
    crowd = Crowd(gate, 1000)
    other = asyncio.ensure_future(gate.wait("B", Priority.NORMAL))
    await step()
    for _ in range(100):  # a hundred connections die at once
        gate.leave()
    await step()
    assert other.done()  # not behind the crowd
    await crowd.end()
    assert (crowd.tried, crowd.sent_away, crowd.most_in_a_turn) == (TRY_AT_ONCE, 1000 - TRY_AT_ONCE, 1)
    gate.tried("B")
    gate.leave()
    assert (gate.taken, gate._lines) == (0, {})


async def test_who_comes_while_a_crowd_goes_away_goes_behind_it_but_for_a_panic() -> None:
    gate = await full()
    crowd = Crowd(gate, 10)
    await step()
    gate.leave()
    while not crowd.sent_away:
        await step()
    assert not gate.free_for("A")
    assert gate.free_for("B")
    panic, last = (asyncio.ensure_future(gate.wait("A", Priority(n))) for n in (1, 0))
    assert not await panic
    assert crowd.sent_away < 5
    assert not await last
    assert crowd.sent_away == 9
    assert gate.free_for("A")


@pytest.mark.parametrize("handed", [False, True], ids=["in line", "sent away"])
async def test_one_that_is_cancelled_stops_no_crowd_that_goes_away(*, handed: bool) -> None:
    gate = await full()
    crowd = Crowd(gate, 10)
    await step()
    gate.leave()
    while not crowd.sent_away:
        await step()
    crowd.tasks[2 if handed else 5].cancel()  # the next has been told in this very turn
    await crowd.end()
    assert (crowd.tried, crowd.sent_away) == (1, 8)
    assert gate.free_for("A")


async def test_after_a_crowd_that_went_away_slots_are_tried_for_again() -> None:
    gate = await full(2)
    crowd = Crowd(gate, 3)
    await step()
    gate.leave()
    gate.leave()
    await crowd.end()
    assert gate.enter()
    assert gate.enter()
    later = asyncio.ensure_future(gate.wait("A", Priority.NORMAL))
    await step()
    gate.leave()
    assert await later


async def test_one_alone_that_finds_no_slot_leaves_nothing_behind() -> None:
    gate = await full()
    alone = Crowd(gate, 1)
    await step()
    gate.leave()
    await alone.end()
    assert (alone.tried, gate.taken, gate._lines) == (1, 0, {})
