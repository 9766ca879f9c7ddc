"""The programs of shared histories."""

import asyncio

from okx_async import Client, ClosePosition, Priority, Quota
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


def test_programs_that_are_not_told_their_user_id_have_one_api_key() -> None:
    plans = [sharing_plan(seed) for seed in range(60)]
    for untold in (True, False):
        plan = next(plan for plan in plans if plan.store and bool(plan.untold) is untold)
        network = Network()
        loop = VirtualLoop(network)
        world = World(plan, loop, network)

        async def clients(world: World = world) -> list[Client]:
            async with world.exchange:
                return [world._client(world.begin()) for _ in range(2)]

        one, two = loop.run_until_complete(clients())
        assert (one.limiter_key("A-B")[1] == two.limiter_key("A-B")[1]) is True
        assert one.limiter_key("A-B")[1].startswith("key:") is untold
        for program in world.programs:
            program.loop.end()
        loop.close()


def test_what_is_in_flight_while_a_program_makes_calls_is_not_stranded_if_it_counts_by_two_names() -> None:
    plan = next(plan for plan in map(sharing_plan, range(60)) if plan.untold and plan.store and not plan.post.doubled)
    network = Network()
    loop = VirtualLoop(network)
    world = World(plan, loop, network)
    program = world.begin()
    call = world.calls.begin(ClosePosition("A-B", "cross", cl_ord_id="p0x1"), 0, None, Priority.NORMAL)
    visit = Visit(("k",), Quota(LIMIT), (), (Ask("p0", "p0"),))
    world.store.take(Message("p0", plan.terms, (visit,), world.store.clock(), 0.0))
    longest = TOLD + plan.timeout + plan.connect_timeout + 0.1
    if longest < plan.terms.lease + plan.terms.doubt_grace:
        loop.run_until_complete(asyncio.sleep(longest))
    world.look()
    assert not world.stranded
    call.told = "accepted"
    world.look()
    assert not world.stranded  # the store may not have heard yet
    program.loop.end()
    loop.close()
