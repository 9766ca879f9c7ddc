"""The part of the pytest plugin that is loaded by the first test that uses it; `_okx_async_pytest` loads it.

A test marked ``okx_virtual`` and its asynchronous fixtures of function scope run here, on a virtual loop of the test's
own. Other plugins see them as synchronous, so any of them may be installed (pytest-asyncio in either mode, anyio), or
none. Exchanges, limiters and clients made in such a test use the loop's clock by default, so a strategy lives through
hours in a second without a change.

A test in real time is left to its plugin; exchange and client are made in the event loop that runs the test.
"""

import asyncio
import inspect
import re
import unittest
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from functools import partial, wraps
from importlib import metadata
from typing import Any, Final

import pytest

from okx_async import Client, Limiter
from okx_async.simulator import Clock, DeadlockError, Network, SimulatedExchange, VirtualLoop
from okx_async.simulator.virtual.loop import aiohttp_by

EPOCH: Final = 1768519672.0
"""The exchange's time at the start of a virtual test: 2026-01-15T23:27:52Z."""
_LOOP_SCOPES: Final = ("function", "class", "module", "package", "session")
_LEAST: Final = (1, 1)
"""The first version of pytest-asyncio whose tests can use the fixtures in real time."""
_OWN_LOOP: Final = (
    "it runs asynchronous tests in a loop of its own: write a function or a plain class, or use "
    "`async with SimulatedExchange() as exchange` inside of the test"
)
_RUNNER: Final = "_okx_runner"
_TAKEN: Final = pytest.StashKey[bool]()
_CALLED: Final = pytest.StashKey["Callable[..., Any]"]()
"""The function that pytest calls; the same as the test, or what Hypothesis or a decorator made of it."""
_TEST: Final = pytest.StashKey["Callable[..., Any]"]()


def take_over(item: pytest.Item) -> None:
    """Mark an asynchronous test to run in virtual time; a synchronous test is left alone."""
    mark = item.get_closest_marker("okx_virtual")
    if mark is not None and mark.args:
        given = ", ".join(map(repr, mark.args))
        pytest.fail(f"okx_virtual takes its arguments by name, as okx_virtual(seed=7), got {given}", pytrace=False)
    if isinstance(item, pytest.Function) and _is_asynchronous(_test_of(item.obj)):
        if _of_unittest(item.cls):
            pytest.fail(f"{item.name}: okx_virtual is not for a unittest.TestCase; {_OWN_LOOP}", pytrace=False)
        item.stash[_TAKEN] = True
        if _RUNNER not in item.fixturenames:
            item.fixturenames.insert(0, _RUNNER)  # set up first, so torn down last


def in_loop(request: pytest.FixtureRequest, what: str) -> Any:
    """Return the fixture `what` ("exchange" or "client"), made in the event loop that runs the test."""
    item = request.node
    wrong = f"okx_{what} is not for {item.name}: "
    if asyncio._get_running_loop() is not None:  # noqa: SLF001 - without an exception if there is none
        pytest.fail(f"{wrong}it asks for okx_{what} while it runs: name it among its arguments", pytrace=False)
    if _of_unittest(request.cls):
        pytest.fail(f"{wrong}it belongs to a unittest.TestCase; {_OWN_LOOP}", pytrace=False)
    if item.get_closest_marker("trio"):
        pytest.fail(f"{wrong}pytest-trio runs it, and okx_async works on asyncio only", pytrace=False)
    by_anyio = "anyio_backend" in request.fixturenames
    suffix = "plain" if item.stash.get(_TAKEN, False) else _suffix(request, wrong, by_anyio=by_anyio)
    test = getattr(request, "function", None)
    # anyio leaves a synchronous function in a test of Hypothesis that it has run once.
    if not suffix or not (_is_asynchronous(_test_of(test)) or (by_anyio and hasattr(test, "hypothesis"))):
        pytest.fail(
            f"okx_{what} is for an asynchronous test that pytest-asyncio or anyio runs, or that is marked okx_virtual; "
            f"{item.name} is none (pip install 'okx-async[pytest]'; in strict mode mark it asyncio)",
            pytrace=False,
        )
    return request.getfixturevalue(f"_okx_{what}_{suffix}")


