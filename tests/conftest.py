"""Fixtures of more than one folder, and checks that no test leaves anything behind."""

import asyncio
import gc
import logging
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Hashable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast
from unittest.mock import Mock

import aiohttp
import pytest
import pytest_asyncio
from aioresponses import aioresponses, core
from hypothesis import settings

from okx_async import Attempt, Client, Credentials, Limiter, Priority, Quota
from okx_async._calls.attempt import AttemptState
from okx_async._calls.uid_lookup import UidLookup
from okx_async._calls.wiring import wire_caller
from okx_async._http.bodies import Reply
from okx_async._http.inflight import InFlight
from okx_async._http.transport import Transport
from okx_async._limiter.default import _default_limiter
from okx_async._rest.requests import ApiRequest
from okx_async.simulator import Clock, JournalRow, Network, SimulatedExchange, VirtualLoop, run
from okx_async.simulator import Path as Way
from okx_async.simulator.api.endpoints import CLOSE_PATH

# For imports of `tests.…`. Last, since tests/mutants puts a copy of the package before this one.
sys.path.append(str(Path(__file__).parent.parent))

pytest_plugins = ["tests.selection"]

T = TypeVar("T")
TURNS = 50
"""Turns of the loop that a closed thing may take to be gone: an aborted transport needs two."""

# No deadline for one example: how long it takes says how busy the machine is.
settings.register_profile("whole", deadline=None)
settings.register_profile("small", deadline=None, max_examples=25)  # for `make test`; `make models` draws a hundred
settings.load_profile("whole")


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Any]:
    """One server for the tests that do it no harm; its pause is over."""
    from tests.stores.servers import Server, vouch  # noqa: PLC0415 - few tests need one

    server = Server()
    vouch(server.url)
    yield server
    server.close()


@pytest.fixture(scope="session")
def nursery() -> Iterator[Any]:
    """The process that commands are forked from; None where there can be none."""
    if sys.platform != "linux":
        yield None
        return
    from tests.cli.warm import Nursery  # noqa: PLC0415 - few tests need one

    made = Nursery()
    yield made
    made.close()


@pytest.fixture
def okx_async_program(nursery: Any, tmp_path: Path) -> Iterator[Path]:
    """Write a program that is the command line."""
    from tests.cli.warm import program  # noqa: PLC0415 - few tests need one

    path = tmp_path / "okx-async"
    with program(nursery, path):
        yield path


LOGGER = logging.getLogger("okx_async")
LOG = pytest.StashKey[tuple[list[logging.Handler], int]]()


@pytest.hookimpl(tryfirst=True)  # before any fixture
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Have an asynchronous test fail that leaves something behind, and note what a command may do to our log.

    And give each test a process-wide limiter that no other one has used. No fixture, as that would cost each test twice
    as much.
    """
    _default_limiter.cache_clear()
    # Collected, since clients of one API key share what they know for as long as one of them is alive. Frozen, so that
    # further collections do not look at every module again.
    gc.collect()
    gc.freeze()
    if pytest_asyncio.is_async_test(item):
        names = cast("pytest.Function", item).fixturenames  # those of all cases of the test
        if names[0] != "watched_loop":
            names.insert(0, "watched_loop")
    item.stash[LOG] = LOGGER.handlers[:], LOGGER.level


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Undo what the test has changed for all, after its fixtures."""
    try:
        yield
    finally:
        if LOG in item.stash:  # else its set-up was refused before ours
            LOGGER.handlers[:], level = item.stash[LOG]
            LOGGER.setLevel(level)
        _default_limiter.cache_clear()


