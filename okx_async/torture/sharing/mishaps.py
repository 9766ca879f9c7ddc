"""The mishaps of shared histories, as tables: what befalls programs, their store, and the network."""

import asyncio
from collections.abc import Callable
from functools import partial
from math import inf
from random import Random
from typing import Any, TypeAlias

from okx_async.torture.mishaps import HELD
from okx_async.torture.sharing.lookups import LOOKUPS
from okx_async.torture.sharing.side_loop import State
from okx_async.torture.sharing.world import Program, World, siege

Mishap: TypeAlias = Callable[[World, Random], str]


def _program(world: World, rng: Random) -> Program:
    return rng.choice(world.programs)


def stopped(world: World, rng: Random) -> str:
    """Stop a program for a while: SIGSTOP and SIGCONT, or a callback that keeps its loop."""
    program, lease = _program(world, rng), world.plan.terms.lease
    seconds = rng.choice((rng.uniform(0.0, 1.0), rng.uniform(0.0, lease), rng.uniform(1.0, 2.0) * (lease + 7.0)))
    program.loop.stop_program()
    world.loop.call_later(seconds, program.loop.go_on)
    return f"{program.name} stopped for {seconds:.3f} s"


def _at_a_grant(world: World, program: Program, act: Callable[[], object]) -> None:
    """Do something in the moment in which the store has given a program a token, if that is soon."""
    taken, ends = world.store.take, world.loop.clock() + 3.0

    def take(message: Any) -> Any:
        seen = taken(message)
        if message.holder == program.name and any(answer.at is not None for each in seen for answer in each.answers):
            world.store.take = taken  # type: ignore[method-assign]
            if world.loop.clock() < ends:
                act()
        return seen

    world.store.take = take  # type: ignore[method-assign]


def stopped_at_a_grant(world: World, rng: Random) -> str:
    """Stop a program in the moment in which the store has given it a token, for about its lease."""
    program, plan = _program(world, rng), world.plan
    lease, grace = plan.terms.lease, plan.terms.doubt_grace
    # As long as it may write, as long as its request may be answered, and until others have its token.
    seconds = rng.choice((lease - plan.timeout, lease, lease + grace + 2.0, lease + grace + 2.0)) + rng.uniform(
        0.0, 0.5
    )
    if rng.random() < 0.3:
        seconds = lease - plan.timeout - plan.connect_timeout * rng.random() * 0.2

    def stop() -> None:
        program.loop.stop_program()
        world.loop.call_later(max(0.0, seconds), program.loop.go_on)

    _at_a_grant(world, program, stop)
    return f"{program.name} will be stopped for {seconds:.3f} s when it gets a token"


def last_moment(world: World, rng: Random) -> str:
    """Let a program send at the last moment of its lease what arrives at the last moment, and kill it right after."""
    program, plan, loop = _program(world, rng), world.plan, world.loop
    if program is world.programs[0] and plan.small:
        return ""
    spare = rng.choice((0.0002, 0.001, 0.05))
    # A proxy that gave up on it sends it on; its sender would give it up at the end of its time-out.
    way = plan.inward.delay + plan.inward.jitter
    after = plan.timeout + plan.terms.doubt_grace - way

    def stop() -> None:
        worker = program.limiter.worker
        left = worker.asked + plan.terms.lease - worker.clock() - plan.timeout - spare
        if left > 0.0:
            program.loop.stop_program()
            loop.call_later(left / program.rate, sends)

    def sends() -> None:
        if loop.clock() < world.outage_until:  # which would keep it for longer than that
            program.loop.go_on()
            return
        world.calm_until = loop.clock() + way + 0.1
        for name, call in world.calls.made.items():
            if name.startswith(f"{program.name}x") and not call.told:
                world.exchange.inject(HELD, forwarded=after, delay=plan.timeout / 2, cl_ord_id=name)
        program.loop.go_on()
        loop.call_later(min(0.002, plan.timeout / 4), dies)

    def dies() -> None:
        if program in world.programs:
            world.kill(program)
            heir = world.begin()
            world.run(heir, partial(_besiege, after - 3.0), f"{plan.seed} heir {heir.name}")

    _at_a_grant(world, program, stop)
    return f"{program.name} will send at the last moment, and be killed"