def _suffix(request: pytest.FixtureRequest, wrong: str, *, by_anyio: bool) -> str:
    """Return how the names of the fixtures end that the plugin of a test in real time makes, "" if it has none."""
    mark = request.node.get_closest_marker("asyncio") if hasattr(request.config.option, "asyncio_mode") else None
    if by_anyio and mark is not None:
        pytest.fail(
            f"{wrong}pytest-asyncio runs it, and anyio would make its fixtures in another event loop: use one of the "
            "two (no anyio_backend with the mark asyncio, asyncio_mode=strict beside anyio), or mark it okx_virtual",
            pytrace=False,
        )
    if by_anyio:
        backend = request.getfixturevalue("anyio_backend_name")
        if backend != "asyncio":
            pytest.fail(
                f"{wrong}anyio runs it on {backend}, and okx_async works on asyncio only; "
                "parametrize anyio_backend with 'asyncio'",
                pytrace=False,
            )
        return "plain"
    if mark is None:
        return ""
    if not _is_recent(_ASYNCIO):
        pytest.fail(
            f"{wrong}pytest-asyncio {_ASYNCIO} runs it, and {'.'.join(map(str, _LEAST))} or later is needed; "
            "pip install -U 'okx-async[pytest]', or mark the test okx_virtual",
            pytrace=False,
        )
    scope: str = mark.kwargs.get("loop_scope") or mark.kwargs.get("scope")
    return scope or str(request.config.getini("asyncio_default_test_loop_scope"))


# --- hooks, for tests that were taken over ---


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Run an asynchronous fixture on the loop of its test; outermost, so that other plugins see a synchronous one."""
    make: Any = _original(fixturedef.func)
    if not request.node.stash.get(_TAKEN, False) or not _is_asynchronous(make):
        return (yield)
    owner = getattr(make, "__self__", None)
    if owner is not None and isinstance(request.instance, type(owner)):
        make = make.__func__.__get__(request.instance)  # a method: bound to the instance of the test
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fixturedef, "func", _synchronous(make, request.getfixturevalue(_RUNNER)))
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Store the original test function, which other plugins replace by wrappers; outermost, so before them."""
    if isinstance(item, pytest.Function) and _TAKEN in item.stash:
        item.stash[_CALLED] = item.obj
        item.stash[_TEST] = _test_of(item.obj)
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> object:
    """Run the test; this plugin is registered after all others, so its hook is called first."""
    if _TAKEN not in pyfuncitem.stash:
        return None
    names = pyfuncitem._fixtureinfo.argnames  # noqa: SLF001 - pytest has no public way
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    runner: Any = pyfuncitem.funcargs[_RUNNER]
    called, test = pyfuncitem.stash[_CALLED], pyfuncitem.stash[_TEST]

    def run(make: Callable[..., Any], *given: Any, **named: Any) -> None:
        begun = make(*given, **named)
        if not inspect.iscoroutine(begun):  # a decorator ran it by itself
            return
        try:
            runner.run(begun)
        except DeadlockError as error:
            if begun.cr_frame is not None:
                error.add_note(f"{pyfuncitem.name} waits in line {begun.cr_frame.f_lineno}")
            raise

    hypothesis: Any = getattr(called, "hypothesis", None)
    if hypothesis is None:
        run(called, **arguments)
        return True

    @wraps(test)
    def example(*given: Any, **named: Any) -> None:
        run(test, *given, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hypothesis, "inner_test", example)
        called(**arguments)
    return True


# --- fixtures ---


@pytest.fixture(name=_RUNNER)
def virtual_runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    """Yield the runner of one test and its fixtures, on a virtual loop."""
    mark = request.node.get_closest_marker("okx_virtual")
    loop = VirtualLoop(Network(**mark.kwargs))
    with aiohttp_by(loop.clock), _clocks(loop), asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.get_loop()  # makes the loop now: an unused runner would never close it
        yield runner


