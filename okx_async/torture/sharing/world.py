"""The world of a shared history: an exchange, and programs that send to it under one limit."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field, replace
from math import inf
from random import Random
from typing import Any

from okx_async import Attempt, Client, ClosePosition, Credentials, Limiter, Priority, Quota
from okx_async.simulator import Clock, Network, Path, SimulatedExchange, VirtualLoop
from okx_async.stores.lease import Terms
from okx_async.torture.calls import Calls
from okx_async.torture.invented import EPOCH, LIMIT, invented_credentials
from okx_async.torture.plan import Mishap, Part
from okx_async.torture.sharing.memory_store import MemoryStore
from okx_async.torture.sharing.side_loop import SideLoop, State
from okx_async.torture.sharing.store_worker import Post, StoreLimiter, StoreWorker

GRAVE = 30.0
"""Seconds in which the tasks of dead programs come to their end."""
SMALL = 8
TOLD = 10.0
"""Seconds within which the store hears of the end of a request, though messages are lost."""


@dataclass(frozen=True, slots=True)
class SharingPlan:
    """Everything that decides a shared history."""

    seed: int
    store: bool
    """Whether programs share a store; else event loops of one program share a `Limiter`."""
    programs: int
    span: float
    inward: Path
    outward: Path
    terms: Terms
    post: Post
    small: bool
    """Whether the first program was told of a smaller quota than the others."""
    insts: int
    rates: tuple[float, ...]
    """Of the clocks of the exchange, the store and the programs."""
    timeout: float
    connect_timeout: float
    max_connections: int
    untold: float = 0.0
    """The share of programs that are not given their user id; not 0: all have one API key."""
    parts: tuple[Part, ...] = ()
    """What the programs do; a seat is a program."""
    mishaps: tuple[Mishap, ...] = ()

    @property
    def longest_hold(self) -> float:
        """Seconds, and a bit more, after which no token is out of which nothing is heard."""
        return (self.terms.lease + self.terms.doubt_grace) * 1.001 + 3.5


@dataclass(slots=True, eq=False)
class Program:
    """One program, or one event loop of a program, with its client."""

    name: str
    loop: SideLoop
    limiter: Any
    wall_clock: Clock
    rate: float = 1.0
    """Of its host's clock."""
    client: Client | None = None
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


