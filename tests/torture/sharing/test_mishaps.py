"""The mishaps of shared histories."""

import asyncio
from random import Random

import pytest

from okx_async.simulator import Network, VirtualLoop, run
from okx_async.torture.sharing.draw import sharing_plan
from okx_async.torture.sharing.lookups import LOOKUPS
from okx_async.torture.sharing.mishaps import LOOPS, NETWORK, PROGRAMS, Mishap
from okx_async.torture.sharing.side_loop import State
from okx_async.torture.sharing.world import World


@pytest.mark.parametrize("mishap", sorted({*LOOKUPS, *LOOPS, *NETWORK, *PROGRAMS}, key=repr))
def test_each_mishap_happens_says_so_and_passes(mishap: Mishap) -> None:
    plan = next(plan for plan in map(sharing_plan, range(60)) if plan.store is (mishap in PROGRAMS) and not plan.small)
    network = Network()
    loop = VirtualLoop(network)

    async def main(_: VirtualLoop) -> None:
        world = World(plan, loop, network)
        async with world.exchange:
            world.begin()
            world.begin()
            assert mishap(world, Random(1))
            await asyncio.sleep(200.0)
            for program in world.hanging:
                assert program.loop.state is State.STOPPED
                program.loop.go_on()
            assert [program.loop.state for program in world.programs] == [State.RUNNING] * 2
            assert not world.post.down
        await world.bury()

    run(main, loop)
