"""Which tests are run: in which of several processes, how many cases of a dear one, and on which loop."""

import asyncio
import gc
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from okx_async.simulator.virtual.jumping_loop import JumpingLoop

try:
    import uvloop
except ModuleNotFoundError:  # there is none for Windows
    uvloop = None

SLOW: Mapping[str, int] = MappingProxyType(
    {
        "test_docs.py": 33,
        "conformance/test_sources.py": 25,
        "cli/test_loops.py": 20,
        "cli/test_rehearse.py": 19,
        "cli/test_json.py": 17,
        "rehearsal/test_run.py": 17,
        "cli/test_flatten_consent.py": 16,
        "cli/test_trading.py": 16,
        "sockets/test_sharing.py": 16,
        "stores/_redis/test_hints.py": 15,
        "cli/test_networks.py": 14,
        "stores/_redis/test_worker.py": 14,
        "cli/test_flatten_terminal.py": 13,
        "sockets/test_busy_loop.py": 13,
        "test_recipes_scripts.py": 13,
        "cli/test_demo.py": 11,
        "cli/test_streams.py": 11,
        "sockets/test_figures.py": 10,
        "test_recipes_shutdown.py": 9,
        "_flatten/test_flatten_interrupted.py": 8,
        "cli/test_flatten.py": 8,
        "stores/test_conformance.py": 8,
        "stores/_agent/test_forks.py": 8,
        "_limiter/test_registry_forks.py": 7,
        "cli/test_log.py": 7,
        "rehearsal/recording/test_settle.py": 7,
        "sockets/test_frames.py": 7,
        "cli/test_doctor.py": 6,
        "cli/test_limits.py": 6,
        "faults/test_matrix.py": 6,
        "sockets/test_memory.py": 6,
        "stores/test_lease_model.py": 6,
        "_flatten/test_hogs.py": 5,
        "_limiter/test_bucket_model.py": 5,
        "_limiter/test_registry.py": 5,
        "cli/test_help.py": 5,
        "cli/test_phases.py": 5,
        "cli/test_signals.py": 5,
        "sockets/test_bodies.py": 5,
        "sockets/test_own_proxy.py": 5,
        "sockets/test_user_ids.py": 5,
        "stores/test_sqlite.py": 5,
        "test_package.py": 5,
        "test_recipes.py": 5,
        "test_simulation.py": 5,
    }
)
"""Files that take longer than others, mostly to wait for sockets and processes, and about how many seconds."""
USUAL = 0.6
"""Seconds that another file takes."""


class Shares:
    """Which of several processes runs a file: the one that has least to do; all of them reckon alike.

    Args:
        processes: Their number.
    """

    def __init__(self, processes: int) -> None:
        self._loads = [0.0] * processes
        self._slow = {name: self._next(seconds) for name, seconds in sorted(SLOW.items(), key=lambda item: -item[1])}

    def turn(self, path: Path) -> int:
        """Return the number of the process that runs the next file."""
        slow = self._slow.get(path.relative_to(HERE).as_posix()) if path.is_relative_to(HERE) else None
        return self._next(USUAL) if slow is None else slow

    def _next(self, seconds: float) -> int:
        turn = self._loads.index(min(self._loads))
        self._loads[turn] += seconds
        return turn


HERE = Path(__file__).parent
SHARES = pytest.StashKey[Shares]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--divide`."""
    parser.addoption(
        "--divide",
        action="store_true",
        help="with `-n N --dist each`: each process collects and runs its part of the files, none of them twice",
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
    shares = config.stash.setdefault(SHARES, Shares(worker["workercount"]))
    return None if shares.turn(collection_path) == _turn(config) else True


def _turn(config: pytest.Config) -> int:
    """Return the number of this process among those that divide the files; 0 if nothing is divided."""
    worker = getattr(config, "workerinput", None)
    return int(worker["workerid"].removeprefix("gw")) if worker and config.getoption("divide") else 0


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
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark ``long`` what of a test's cases `make test` leaves to `make models`; half of the processes begin at the end.

    Of a test marked ``share(n)`` each n-th case stays, from the first on. The cases of one marked ``loops`` take turns:
    each is run on one of the loops.
    """
    if _turn(config) % 2:  # so that while some wait for processes and sockets others reckon
        files = [list(group) for _, group in groupby(items, key=lambda item: item.path)]
        items[:] = [item for group in reversed(files) for item in group]
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