class World:
    """All that the parts of a history act on."""

    def __init__(self, plan: SharingPlan, loop: VirtualLoop, network: Network) -> None:
        self.plan = plan
        self.loop = loop
        self.network = network
        self.start = loop.clock()
        self.notes: list[tuple[float, str]] = []
        self.calls = Calls(loop.clock)
        exchange_rate, store_rate, *rates = plan.rates
        self._rates = rates
        self.exchange = SimulatedExchange(
            seed=f"{plan.seed} exchange",
            clock=Clock(loop.clock, rate=exchange_rate),
            wall_clock=Clock(loop.clock, start=EPOCH),
        )
        self.account = self.exchange.add_account(credentials=invented_credentials(f"{plan.seed} sharing account"))
        self.store = MemoryStore(Clock(loop.clock, rate=store_rate), plan.terms)
        terms = plan.terms
        self.post = replace(plan.post)
        """How messages fare; it changes."""
        self.strategies = STRATEGIES
        self.mishap_count = 0
        self.failed = False
        """Whether the store has failed."""
        self.outage_until = self.calm_until = -inf
        """Until when the network lets nothing through, and until when it must not begin to."""
        self.messages_since = loop.time()
        """Since when messages come through."""
        self.hanging: list[Program] = []
        """Those that hang until the others have come to their end."""
        self.stranded: dict[str, str] = {}
        """Tokens that are in flight though no request of a program that runs can be, by id."""
        self.limiter = Limiter(Quota(LIMIT), doubt_grace=terms.doubt_grace, clock=Clock(loop.clock, rate=store_rate))
        self.programs: list[Program] = []
        """Those that live; the first one may have the smaller quota."""
        self.gone: list[Program] = []
        self._count = self._names = 0
        self._busy_at: dict[str, float] = {}  # when a program was last seen to make a call

    def note(self, text: str) -> None:
        """Write a line of the timeline."""
        self.notes.append((self.loop.clock(), text))

    def begin(self) -> Program:
        """Start a program."""
        plan, number = self.plan, self._count
        self._count += 1
        loop = SideLoop(self.loop)
        program = Program(f"p{number}", loop, self.limiter, Clock(self.loop.clock, start=EPOCH + self._passed()))
        if plan.store:
            program.rate = self._rates[number % len(self._rates)]
            clock = Clock(self.loop.clock, rate=program.rate)
            small = plan.small and number == 0
            quota = Quota(SMALL) if small else Quota(LIMIT)
            rng = Random(f"{plan.seed} post {number}")
            wall = program.wall_clock

            def make(_: Any) -> StoreWorker:
                return StoreWorker(
                    self.store, loop, program.name, quota, plan.terms, clock, wall, post=self.post, rng=rng
                )

            program.limiter = StoreLimiter(make, quota, plan.terms, clock, wall)
        self.programs.append(program)
        return program

    def _passed(self) -> float:
        return self.loop.clock() - self.start

    def run(
        self, program: Program, act: Callable[["World", Program, Random], Coroutine[Any, Any, None]], seed: str
    ) -> None:
        """Have a program do something."""
        if program.loop.state is State.DEAD:
            return

        async def whole() -> None:
            if program.client is None and act is not leave:
                program.client = self._client(program)
            await act(self, program, Random(seed))

        program.tasks.append(program.loop.create_task(whole()))

    def kill(self, program: Program) -> None:
        """End a program as SIGKILL does."""
        self.programs.remove(program)
        self.gone.append(program)
        program.loop.kill()

    def look(self) -> None:
        """Look for tokens that the store keeps in flight though the requests of their programs are over."""
        plan, now = self.plan, self.loop.time()
        longest = plan.connect_timeout + plan.timeout + TOLD
        # A message that arrives twice may bring a token after it was answered that there is none.
        if self.failed or plan.post.doubled or now < self.messages_since + longest:
            return
        running = {each.name for each in self.programs if now > each.loop.runs_since + longest and each.loop.runs}
        if plan.untold:  # a request under two names waits for the second slot, or for a connection, with the first one
            open_calls = {name.partition("x")[0] for name, call in self.calls.made.items() if not call.told}
            self._busy_at |= dict.fromkeys(open_calls, now)
            running = {name for name in running if now > self._busy_at.get(name, -inf) + longest}
        for key, ident, token in self.store.in_flight(self.store.clock() - longest):
            if token.holder in running:
                self.stranded[ident] = f"{token.holder} has {ident} of {key!r} since {longest:g} s and more"

    async def bury(self) -> None:
        """Let every program come to its end, the dead ones too, when the world is over."""
        self.post.down = True
        programs = [*self.programs, *self.gone]
        for program in programs:
            program.loop.bury()
            if program.client is not None:
                program.tasks.append(program.loop.create_task(program.client.aclose()))
        await asyncio.sleep(GRAVE)
        for program in programs:
            program.loop.end()

    async def close(self, program: Program, inst_id: str, priority: Priority, max_wait: float | None) -> None:
        """Close a position, and record the result."""
        self._names += 1
        if self._names % 7:  # else it may not be there
            self.exchange.open_position(inst_id, 1, "cross", "net", account=self.account)
        request = ClosePosition(inst_id, "cross", cl_ord_id=f"{program.name}x{self._names}")
        call = self.calls.begin(request, int(program.name[1:]), max_wait, priority)
        assert program.client is not None  # noqa: S101 - it is made before
        await self.calls.close(program.client, call)

    def inst_id(self, rng: Random) -> str:
        """Pick an instrument."""
        return f"S{rng.randrange(self.plan.insts)}-USDT-SWAP"

    def _credentials(self, program: Program) -> Credentials:
        """Return an API key of its own, or that of all programs."""
        if self.plan.untold:
            return self.account.credentials
        name = f"{self.plan.seed} sharing {program.name}"
        return self.exchange.add_key(self.account, credentials=invented_credentials(name))

    def _client(self, program: Program) -> Client:
        plan = self.plan
        untold = Random(f"{plan.seed} user id {program.name}").random() < plan.untold

        def attempt(attempt: Attempt) -> None:
            call = self.calls.made.get(attempt.request.cl_ord_id or "")
            if call is not None:
                call.attempt(attempt, None, self.loop.clock())

        return Client(
            self._credentials(program),
            user_id=None if untold else self.account.user_id,
            base_url=self.exchange.base_url,
            limiter=program.limiter,
            timeout=plan.timeout,
            connect_timeout=plan.connect_timeout,
            max_connections=plan.max_connections,
            on_attempt=attempt,
            wall_clock=program.wall_clock,
        )


