"""A rehearsal against the simulated exchange in virtual time, and an exchange that can be altered."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import orjson

from okx_async import Limiter
from okx_async.rehearsal.environment import examine
from okx_async.rehearsal.exchanges import HttpExchange
from okx_async.rehearsal.ledger import open_ledger
from okx_async.rehearsal.library import ObservedClient
from okx_async.rehearsal.market import choose
from okx_async.rehearsal.options import Options
from okx_async.rehearsal.report import Report
from okx_async.rehearsal.results import TrialResult, Verdict
from okx_async.rehearsal.run import Rehearsal
from okx_async.rehearsal.stage import Stage
from okx_async.rehearsal.wire import Wire
from okx_async.simulator import Account, Network, SimulatedExchange, VirtualLoop, run
from okx_async.simulator.http.messages import Answer, Request

T = TypeVar("T")
START = 1_768_519_672.0
INST = "BTC-USDT-SWAP"
Alteration = Callable[["World", Request, Callable[[], Answer]], Answer]


def as_usual(_world: "World", _request: Request, decide: Callable[[], Answer]) -> Answer:
    return decide()


@dataclass
class World:
    """One exchange with a demo account, in virtual time."""

    loop: VirtualLoop
    network: Network
    exchange: SimulatedExchange
    account: Account
    folder: Path
    alteration: Alteration = as_usual
    trial: str = ""
    """The assumption that is tried, "" between two trials."""
    seen: list[HttpExchange] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        frontend: Any = self.exchange._frontend
        self._gateway = frontend._gateway
        frontend._gateway = self

    def decide(self, request: Request, now: float, ms: int, *, forwarded: bool = False) -> Answer:
        return self.alteration(self, request, lambda: self._gateway.decide(request, now, ms, forwarded=forwarded))

    def wall(self) -> float:
        return START + self.loop.clock()

    def rehearsal(self, **options: Any) -> Rehearsal:
        callbacks = {name: options.pop(name) for name in ("on_trial", "on_result") if name in options}
        usual: dict[str, Any] = {"base_url": self.exchange.base_url, "folder": self.folder}
        usual["other_base_url"] = self.exchange.base_url.replace("127.0.0.1", "localhost")
        credentials = options.pop("credentials", self.account.credentials)

        def begun(assumption: Any) -> None:
            self.trial = assumption.id
            callbacks.get("on_trial", bool)(assumption)

        def ended(result: TrialResult) -> None:
            self.trial = ""
            callbacks.get("on_result", bool)(result)

        return Rehearsal(
            credentials,
            Options(**{**usual, **options}),
            limiter=Limiter(clock=self.loop.clock),
            observer=self.seen.append,
            on_trial=begun,
            on_result=ended,
            wall_clock=self.wall,
        )

    async def rehearse(self, **options: Any) -> Report:
        return await self.rehearsal(**options).run()


def play(main: Callable[[World], Coroutine[Any, Any, T]], folder: Path, **settings: Any) -> T:
    """Run `main` with a world; `settings` are of the exchange."""
    network = Network()
    network.names["localhost"] = "127.0.0.1"
    loop = VirtualLoop(network)
    pos_mode = settings.pop("pos_mode", "net_mode")
    usual = {"latency": 0.02, "jitter": 0.02, "fill_delay": (0.05, 0.2), "seed": 1}

    async def whole(loop: VirtualLoop) -> T:
        exchange = SimulatedExchange(clock=loop.clock, wall_clock=lambda: START + loop.clock(), **{**usual, **settings})
        account = exchange.add_account(demo=True, pos_mode=pos_mode)
        world = World(loop, network, exchange, account, folder)
        async with exchange:
            return await main(world)

    return run(whole, loop)


@asynccontextmanager
async def stage_of(world: World) -> AsyncIterator[Stage]:
    """Return a stage as a rehearsal has it; nothing is cleaned up at its end."""
    limiter, base_url = Limiter(clock=world.loop.clock), world.exchange.base_url
    wire = Wire(
        world.account.credentials, base_url, demo=True, environment=base_url, limiter=limiter, wall_clock=world.wall
    )
    async with wire:
        account = await examine(wire, demo=True, live_uid=None)
        chosen = await choose(wire, None)
        client = ObservedClient(
            world.account.credentials,
            world.seen.append,
            base_url=base_url,
            wall_clock=world.wall,
            demo=True,
            limiter=limiter,
            user_id=account.user_id,
        )
        with open_ledger(world.folder, base_url, account.user_id) as ledger:
            async with client:
                yield Stage(wire, client, account, chosen[0], ledger, "test", chosen[1])


def body_of(request: Request) -> dict[str, Any]:
    """Return the fields of a request's body, none if it has none."""
    try:
        found = orjson.loads(request.body or b"{}")
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def is_close(request: Request) -> bool:
    return request.raw_path == "/api/v5/trade/close-position"


def verdicts(report: Report) -> dict[str, set[str]]:
    """Return the ids of the results by verdict."""
    return {verdict.value: {result.id for result in report.results if result.verdict is verdict} for verdict in Verdict}


def named(
    folder: Path,
    alteration: Alteration = as_usual,
    *,
    prepare: Callable[[World], object] = lambda _: None,
    ids: frozenset[str] | None = None,
    **settings: Any,
) -> tuple[set[str], bool, tuple[Any, ...]]:
    """Rehearse on an altered exchange; return what did not hold, whether all is flat, and what is open in truth."""

    async def main(world: World) -> tuple[set[str], bool, tuple[Any, ...]]:
        world.alteration = alteration
        prepare(world)
        report = await world.rehearse(ids=ids)
        left = (*world.exchange.positions, *world.exchange.pending_orders)
        return verdicts(report)["not_held"], report.left.flat, left

    return play(main, folder, **settings)


def rewrite(answer: Answer, change: Callable[[dict[str, Any]], object]) -> Answer:
    """Return an answer whose body was changed."""
    body = orjson.loads(answer.body)
    change(body)
    return answer._replace(body=orjson.dumps(body))
