"""Which tests are run: in which of several processes, how many cases of a dear one, and on which loop."""

import asyncio
import gc
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from okx_async.simulator.virtual.jumping_loop import JumpingLoop

try:
    import uvloop
except ModuleNotFoundError:  # there is none for Windows
    uvloop = None

FILES = pytest.StashKey[Iterator[int]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--divide`."""
    parser.addoption(
        "--divide",
        action="store_true",
        help="with `-n N --dist each`: each process collects and runs each Nth file, so that none is collected twice",
    )


class Total:
    """The number of tests of all processes, for what the terminal shows: xdist takes one process's for that of each."""

    def __init__(self) -> None:
        self._tests = 0
        self._session: pytest.Session | None = None

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Note whose number it is."""
        self._session = session

    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """Add what a process has collected."""
        self._tests += len(ids)

    @pytest.hookimpl(tryfirst=True)  # before the terminal counts on it
    def pytest_runtest_logreport(self) -> None:
        """Correct the number; xdist has set it by now."""
        if self._session is not None:
            self._session.testscollected = self._tests


def pytest_configure(config: pytest.Config) -> None:
    """Refuse what would run every test N times, or a part of them only."""
    config.stash[FILES] = count()
    if config.getoption("divide") and not hasattr(config, "workerinput"):
        if config.getoption("dist", "no") != "each":
            raise pytest.UsageError("--divide goes with -n N --dist each")
        config.pluginmanager.register(Total())


@pytest.hookimpl(trylast=True)  # counts what nothing else has left out
def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the files of the other processes; all count them in the same order."""
    worker = getattr(config, "workerinput", None)
    if worker is None or not config.getoption("divide") or not collection_path.match("test_*.py"):
        return None
    files, turn = config.stash[FILES], int(worker["workerid"].removeprefix("gw"))
    return True if next(files) % worker["workercount"] != turn else None


def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Tell the first process one thing of a test that passed, not five: each costs both sides, and all tests a tenth.

    Of any other test it is told all, and so it is where someone looks: with `-v`, `--durations` or `-x`.
    """
    options = item.config.option
    if not hasattr(item.config, "workerinput") or not options.divide or options.verbose > 0:
        return None
    if options.durations is not None or options.maxfail:
        return None
    for report in worth_telling(runtestprotocol(item, log=False, nextitem=nextitem)):
        item.ihook.pytest_runtest_logreport(report=report)
    if nextitem is None:  # after which the terminal says 100 %
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def worth_telling(reports: list[pytest.TestReport]) -> list[pytest.TestReport]:
    """Return what the terminal shows something of: all reports of a test, unless it passed from set-up to teardown."""
    if all(report.passed for report in reports):
        return [report for report in reports if report.when == "call"]
    return reports


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Keep the garbage collector from looking again and again through thousands of tests, which all stay.

    And from looking for cycles after each 700 new objects: conftest.py collects before each test and after it.
    """
    gc.disable()
    yield
    gc.freeze()
    gc.enable()
    gc.set_threshold(20_000, 20, 20)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark ``long`` what of the cases of a test `make test` leaves to `make models`.

    Of a test marked ``share(n)`` each n-th case stays, from the first on. The cases of one marked ``loops`` take turns:
    each is run on one of the loops.
    """
    loops = list(_real_loops())
    found: Counter[str] = Counter()
    numbers: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for item in items:
        test, _, case = item.nodeid.partition("[")
        mark = item.get_closest_marker("share")
        if mark is not None:
            if found[test] % mark.args[0]:
                item.add_marker("long")
            found[test] += 1
        elif item.get_closest_marker("loops") and "-" in case:
            loop, _, rest = case.partition("-")
            nth = numbers[test].setdefault(rest, len(numbers[test]))
            # Shifted by each row of cases and by each test, so that no value is always on the same loop.
            if loop != loops[(nth + nth // len(loops) + len(numbers)) % len(loops)]:
                item.add_marker("long")


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Give tests marked ``virtual`` a loop whose clock jumps, from 0.0 s on, and all others a real one.

    Tests marked ``loops`` run on each of the real ones: on asyncio's, on uvloop where it is installed, and from Python
    3.12 on with eager tasks.
    """
    if item.get_closest_marker("virtual"):
        return {"virtual": lambda: JumpingLoop(start=0.0)}
    return _real_loops() if item.get_closest_marker("loops") else {"real": asyncio.new_event_loop}


def _real_loops() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"real": asyncio.new_event_loop}
    if uvloop is not None:
        factories["uvloop"] = uvloop.new_event_loop
    if sys.version_info >= (3, 12):
        factories["eager"] = eager_loop
    return factories


def eager_loop(make: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop) -> asyncio.AbstractEventLoop:
    """Return a loop whose tasks begin within `create_task`; from Python 3.12 on."""
    loop = make()
    factory: Any = vars(asyncio)["eager_task_factory"]
    loop.set_task_factory(factory)
    return loop