def _fixtures(suffix: str, declare: Callable[..., Any]) -> dict[str, Any]:
    """Return exchange and client as asynchronous fixtures, made by `declare`; `suffix` ends their names."""

    @declare(name=f"_okx_exchange_{suffix}")  # type: ignore[untyped-decorator]  # of pytest or pytest-asyncio
    async def exchange(
        request: pytest.FixtureRequest, okx_exchange_options: dict[str, Any]
    ) -> AsyncIterator[SimulatedExchange]:
        options = {"seed": 0, **okx_exchange_options, **_marked(request, "okx_exchange_options")}
        recording = options.pop("recording", None)
        made = (
            SimulatedExchange(**options)
            if recording is None
            else SimulatedExchange.from_recording(recording, **options)
        )
        async with made as exchange:
            yield exchange

    @declare(name=f"_okx_client_{suffix}")  # type: ignore[untyped-decorator]  # the same
    async def client(
        request: pytest.FixtureRequest, okx_exchange: SimulatedExchange, okx_client_options: dict[str, Any]
    ) -> AsyncIterator[Client]:
        options: dict[str, Any] = {
            "credentials": okx_exchange.credentials,
            "base_url": okx_exchange.base_url,
            **okx_client_options,
            **_marked(request, "okx_client_options"),
        }
        if "limiter" not in options:  # the limiter of the process would remember earlier tests
            options["limiter"] = Limiter()
        async with Client(options.pop("credentials"), **options) as client:
            yield client

    return {f"exchange_{suffix}": exchange, f"client_{suffix}": client}


def _marked(request: pytest.FixtureRequest, name: str) -> dict[str, Any]:
    """Return the arguments of a test's marks of this name; the closest mark comes last, so that it counts."""
    options: dict[str, Any] = {}
    for mark in reversed(list(request.node.iter_markers(name))):
        if mark.args:
            given = ", ".join(map(repr, mark.args))
            pytest.fail(f"{name} takes its arguments by name, as {name}(timeout=1), got {given}", pytrace=False)
        options |= mark.kwargs
    return options


def _version_of(package: str) -> str:
    """Return the version of an installed package, "" without it."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _is_recent(version: str) -> bool:
    """Whether pytest-asyncio of this version can make fixtures in the loop of any test."""
    return tuple(map(int, re.findall(r"\d+", version)[:2])) >= _LEAST


globals().update(_fixtures("plain", pytest.fixture))
_ASYNCIO: Final = _version_of("pytest-asyncio")
if _is_recent(_ASYNCIO):  # else only anyio runs tests in real time
    import pytest_asyncio

    for _scope in _LOOP_SCOPES:
        globals().update(_fixtures(_scope, partial(pytest_asyncio.fixture, loop_scope=_scope)))


# --- inside ---


def _is_asynchronous(make: object) -> bool:
    return inspect.iscoroutinefunction(make) or inspect.isasyncgenfunction(make)


def _of_unittest(cls: type | None) -> bool:
    return cls is not None and issubclass(cls, unittest.TestCase)


def _test_of(called: Any) -> Any:
    """Return the function that the author of the test wrote, without what Hypothesis or decorators made of it."""
    hypothesis = getattr(called, "hypothesis", None)
    return inspect.unwrap(called if hypothesis is None else hypothesis.inner_test)


def _original(make: Any) -> Any:
    """Return a fixture as it was written: pytest-asyncio before 1.1 replaces it by a wrapper when it is collected."""
    by = getattr(make, "__globals__", {}).get("__name__", "")
    return inspect.unwrap(make) if by.startswith("pytest_asyncio") else make


def _synchronous(make: Callable[..., Any], runner: asyncio.Runner) -> Callable[..., Any]:
    """Return a synchronous fixture that runs the steps of `make` on `runner`."""
    taken = inspect.signature(make).parameters  # older versions of pytest-asyncio pass more

    def begin(arguments: dict[str, Any]) -> Any:
        return make(**{name: value for name, value in arguments.items() if name in taken})

    def value(**arguments: Any) -> Any:
        return runner.run(begin(arguments))

    def values(**arguments: Any) -> Iterator[Any]:
        steps = begin(arguments)

        async def step() -> Any:
            return await anext(steps)

        yield runner.run(step())
        with suppress(StopAsyncIteration):
            runner.run(step())
            raise RuntimeError(f"the asynchronous fixture {make.__name__} yields more than once")

    return values if inspect.isasyncgenfunction(make) else value


@contextmanager
def _clocks(loop: VirtualLoop) -> Iterator[None]:
    """Make the loop's clock the default of exchanges, limiters and clients during the block."""
    wall_clock = Clock(loop.clock, start=EPOCH)
    with pytest.MonkeyPatch.context() as patch:
        for cls in (SimulatedExchange, Limiter, Client):
            defaults = cls.__init__.__kwdefaults__ or {}
            for name, clock in (("clock", loop.clock), ("wall_clock", wall_clock)):
                if name in defaults:
                    patch.setitem(defaults, name, clock)
        # Clients share limiter and identities within this test only, not with clients in real time.
        limiter = Limiter()
        patch.setattr("okx_async._calls.wiring.default_limiter", lambda: limiter)
        yield
