"""What becomes of the questions for the user id."""

import asyncio
from random import Random

from okx_async.simulator import Network, VirtualLoop, run
from okx_async.torture.sharing.draw import sharing_plan
from okx_async.torture.sharing.lookups import CONFIG, LOOKUPS
from okx_async.torture.sharing.world import World, siege


def test_each_befalls_questions_for_the_user_id_and_no_closes() -> None:
    plan = next(plan for plan in map(sharing_plan, range(60)) if plan.untold and plan.store)
    for lookup in sorted(set(LOOKUPS), key=repr):
        network = Network()
        loop = VirtualLoop(network)

        async def main(_: VirtualLoop, network: Network = network, loop: VirtualLoop = loop) -> set[str]:
            world = World(plan, loop, network)
            async with world.exchange:
                assert lookup(world, Random(1))  # noqa: B023 - it is run at once
                world.run(world.begin(), siege, "1")
                await asyncio.sleep(5.0)
                struck = {row.path for row in world.exchange.journal if row.fault}
            await world.bury()
            return struck

        assert run(main, loop) == {CONFIG}