async def _besiege(after: float, world: World, program: Program, rng: Random) -> None:
    """Fill every window around the moment at which late requests are counted."""
    await asyncio.sleep(max(0.0, after))
    await siege(world, program, rng)


def _while_it_waits(world: World, rng: Random, program: Program, act: Callable[[], object]) -> None:
    """Do something to a loop soon after a request of it was counted, while its answer is late."""
    delay, ends = world.plan.timeout * 0.9, world.loop.clock() + 5.0
    world.exchange.inject(delay=delay, times=25)
    seen = len(world.exchange.journal)

    def strike() -> None:
        if program.loop.runs and sum(each.loop.runs for each in world.programs) > 1:
            act()

    def look() -> None:
        if any(row.cl_ord_id.startswith(f"{program.name}x") for row in world.exchange.journal[seen:]):
            world.loop.call_later(rng.uniform(0.0, 0.5) * delay, strike)
        elif world.loop.clock() < ends:
            world.loop.call_later(0.02, look)

    look()


def hangs(world: World, rng: Random) -> str:
    """Let a loop hang until the others have come to their end."""
    program = _program(world, rng)

    def hang() -> None:
        # Those that hang go on after the span, and nothing would end another hang.
        if not world.hanging and world.loop.clock() < world.start + world.plan.span:
            world.hanging.append(program)
            program.loop.stop_program()

    _while_it_waits(world, rng, program, hang)
    return f"{program.name} will hang"


def left_waiting(world: World, rng: Random) -> str:
    """Let a loop be left while it waits for answers, and entered again."""
    program, seconds = _program(world, rng), rng.choice((0.3, rng.uniform(1.0, 10.0)))

    def leave() -> None:
        program.loop.stop_program(State.LEFT)
        world.loop.call_later(seconds, program.loop.go_on)

    _while_it_waits(world, rng, program, leave)
    return f"{program.name}: its loop will be left for {seconds:.3f} s while it waits for answers"


def stopped_while_connecting(world: World, rng: Random) -> str:
    """Stop a program that has its tokens and waits for a connection, until others have them."""
    program, terms = _program(world, rng), world.plan.terms
    loop, seconds = program.loop, terms.lease + terms.doubt_grace + 2.0 + rng.uniform(0.0, 0.5)
    connect = loop.sock_connect

    async def once(sock: Any, address: Any) -> None:
        del loop.sock_connect
        loop.stop_program()
        loop.main.call_later(seconds, loop.go_on)
        await connect(sock, address)

    loop.sock_connect = once  # type: ignore[method-assign]
    for wire in list(world.network.wires.values()):
        wire.reset()
    return f"{program.name} will be stopped for {seconds:.3f} s while it connects"


def killed(world: World, rng: Random) -> str:
    """Kill a program; another one takes its place."""
    number = rng.randrange(len(world.programs))
    if (number == 0 and world.plan.small) or world.loop.clock() > world.start + world.plan.span:
        return ""
    program = world.programs[number]
    world.kill(program)
    heir = world.begin()
    for each in range(rng.choice((1, 2))):
        world.run(heir, rng.choice(world.strategies), f"{world.plan.seed} heir {heir.name} {each}")
    return f"{program.name} killed, {heir.name} begins"


def killed_with_requests_held(world: World, rng: Random) -> str:
    """Kill a program whose requests are on their way to a proxy that sends them on at the last moment."""
    text = held(world, rng)
    world.loop.call_later(rng.uniform(0.05, 0.5), killed, world, rng)
    return f"{text}, and a program killed"


def left(world: World, rng: Random) -> str:
    """Let a loop be left, as by `run_until_complete`, and perhaps entered again."""
    running = [program for program in world.programs if program.loop.state is State.RUNNING]
    if len(running) < 2:
        return ""
    program, seconds = rng.choice(running), rng.choice((0.01, rng.uniform(0.0, 4.0), rng.uniform(4.0, 20.0)))
    program.loop.stop_program(State.LEFT)
    world.loop.call_later(seconds, program.loop.go_on)
    return f"{program.name}: its loop is left for {seconds:.3f} s"