# --- what programs do ---


async def crowd(world: World, program: Program, rng: Random) -> None:
    """Close many at once, on one instrument."""
    inst_id = world.inst_id(rng)
    async with asyncio.TaskGroup() as group:
        for _ in range(rng.randint(15, 60)):
            group.create_task(world.close(program, inst_id, Priority.NORMAL, None))


async def siege(world: World, program: Program, rng: Random) -> None:
    """Keep one instrument under pressure, so that every window of it is full."""
    inst_id, end = world.inst_id(rng), world.loop.clock() + rng.uniform(10.0, 40.0)

    async def one() -> None:
        while world.loop.clock() < end:
            await world.close(program, inst_id, Priority.NORMAL, None)
            await asyncio.sleep(0.05)

    async with asyncio.TaskGroup() as group:
        for _ in range(rng.choice((4, 12, 25))):
            group.create_task(one())


async def waves(world: World, program: Program, rng: Random) -> None:
    """Close twenty at once, again and again, just when the window seems to be over."""
    inst_id = world.inst_id(rng)
    async with asyncio.TaskGroup() as group:
        for _ in range(rng.randint(2, 5)):
            for _ in range(20):
                group.create_task(world.close(program, inst_id, Priority.NORMAL, rng.choice((None, 4.0))))
            await asyncio.sleep(rng.uniform(1.7, 2.3))


async def hasty(world: World, program: Program, rng: Random) -> None:
    """Cancel every close after a moment."""
    inst_id = world.inst_id(rng)
    tasks = []
    for _ in range(rng.randint(10, 40)):
        tasks.append(asyncio.ensure_future(world.close(program, inst_id, Priority.NORMAL, None)))
        await asyncio.sleep(rng.choice((0.0, rng.uniform(0.0, 0.2))))
        if rng.random() < 0.6:
            tasks[rng.randrange(len(tasks))].cancel()
    await asyncio.wait(tasks)


async def panic(world: World, program: Program, rng: Random) -> None:
    """Close with mixed priorities and little time."""
    inst_id = world.inst_id(rng)
    async with asyncio.TaskGroup() as group:
        for _ in range(rng.randint(5, 40)):
            priority = rng.choice((Priority.NORMAL, Priority.PANIC))
            group.create_task(world.close(program, inst_id, priority, rng.choice((None, 0.0, 0.5, 3.0))))
            await asyncio.sleep(rng.choice((0.0, rng.uniform(0.0, 0.3))))


async def leave(_world: World, program: Program, _rng: Random) -> None:
    """Close the client at the end."""
    if program.client is not None:
        with suppress(RuntimeError):
            await program.client.aclose()


STRATEGIES = (crowd, crowd, siege, siege, siege, waves, waves, hasty, panic)