@pytest.fixture
async def watched_loop() -> AsyncIterator[None]:
    """Fail the test if its loop has more tasks, timers or sockets afterwards, or has met an unhandled exception.

    Set up before the other fixtures of the test and torn down after them, in the same loop.
    """
    from tests.leftovers import left_in  # noqa: PLC0415 - once the path is set

    loop = asyncio.get_running_loop()
    before = left_in(loop)
    complaints: list[str] = []
    loop.set_exception_handler(lambda _, what: complaints.append(f"{what['message']}: {what.get('exception')!r}"))
    yield
    for _ in range(TURNS):
        if not left_in(loop) - before:
            break
        await asyncio.sleep(0)
    gc.collect()  # an exception that was never retrieved is reported when its task is collected
    await asyncio.sleep(0)
    assert not complaints, "the loop reports " + "; ".join(complaints)
    left = left_in(loop) - before
    assert not left, "left behind: " + "; ".join(sorted(left))


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep tests from how this machine reaches the network, and from the file of limits that its programs share."""
    names = ["SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "OKX_PROXY"]
    with pytest.MonkeyPatch.context() as environment:
        for name in ("OKX_LIMITS", *names, *map(str.lower, names)):
            environment.delenv(name, raising=False)
        environment.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / "state"))
        yield


@pytest.fixture
def mocked(monkeypatch: pytest.MonkeyPatch) -> Iterator[aioresponses]:
    """Prepared answers in place of the network, for aiohttp's sessions.

    aioresponses 0.7.9 builds the ClientResponse of aiohttp 3.13 and earlier; from 3.14 on that class needs a
    stream_writer, which is given here. Users' own mocks need the same.
    """

    class Response(aiohttp.ClientResponse):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            try:
                super().__init__(*args, **kwargs)
            except TypeError:
                super().__init__(*args, **kwargs, stream_writer=Mock(output_size=0))

    monkeypatch.setattr(core, "ClientResponse", Response)
    with aioresponses() as answers:
        yield answers


@pytest.fixture
async def exchange() -> AsyncIterator[SimulatedExchange]:
    async with SimulatedExchange(seed=1) as running:
        yield running


MADE_UP = Credentials("key", "secret", "passphrase")


class Wire:
    """A stand-in for the transport: connects and answers, each after some seconds, in virtual time."""

    def __init__(self) -> None:
        self.answer: Reply | None = Reply(200, b'{"code":"0","data":[],"msg":""}', None)
        self.connecting = 0.0
        self.answering = 0.1
        self.failure: BaseException | None = None
        self.transport: asyncio.BaseTransport | None = None
        self.sent: list[tuple[float, str]] = []
        self.key_of: Callable[[InFlight], str] = repr
        self.stamps: list[str] = []

    async def send(
        self, request: InFlight, _method: str, _path: str, headers: Callable[[], Mapping[str, str]], _body: bytes | None
    ) -> Reply | None:
        request.connecting(2.0)
        await asyncio.sleep(self.connecting)
        request.connected(self.transport)
        self.sent.append((asyncio.get_running_loop().time(), self.key_of(request)))
        self.stamps.append(headers()["OK-ACCESS-TIMESTAMP"])
        await asyncio.sleep(self.answering)
        if self.failure is not None:
            raise self.failure
        return self.answer


class Known:
    """A stand-in for the lookup of the user id, which is over."""

    over = False

    async def known(self, _max_wait: float | None) -> None:
        pass


class Subject:
    """A sender with a limiter, an identity and a stand-in transport, in virtual time."""

    def __init__(
        self,
        *,
        places: int = 10,
        quota: Quota = Quota(),  # noqa: B008 - frozen
        wall_clock: Callable[[], float] | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.wire = Wire()
        self.limiter = Limiter(quota, clock=loop.time)
        wiring = wire_caller(
            MADE_UP,
            "https://openapi.okx.com",
            user_id="123",
            limiter=self.limiter,
            max_connections=places,
            wall_clock=wall_clock or (lambda: 1_768_519_672.0 + loop.time()),
            transport=cast("Transport", self.wire),
        )
        self.identity, self.sender, self.capacity = wiring.identity, wiring.sender, wiring.capacity
        self.wire.key_of = lambda request: next(
            str(attempt.key) for attempt in self.sender._underway if attempt.wire is request
        )

    async def attempt(self, inst_id: str = "BTC-USDT-SWAP", **arguments: Any) -> AttemptState:
        flight = self.sender.new_attempt(arguments.pop("permit", None))
        arguments = {"priority": Priority.NORMAL, "deadline": None, **arguments}
        await self.sender.attempt(
            ApiRequest("POST", "/api/v5/trade/close-position", b"{}", inst_id),
            flight,
            cast("UidLookup", Known()),
            **arguments,
        )
        return flight

    def tokens(self, key: Hashable = ("live", "123", "BTC-USDT-SWAP")) -> tuple[int, int, int]:
        now = self.limiter.statistics(key)
        assert self.capacity.taken == now.in_flight
        return now.free, now.in_flight, now.cooling


@pytest.fixture
def sending() -> type[Subject]:
    """The class of senders under test: `sending()` makes one."""
    return Subject


class World:
    """A client and a simulated exchange on a network in memory, in virtual time."""

    def __init__(self, loop: VirtualLoop, network: Network, exchange: SimulatedExchange, wall_clock: Clock) -> None:
        self.loop = loop
        self.network = network
        self.exchange = exchange
        self.wall_clock = wall_clock
        self.attempts: list[Attempt] = []

    def client(self, **options: Any) -> Client:
        """Return a client with a limiter of its own, as in another process."""
        options = {"limiter": Limiter(clock=self.loop.clock), "on_attempt": self.attempts.append, **options}
        credentials = options.pop("credentials", self.exchange.credentials)
        where: dict[str, Any] = {"user_id": self.exchange.user_id, "base_url": self.exchange.base_url}
        return Client(credentials, **where, wall_clock=self.wall_clock, **options)

    def at(self, seconds: float, act: Callable[[], object]) -> None:
        """Call `act` after this many seconds."""
        self.loop.call_later(seconds, act)

    def reopen(self, inst_id: str, pos: int = 5, **where: Any) -> None:
        """Replace the position by one that was opened at this moment."""
        self.exchange.open_position(inst_id, 0, **where)
        self.exchange.open_position(inst_id, pos, **where)

    def closes(self, inst_id: str | None = None) -> list[JournalRow]:
        """Return the closes that arrived."""
        rows = [row for row in self.exchange.journal if row.path.startswith(CLOSE_PATH)]
        return rows if inst_id is None else [row for row in rows if row.key == (self.exchange.user_id, inst_id)]


def _happen(
    story: Callable[[World, Client], Coroutine[Any, Any, T]],
    *,
    way: float = 0.015,
    timeout: float = 5.0,
    **options: Any,
) -> T:
    """Run a story (`way`: s over the network); fail if it leaves a task, a timer or an unhandled exception behind."""

    async def main(loop: VirtualLoop) -> T:
        wall_clock = Clock(loop.clock, start=1_768_519_672.0)
        exchange = SimulatedExchange(seed=1, clock=loop.clock, wall_clock=wall_clock, **options)
        world = World(loop, network, exchange, wall_clock)
        async with exchange:
            async with world.client(timeout=timeout) as client:
                await client.warm_up(1)
                await asyncio.sleep(0.1)  # while the given user id is checked
                result = await story(world, client)
            await asyncio.sleep(10.0)
        here = asyncio.current_task()
        left = [repr(task) for task in asyncio.all_tasks() if task is not here]
        assert not left, f"left behind: {left}"
        assert not loop.timers()
        assert not complaints, complaints
        return result

    network = Network(seed=1, inward=Way(way, 0.0), outward=Way(way, 0.0))
    loop = VirtualLoop(network)
    complaints: list[str] = []
    loop.set_exception_handler(lambda _, what: complaints.append(f"{what['message']}: {what.get('exception')!r}"))
    result = run(main, loop)
    gc.collect()
    assert not complaints, complaints
    return result


@pytest.fixture
def happen() -> Callable[..., Any]:
    """A network in memory: `happen(story, way=…, **options of the exchange)` runs `story(world, client)` on it."""
    return _happen
