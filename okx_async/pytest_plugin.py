"""What the pytest plugin does once a test asks for it; what every run loads is `_okx_async_pytest`, beside the package.

A test marked ``okx_virtual`` is run here, on a virtual loop of its own, and its asynchronous fixtures of function scope
with it: the plugin that would run them otherwise finds them synchronous and done. So it makes no difference which one
that is (pytest-asyncio in either mode, anyio), or whether there is any. Whatever of this package is made in such a test
goes by the loop's clock without being told, so that a strategy needs no change to live through hours in a second.

A test in real time is left to its plugin, and exchange and client are made in the loop in which it runs the test.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final

import pytest

from okx_async import Client, Limiter
from okx_async.simulator import Clock, DeadlockError, Network, SimulatedExchange, VirtualLoop
from okx_async.simulator.virtual.loop import aiohttp_by

__all__ = ["in_loop", "take_over"]

EPOCH: Final = 1768519672.0
"""2026-01-15T23:27:52Z: the exchange's time when a virtual test begins."""
_LOOP_SCOPES: Final = ("function", "class", "module", "package", "session")
_RUNNER: Final = "_okx_runner"
_TAKEN: Final = pytest.StashKey[bool]()
_TEST: Final = pytest.StashKey["Callable[..., Any]"]()


def take_over(item: pytest.Item) -> None:
    """Run this test in virtual time; a synchronous one has no time to be virtual, and is left alone."""
    mark = item.get_closest_marker("okx_virtual")
    if mark is not None and mark.args:
        said = ", ".join(map(repr, mark.args))
        pytest.fail(f"okx_virtual takes its arguments by name, as okx_virtual(seed=7), got {said}", pytrace=False)
    if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
        item.stash[_TAKEN] = True
        if _RUNNER not in item.fixturenames:
            item.fixturenames.insert(0, _RUNNER)  # the first to be made, so the last to go


def in_loop(request: pytest.FixtureRequest, what: str) -> Any:
    """Return the "exchange" or the "client" of a test, made in the loop that runs the test."""
    item = request.node
    mark = item.get_closest_marker("asyncio")
    way = ""
    if item.stash.get(_TAKEN, False) or "anyio_backend" in request.fixturenames:
        way = "plain"
    elif mark is not None and hasattr(request.config.option, "asyncio_mode"):
        default = request.config.getini("asyncio_default_test_loop_scope")
        way = mark.kwargs.get("loop_scope") or mark.kwargs.get("scope") or default
    if not way or not inspect.iscoroutinefunction(request.function):
        pytest.fail(
            f"okx_{what} is for an asynchronous test that pytest-asyncio or anyio runs, or that is marked okx_virtual; "
            f"{item.name} is none (pip install 'okx-async[pytest]'; in strict mode mark it asyncio)",
            pytrace=False,
        )
    return request.getfixturevalue(f"_okx_{what}_{way}")


# --- hooks, for tests that were taken over ---


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Run an asynchronous fixture on the loop of its test; outermost, so that nobody else thinks it is theirs."""
    make: Any = fixturedef.func
    if not request.node.stash.get(_TAKEN, False) or not _is_asynchronous(make):
        return (yield)
    owner = getattr(make, "__self__", None)
    if owner is not None and isinstance(request.instance, type(owner)):
        make = make.__func__.__get__(request.instance)  # a method: of the instance that the test is of
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fixturedef, "func", _synchronous(make, request.getfixturevalue(_RUNNER)))
        return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Keep the test as it was written: pytest-asyncio puts one of its own in its place."""
    if isinstance(item, pytest.Function) and _TAKEN in item.stash:
        item.stash[_TEST] = item.obj


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> object:
    """Run the test; registered after all plugins of the start, so asked before them."""
    if _TAKEN not in pyfuncitem.stash:
        return None
    names = pyfuncitem._fixtureinfo.argnames  # noqa: SLF001 - pytest tells it nowhere else
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    runner: Any = pyfuncitem.funcargs[_RUNNER]
    test = pyfuncitem.stash[_TEST](**arguments)
    try:
        runner.run(test)
    except DeadlockError as error:
        error.add_note(f"{pyfuncitem.name} waits in line {test.cr_frame.f_lineno}")
        raise
    return True


# --- fixtures ---


@pytest.fixture(name=_RUNNER)
def virtual_runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    """Return what runs the coroutines of one test, and of its fixtures, in virtual time."""
    mark = request.node.get_closest_marker("okx_virtual")
    loop = VirtualLoop(Network(**mark.kwargs))
    with aiohttp_by(loop.clock), _clocks(loop), asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.get_loop()  # made by the first use: without one it would never be closed
        yield runner


def _fixtures(way: str, declare: Callable[..., Any]) -> dict[str, Any]:
    """Return exchange and client as asynchronous fixtures, declared as a plugin wants it for its loops of one scope."""

    @declare(name=f"_okx_exchange_{way}")  # type: ignore[untyped-decorator]  # one of two plugins'
    async def exchange(okx_exchange_options: dict[str, Any]) -> AsyncIterator[SimulatedExchange]:
        async with SimulatedExchange(**{"seed": 0, **okx_exchange_options}) as exchange:
            yield exchange

    @declare(name=f"_okx_client_{way}")  # type: ignore[untyped-decorator]  # the same
    async def client(okx_exchange: SimulatedExchange) -> AsyncIterator[Client]:
        # A limiter of its own: that of the process would remember the test before.
        async with Client(okx_exchange.credentials, base_url=okx_exchange.base_url, limiter=Limiter()) as client:
            yield client

    return {f"exchange_{way}": exchange, f"client_{way}": client}


globals().update(_fixtures("plain", pytest.fixture))
with suppress(ImportError):  # then tests in real time are anyio's
    import pytest_asyncio

    for _scope in _LOOP_SCOPES:
        globals().update(_fixtures(_scope, partial(pytest_asyncio.fixture, loop_scope=_scope)))


# --- inside ---


def _is_asynchronous(make: object) -> bool:
    return inspect.iscoroutinefunction(make) or inspect.isasyncgenfunction(make)


def _synchronous(make: Callable[..., Any], runner: asyncio.Runner) -> Callable[..., Any]:
    """Return the same fixture for pytest alone: its steps are run to their end."""

    def value(**arguments: Any) -> Any:
        return runner.run(make(**arguments))

    def values(**arguments: Any) -> Iterator[Any]:
        steps = make(**arguments)

        async def step() -> Any:
            return await anext(steps)

        yield runner.run(step())
        with suppress(StopAsyncIteration):
            runner.run(step())
            raise RuntimeError(f"the asynchronous fixture {make.__name__} yields more than once")

    return values if inspect.isasyncgenfunction(make) else value


@contextmanager
def _clocks(loop: VirtualLoop) -> Iterator[None]:
    """Let whatever of this package is made meanwhile go by the loop's clock, unless it is told another one."""
    wall_clock = Clock(loop.clock, start=EPOCH)
    with pytest.MonkeyPatch.context() as patch:
        for made in (SimulatedExchange, Limiter, Client):
            defaults = made.__init__.__kwdefaults__ or {}
            for name, clock in (("clock", loop.clock), ("wall_clock", wall_clock)):
                if name in defaults:
                    patch.setitem(defaults, name, clock)
        # What clients of one process share they share within this test, and with nobody in real time.
        limiter = Limiter()
        patch.setattr("okx_async._calls.wiring.default_limiter", lambda: limiter)
        yield
