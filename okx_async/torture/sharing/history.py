"""Runs shared histories: several programs at a store, or several event loops at a `Limiter`, under mishaps."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from okx_async.simulator import DeadlockError, Network, VirtualLoop, run
from okx_async.torture.evidence import Breach, digest
from okx_async.torture.history import Recorded, diagnostics_captured
from okx_async.torture.sharing.judge import judge, meet, stuck, windows
from okx_async.torture.sharing.mishaps import MISHAPS, Mishap
from okx_async.torture.sharing.world import STRATEGIES, Program, SharingPlan, World, leave
from okx_async.torture.time_limit import TimeLimitError, time_limit

REAL_SECONDS = 300.0
PATIENCE = 240.0
"""Seconds after the span in which every call must have come to its end."""


@dataclass(frozen=True, slots=True)
class SharedHistory(Recorded):
    """The result of a shared history."""

    plan: SharingPlan
    hash: str
    requests: int
    faults: int
    worst: int
    refused: int
    virtual_seconds: float
    broken: tuple[Breach, ...]
    notes: tuple[tuple[float, str], ...]
    """The timeline: seconds since the beginning, and what befell programs, store and network."""


def happen_shared(plan: SharingPlan) -> SharedHistory:
    """Run the shared history of a plan, and judge it. The same plan gives the same history."""
    network = Network(seed=plan.seed, inward=plan.inward, outward=plan.outward)
    loop = VirtualLoop(network)
    start, left = loop.clock(), list[str]()
    world = World(plan, loop, network)
    try:
        with time_limit(REAL_SECONDS), diagnostics_captured(loop, left, plan.seed):
            broken = run(lambda _: _take_place(world, start), loop)
    except (DeadlockError, TimeLimitError) as error:
        broken = [Breach("progress", str(error))]
    journal = world.exchange.journal
    return SharedHistory(
        plan,
        digest(journal, world.calls.made.values()),
        len(journal),
        world.mishap_count + sum(bool(row.fault) for row in journal),
        max((worst for _, worst, _ in windows(world)), default=0),
        sum(row.code == "50011" for row in journal),
        loop.clock() - start,
        tuple(broken),
        tuple((at - start, text) for at, text in world.notes),
    )


async def _take_place(world: World, start: float) -> list[Breach]:
    plan, loop = world.plan, world.loop
    async with world.exchange:
        _begin(world, start)
        await _watched(world, plan.span)
        post = world.post
        post.down, post.lost, post.unheard, post.doubled = False, 0.0, 0.0, 0.0
        world.exchange.clear_faults()
        end = loop.clock() + PATIENCE + 2 * plan.longest_hold
        await _others_end(world, end)
        broken = [Breach("progress", text) for program in _others(world) for text in _unfinished(program)]
        for program in world.hanging:
            program.loop.go_on()
        world.hanging.clear()
        await _others_end(world, loop.clock() + PATIENCE)
        broken += [Breach("progress", text) for program in world.programs for text in _unfinished(program)]
        while world.programs:  # one that is killed meanwhile has another one in its place, which leaves as well
            await _leave(world, world.programs[0])
        meet(world)
        await asyncio.sleep(plan.longest_hold)
        broken += [Breach("stuck", text) for text in stuck(world)]
    broken += judge(world)
    await world.bury()
    return broken


async def _watched(world: World, seconds: float) -> None:
    """Let time pass, and look at the store meanwhile."""
    end = world.loop.clock() + seconds
    while (left := end - world.loop.clock()) > 0.0:
        await asyncio.sleep(min(1.0, left))
        world.look()


def _others(world: World) -> list[Program]:
    """Return the programs that do not hang."""
    return [program for program in world.programs if program not in world.hanging]


async def _others_end(world: World, end: float) -> None:
    """Wait until they have come to their end; programs may be killed meanwhile, and others begin."""
    while world.loop.clock() < end and any(not task.done() for each in _others(world) for task in each.tasks):
        await _watched(world, 1.0)


def _begin(world: World, start: float) -> None:
    """Begin the programs, and set the times of all that happens."""
    strategies = {each.__name__: each for each in STRATEGIES}
    programs = [world.begin() for _ in range(world.plan.programs)]
    for part in world.plan.parts:
        world.loop.call_at(start + part.at, world.run, programs[part.seat], strategies[part.kind], part.seed)
    for mishap in world.plan.mishaps:
        world.loop.call_at(start + mishap.at, _strike, world, MISHAPS[mishap.kind], mishap.seed)


def _unfinished(program: Program) -> Iterator[str]:
    for task in program.tasks:
        if not task.done():
            yield f"{program.name} has not come to its end"
        elif not task.cancelled() and task.exception() is not None:
            yield f"{program.name} ended in {task.exception()!r}"


async def _leave(world: World, program: Program) -> None:
    """End a program in good order."""
    program.loop.go_on()
    world.run(program, leave, "")
    for _ in range(200):
        await asyncio.sleep(0.1)
        if program.tasks[-1].done():
            break
    if world.plan.store:
        await program.limiter.aclose()
        await asyncio.sleep(2.0)
    if program in world.programs:  # a mishap that was on its way may have killed it meanwhile
        world.kill(program)


def _strike(world: World, mishap: Mishap, seed: str) -> None:
    text = mishap(world, Random(seed))
    if text:
        world.mishap_count += 1
        world.note(text)
