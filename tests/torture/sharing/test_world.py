"""The programs of shared histories."""

from okx_async import Quota
from okx_async.simulator import Network, VirtualLoop
from okx_async.torture.sharing.draw import sharing_plan
from okx_async.torture.sharing.side_loop import State
from okx_async.torture.sharing.world import SMALL, World


def test_programs_at_a_store_have_a_limiter_each_and_loops_share_one() -> None:
    plans = [sharing_plan(seed) for seed in range(60)]
    for plan in (next(p for p in plans if p.store and p.small), next(p for p in plans if not p.store)):
        network = Network()
        loop = VirtualLoop(network)
        world = World(plan, loop, network)
        one, two = world.begin(), world.begin()
        assert (one.limiter is two.limiter) is not plan.store
        assert one.limiter.quota == (Quota(SMALL) if plan.small else Quota(20))
        world.kill(one)
        assert (world.programs, world.gone) == ([two], [one])
        assert one.loop.state is State.DEAD
        for program in (one, two):
            program.loop.end()
        loop.close()
