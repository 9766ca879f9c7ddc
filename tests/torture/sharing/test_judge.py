"""The judge of shared histories, on worlds in which something is wrong."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from okx_async import Priority, Quota
from okx_async.simulator import Network, VirtualLoop, run
from okx_async.stores.lease import Token
from okx_async.stores.records import write_bucket
from okx_async.torture.sharing.draw import sharing_plan
from okx_async.torture.sharing.judge import judge, meet, stuck, windows
from okx_async.torture.sharing.world import World, leave

PLAN = next(plan for plan in map(sharing_plan, range(60)) if plan.store)


@contextmanager
def world_of(limit: int) -> Iterator[World]:
    """Yield a world in which a program has closed 30 positions under a quota of its own."""
    network = Network()
    loop = VirtualLoop(network)
    plan = replace(PLAN, store=False)
    worlds: list[World] = []

    async def main(_: VirtualLoop) -> None:
        world = World(plan, loop, network)
        worlds.append(world)
        world.limiter._quota = Quota(limit)
        async with world.exchange:
            program = world.begin()

            async def act(*_: object) -> None:
                async with asyncio.TaskGroup() as group:
                    for _number in range(30):
                        group.create_task(world.close(program, "S0-USDT-SWAP", Priority.NORMAL, None))

            world.run(program, act, "")
            await asyncio.sleep(30.0)
            world.run(program, leave, "")
            await asyncio.sleep(5.0)
            world.kill(program)
            program.loop.bury()
            await asyncio.sleep(1.0)
            program.loop.end()

    run(main, loop)
    yield worlds[0]


def test_a_window_that_holds_too_many_and_refusals_are_found() -> None:
    with world_of(20) as world:
        assert judge(world) == []
        assert {worst for _, worst, limit in windows(world) if limit == 20} == {20}
    with world_of(25) as world:
        assert {breach.invariant for breach in judge(world)} == {"windows", "refused"}


def test_a_lie_to_a_caller_is_found() -> None:
    with world_of(20) as world:
        call = next(call for call in world.calls.made.values() if call.told == "accepted")
        call.told = "not sent"
        assert [breach.invariant for breach in judge(world)] == ["truth"]


def test_a_token_that_never_comes_back_is_found() -> None:
    with world_of(20) as world:
        assert list(stuck(world)) == []
        world.plan = PLAN
        bucket = world.store.bucket(("u", "S0-USDT-SWAP"), Quota(20), PLAN.terms)
        bucket.tokens["lost"] = Token("dead", 0.0, 1e9)
        world.store.records[("u", "S0-USDT-SWAP")] = 1e9, write_bucket(bucket)
        assert ["19 tokens of 20" in text for text in stuck(world)] == [True]


def test_a_store_that_restarted_last_of_all_is_not_judged_by_its_pause() -> None:
    with world_of(20) as world:
        world.plan, key = PLAN, ("u", "S0-USDT-SWAP")
        world.store.records[key] = -1.0, write_bucket(world.store.bucket(key, Quota(20), PLAN.terms))
        world.store.fail(forgets=False)
        meet(world)
        world.store.records[key] = -1.0, write_bucket(world.store.bucket(key, Quota(20), PLAN.terms))
        assert ["0 tokens of 20" in text for text in stuck(world)] == [True]
        world.store.shift += PLAN.longest_hold
        assert list(stuck(world)) == []