def restarted(world: World, rng: Random) -> str:
    """Restart the store: empty, flushed, or as another one whose clock is off."""
    kind = rng.randrange(5)
    world.failed = True
    if kind == 0:
        world.store.fail()
    elif kind == 1:
        world.store.fail(flushes=True)
    elif kind == 2:  # a replica takes over
        world.store.fail(forgets=rng.random() < 0.5, step=rng.choice((-5.0, 5.0)))
    elif kind == 3:  # flushed, with the connections left
        world.store.fail(flushes=True, ends=False)
    else:
        world.store.fail(forgets=False, step=5.0 + 2 * world.post.delay, ends=False)
    return f"the store fails in way {kind}"


def cut_off(world: World, rng: Random) -> str:
    """Let no message through for a while."""
    seconds = rng.choice((0.3, 2.0, 8.0))
    world.post.down, world.messages_since = True, inf

    def back() -> None:
        world.post.down = False
        world.messages_since = world.loop.time()

    world.loop.call_later(seconds, back)
    return f"no message comes through for {seconds:g} s"


def wall_steps(world: World, rng: Random) -> str:
    """Step the wall clock of a program's host, and back."""
    program, seconds = _program(world, rng), rng.choice((-3600.0, -20.0, 20.0, 3600.0))
    clock = program.wall_clock
    clock.step(seconds)
    world.loop.call_later(rng.uniform(0.5, 5.0), clock.step, -seconds)
    return f"the wall clock of {program.name} steps by {seconds:g} s"


def held(world: World, rng: Random) -> str:
    """Let a proxy give up on requests, and send them on within the grace, at the last moment perhaps."""
    # The grace counts from the moment at which a request is given up, which may be that of its write.
    inward = world.plan.inward
    after = (world.plan.terms.doubt_grace - inward.delay - inward.jitter) * rng.choice((1.0, 1.0, rng.random()))
    if not world.plan.store:  # the clock of a `Limiter` may be fast, and its grace has no part for that
        after *= 0.99
    world.exchange.inject(HELD, forwarded=after, times=rng.choice((5, 20, 40)))
    return f"closes sent on {after:.3f} s later"


def late(world: World, rng: Random) -> str:
    """Let answers come late."""
    delay = world.plan.timeout * rng.choice((0.5, 0.97, 1.5))
    world.exchange.inject(delay=delay, times=rng.choice((5, 25)))
    return f"answers {delay:.3f} s late"


def silent(world: World, rng: Random) -> str:
    """Hang up instead of an answer."""
    world.exchange.inject(disconnect=True, executed=rng.random() < 0.5, times=rng.choice((1, 10)))
    return "no answers"


def reset(world: World, rng: Random) -> str:
    """Reset a connection."""
    wires = list(world.network.wires.values())
    if wires:
        rng.choice(wires).reset()
    return "a reset"


def slow(world: World, rng: Random) -> str:
    """Let connecting take long."""
    world.network.slow_down(rng.choice((1.0, 5.0)), by=world.plan.connect_timeout * rng.choice((0.5, 0.9, 1.5)))
    return "slow connections"


def outage(world: World, rng: Random) -> str:
    """Let nothing through to the exchange."""
    seconds = rng.choice((0.3, 1.5))
    if world.loop.clock() < world.calm_until:
        return ""
    world.outage_until = world.loop.clock() + seconds
    world.network.outage(seconds)
    return "an outage"


NETWORK: tuple[Mishap, ...] = (held, held, late, silent, reset, slow, outage)
PROGRAMS: tuple[Mishap, ...] = (
    stopped,
    stopped,
    stopped_at_a_grant,
    stopped_at_a_grant,
    stopped_while_connecting,
    stopped_while_connecting,
    last_moment,
    last_moment,
    killed,
    killed,
    killed_with_requests_held,
    killed_with_requests_held,
    restarted,
    cut_off,
    wall_steps,
)
LOOPS: tuple[Mishap, ...] = (
    stopped,
    stopped,
    stopped,
    stopped_while_connecting,
    left,
    left,
    left_waiting,
    left_waiting,
    hangs,
    wall_steps,
)
MISHAPS: dict[str, Mishap] = {each.__name__: each for each in (*PROGRAMS, *LOOPS, *NETWORK, *LOOKUPS)}
"""By name."""
