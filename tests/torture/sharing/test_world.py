"""The programs of shared histories."""

import asyncio

from okx_async import Quota
from okx_async.simulator import Network, VirtualLoop
from okx_async.stores.line import Ask
from okx_async.torture.invented import LIMIT
from okx_async.torture.sharing.draw import sharing_plan
from okx_async.torture.sharing.memory_store import Message, Visit
from okx_async.torture.sharing.side_loop import State
from okx_async.torture.sharing.world import SMALL, TOLD, World


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


def test_a_token_that_stays_in_flight_though_its_program_runs_is_noted() -> None:
    plan = next(
        plan
        for plan in map(sharing_plan, range(60))
        if plan.store and plan.longest_hold > TOLD + 20.0 and not plan.post.doubled
    )
    network = Network()
    loop = VirtualLoop(network)
    world = World(plan, loop, network)
    one, two = world.begin(), world.begin()
    for program in (one, two):
        visit = Visit(("k",), Quota(LIMIT), (), (Ask(program.name, program.name),))
        world.store.take(Message(program.name, plan.terms, (visit,), world.store.clock(), 0.0))
    world.look()
    assert not world.stranded
    loop.run_until_complete(asyncio.sleep(TOLD + plan.timeout + plan.connect_timeout + 1.0))
    two.loop.stop_program()
    world.look()
    assert list(world.stranded) == ["p0"]
    for program in (one, two):
        program.loop.end()
    loop.close()
