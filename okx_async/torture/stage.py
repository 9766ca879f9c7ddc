"""The exchange, the network, the limiters and the clients of one history."""

from asyncio import CancelledError
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import aiohttp

from okx_async import Attempt, Client, ClosePosition, Credentials, Limiter, PosSide, Priority, Quota
from okx_async.simulator import Account, Clock, Network, SimulatedExchange, VirtualLoop
from okx_async.torture.calls import Call, Calls
from okx_async.torture.flatten_records import FlattenRecord, FlattenScope
from okx_async.torture.invented import EPOCH, LIMIT, invented_credentials
from okx_async.torture.plan import Plan, Seat
from okx_async.torture.watched_limiter import CURRENT_CALL, WatchedLimiter
from okx_async.torture.witness import TimedClock, Witness

FOREIGN = "x"
"""The first letter of the names of another program's requests."""
FLATTEN = "e"
"""The first letter of the names of flattens and confirmed closes."""
HOOK_ERROR = "a hook that fails"


class Stage:
    """Everything that the strategies and mishaps of one history act on."""

    def __init__(self, plan: Plan, loop: VirtualLoop, network: Network, notes: list[tuple[float, str]] | None) -> None:
        self.plan = plan
        self.loop = loop
        self.network = network
        self.notes = notes
        self.mishap_count = 0
        """Mishaps that happened on the network; the exchange's own are in its journal."""
        self.calls = Calls(loop.clock, self.end_hook)
        self.flattens: dict[str, FlattenRecord] = {}
        self.witness = Witness(loop.clock)
        network.on_data = self.witness.hear
        clock = Clock(loop.clock, rate=plan.exchange.rate)
        self.wall_clock = Clock(loop.clock, start=EPOCH, rate=plan.exchange.rate)
        self.exchange = SimulatedExchange(
            latency=plan.exchange.work,
            seed=f"{plan.seed} exchange",
            window=plan.exchange.window,
            fill_delay=plan.exchange.fill_delay,
            fill=plan.exchange.fill,
            positions_lag=plan.exchange.lag,
            flip_keeps_c_time=plan.exchange.flip_keeps,
            count_rejected=plan.exchange.count_rejected,
            body_first=plan.exchange.body_first,
            rate_first=plan.exchange.rate_first,
            clock=clock,
            wall_clock=self.wall_clock,
        )
        self.exchange.listen(self.witness.observe)
        self.accounts = [
            self._account(number, two_sided=account.two_sided) for number, account in enumerate(plan.accounts)
        ]
        self._keys: dict[tuple[int, int], Credentials] = {}
        self._clock = Clock(loop.clock, rate=plan.rate)
        self.limiters = [self._limiter() for _ in range(plan.shares)]
        self.desks = [Desk(self, number, seat) for number, seat in enumerate(plan.seats)]
        self.listeners: list[Callable[[], None]] = []
        """Called when an attempt ends, in the same step of the loop."""
        self._names = 0
        self._hooks = Random(f"{plan.seed} hooks")
        self.hook_errors = self._hooks.choice((0.0, 0.0, 0.3))
        """The share of calls back (`on_attempt`, `on_result`, `on_progress`) that raise."""

    # --- for strategies ---

    def name(self, foreign: str = "") -> str:
        """Return a cl_ord_id that no other request has."""
        self._names += 1
        return f"{foreign or 'c'}{self._names}"

    def inst_id(self, rng: Random) -> str:
        """Pick an instrument: a swap of the crowd, or one of a family of options that share a limit."""
        number = rng.randrange(self.plan.insts)
        if number % 4 == 3:  # one in four
            return f"BTC-USD-260327-{50 + rng.randrange(5)}000-C"
        return f"S{number}-USDT-SWAP"

    def order(self, desk: "Desk", rng: Random, inst_id: str | None = None) -> ClosePosition:
        """Return a close, mostly of a position that is open now."""
        account = self.accounts[desk.seat.account]
        inst_id = inst_id or self.inst_id(rng)
        two_sided = account.pos_mode == "long_short_mode" and inst_id.endswith("SWAP")
        pos_side: PosSide | None = rng.choice(("long", "short")) if two_sided else None
        if rng.random() < 0.85:  # else nothing may be open, or another close is on its way
            pos = rng.randrange(1, 9) * (1 if two_sided else rng.choice((-1, 1)))
            self.exchange.open_position(inst_id, pos, "cross", pos_side or "net", account=account)
        if rng.random() < 0.03:
            self.exchange.add_pending_order(inst_id, pos_side=pos_side or "net", account=account)
        if rng.random() < 0.02:
            pos_side = "net" if two_sided else "long"  # the wrong one: refused
        return ClosePosition(inst_id, "cross", pos_side=pos_side, auto_cxl=rng.random() < 0.5, cl_ord_id=self.name())

    async def close(self, desk: "Desk", request: ClosePosition, priority: Priority, max_wait: float | None) -> None:
        """Make a close and record its result."""
        await self.make(desk, self.begin(desk, request, priority, max_wait))

    async def make(self, desk: "Desk", call: Call) -> None:
        """Make a close that was noted, and record its result."""
        CURRENT_CALL.set(call.name)
        await self.calls.close(desk.client, call)
        if self.notes is not None:
            self.note(f"{call.name} told: {call.told}{' ' * bool(call.words)}{call.words[:160]}")

    def begin(self, desk: "Desk", request: ClosePosition, priority: Priority, max_wait: float | None) -> Call:
        """Note a call that is about to be made."""
        call = self.calls.begin(request, desk.number, max_wait, priority)
        if self.notes is not None:
            self.note(f"{call.name} at seat {desk.number}: close {request.inst_id} {priority.name} max_wait={max_wait}")
        return call

    def begin_flatten(self, desk: "Desk", scope: FlattenScope, deadline: float, patience: float = 0.0) -> FlattenRecord:
        """Record a flatten or a confirmed close that is about to begin."""
        seat, name = desk.seat, self.name(FLATTEN)
        key = self.key(seat.account, seat.key)
        user_id = self.accounts[seat.account].user_id
        record = FlattenRecord(name, desk.number, user_id, key.api_key, scope, self.loop.clock(), deadline, patience)
        record.end_hook = self.end_hook
        record.clock_error = lambda: desk.wall_clock.shown() - self.wall_clock()
        self.flattens[name] = record
        self.note(f"{name} at seat {desk.number}: out of {scope} within {deadline:g} s, patience {patience:g} s")
        return record

    def end_hook(self) -> None:
        """End a function that a client calls back: with an error, now and then."""
        if self._hooks.random() < self.hook_errors:
            raise self._hooks.choice((CancelledError, ValueError, GeneratorExit))(HOOK_ERROR)

    def note(self, text: str) -> None:
        """Write a line of the timeline, if one is kept."""
        if self.notes is not None:
            self.notes.append((self.loop.clock(), text))

    def key(self, account: int, number: int) -> Credentials:
        """Return an API key of an account; 0: its first."""
        found = self._keys.get((account, number))
        if found is None:
            home = self.accounts[account]
            found = home.credentials
            if number:
                found = self.exchange.add_key(
                    home, credentials=invented_credentials(f"{self.plan.seed} account {account} key {number}")
                )
            self._keys[account, number] = found
        return found

    # --- inside ---

    def attempt(self, attempt: Attempt) -> None:
        """Record an attempt that a client reports."""
        whose = self.flattens.get(CURRENT_CALL.get()) or self.calls.made.get(attempt.request.cl_ord_id or "")
        if whose is not None:
            sent = None if attempt.sent is None else self.desks[whose.seat].wall_clock.moment(attempt.sent)
            whose.attempt(attempt, sent, self.loop.clock())
        if self.listeners:
            for notify in tuple(self.listeners):
                notify()
        self._note_attempt(attempt)
        self.end_hook()

    def _note_attempt(self, attempt: Attempt) -> None:
        if self.notes is not None:
            self.note(
                f"{attempt.request.cl_ord_id or f'{CURRENT_CALL.get()} {attempt.request.inst_id}'} attempt: "
                f"{attempt.outcome.value} {attempt.code} {attempt.status or ''} "
                f"waited {attempt.waited:.3f}, token {attempt.token}"
            )

    def _account(self, number: int, *, two_sided: bool) -> Account:
        return self.exchange.add_account(
            pos_mode="long_short_mode" if two_sided else "net_mode",
            credentials=invented_credentials(f"{self.plan.seed} account {number}"),
        )

    def _limiter(self) -> WatchedLimiter:
        plan = self.plan
        quota = Quota(LIMIT // plan.shares)
        limiter = Limiter(quota, rtt_floor=plan.floor, doubt_grace=plan.grace, clock=self._clock)
        return WatchedLimiter(limiter, self.loop.clock)


@dataclass(slots=True)
class Desk:
    """A seat of the plan and its current client."""

    stage: Stage
    number: int
    seat: Seat
    _client: Client | None = None
    _session: aiohttp.ClientSession | None = None
    wall_clock: TimedClock = field(init=False)
    """The wall clock of the client's machine."""

    def __post_init__(self) -> None:
        stage = self.stage
        self.wall_clock = TimedClock(stage.loop.clock, start=stage.wall_clock() + self.seat.skew)

    @property
    def client(self) -> Client:
        """The current client; opened at the first use."""
        if self._client is None:
            self._client = self._open_client()
        return self._client

    async def close_client(self) -> None:
        """Close the client; the next use opens another."""
        client, session = self._client, self._session
        if client is not None:
            self.stage.note(f"client at seat {self.number} closes")
            await client.aclose()
            self.stage.note(f"client at seat {self.number} has closed")
            if self._client is client:
                self._client = self._session = None
            if session is not None:
                await session.close()

    def _open_client(self) -> Client:
        stage, seat = self.stage, self.seat
        account = stage.accounts[seat.account]
        if seat.own_session:
            self._session = aiohttp.ClientSession()
        return Client(
            stage.key(seat.account, seat.key),
            user_id=account.user_id if seat.knows_user_id else None,
            base_url=stage.exchange.base_url,
            limiter=stage.limiters[seat.limiter],
            session=self._session,
            connect_timeout=seat.connect_timeout,
            timeout=seat.timeout,
            max_connections=seat.max_connections,
            keepalive=seat.keepalive,
            on_attempt=stage.attempt,
            wall_clock=self.wall_clock,
        )
