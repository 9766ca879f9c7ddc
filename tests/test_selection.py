"""Tests of the division of all tests among processes."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests import selection
from tests.selection import HERE, SLOW, USUAL, Total, pytest_configure, pytest_ignore_collect, pytest_runtest_protocol


def worker(turn: int, of: int, *, divide: bool = True) -> Any:
    options = {"divide": divide, "dist": "no"}  # what a process of xdist's has
    config = SimpleNamespace(
        workerinput={"workerid": f"gw{turn}", "workercount": of},
        getoption=lambda name, default=None: options.get(name, default),
        stash={},
    )
    pytest_configure(config)  # type: ignore[arg-type]
    return config


@pytest.mark.parametrize("processes", [1, 2, 6])
def test_each_file_is_collected_by_one_process(processes: int) -> None:
    paths = [HERE / f"test_{number}.py" for number in range(300)]
    configs = [worker(turn, processes) for turn in range(processes)]
    taken = [[path for path in paths if not pytest_ignore_collect(path, config)] for config in configs]
    assert sorted(path for those in taken for path in those) == sorted(paths)
    assert min(map(len, taken)) > 0


def test_no_process_has_much_more_to_do_than_another() -> None:
    usual = [HERE / f"test_{number}.py" for number in range(360)]
    paths = [*usual[:200], *(HERE / name for name in SLOW), *usual[200:]]
    loads = [
        sum(
            SLOW.get(path.relative_to(HERE).as_posix(), USUAL)
            for path in paths
            if not pytest_ignore_collect(path, config)
        )
        for config in [worker(turn, 8) for turn in range(8)]
    ]
    assert sum(loads) == pytest.approx(sum(SLOW.values()) + 360 * USUAL)
    assert max(loads) - min(loads) < 2 * USUAL


def test_what_is_said_to_be_slow_is_there() -> None:
    assert [name for name in SLOW if not (HERE / name).is_file()] == []


@pytest.mark.parametrize("path", ["tests/faults", "tests/conftest.py", "docs/index.md"])
def test_folders_and_what_is_no_test_are_for_all(path: str) -> None:
    assert not any(pytest_ignore_collect(Path(path), worker(turn, 2)) for turn in range(2))


def test_without_the_option_each_process_collects_all() -> None:
    config = worker(1, 2, divide=False)
    assert not any(pytest_ignore_collect(Path(f"tests/test_{number}.py"), config) for number in range(4))


@pytest.mark.parametrize(("dist", "refused"), [("no", True), ("worksteal", True), ("each", False)])
def test_it_goes_with_the_distribution_that_runs_all_that_a_process_collected(dist: str, *, refused: bool) -> None:
    options = {"divide": True, "dist": dist}
    plugins: list[object] = []
    config: Any = SimpleNamespace(
        getoption=lambda name, default=None: options.get(name, default),
        stash={},
        pluginmanager=SimpleNamespace(register=plugins.append),
    )
    if refused:
        with pytest.raises(pytest.UsageError, match="--dist each"):
            pytest_configure(config)
    else:
        pytest_configure(config)
        assert len(plugins) == 1


def test_the_terminal_counts_the_tests_of_all_processes() -> None:
    session: Any = SimpleNamespace(testscollected=0)
    total = Total()
    total.pytest_sessionstart(session)
    for ids in (["a", "b"], ["c"]):
        total.pytest_xdist_node_collection_finished(ids)
        session.testscollected = len(ids)  # as xdist does
    total.pytest_runtest_logreport()
    assert session.testscollected == 3


PASSED = {"setup": "passed", "call": "passed", "teardown": "passed"}


@pytest.mark.parametrize(
    ("outcomes", "told"),
    [
        (PASSED, ["call"]),
        ({**PASSED, "call": "failed"}, ["setup", "call", "teardown"]),
        ({**PASSED, "call": "skipped"}, ["setup", "call", "teardown"]),
        ({**PASSED, "teardown": "failed"}, ["setup", "call", "teardown"]),
        ({"setup": "failed", "teardown": "passed"}, ["setup", "teardown"]),
        ({"setup": "skipped", "teardown": "passed"}, ["setup", "teardown"]),
    ],
)
def test_a_process_tells_one_thing_of_what_passed_and_all_of_what_did_not(
    monkeypatch: pytest.MonkeyPatch, outcomes: dict[str, Any], told: list[str]
) -> None:
    reports = [pytest.TestReport("t", ("", 0, ""), {}, of, None, when) for when, of in outcomes.items()]  # type: ignore[arg-type]
    monkeypatch.setattr(selection, "runtestprotocol", lambda *_, **__: reports)
    item, heard, ended = item_of()
    assert pytest_runtest_protocol(item, item)
    assert (heard, ended) == (told, [])
    assert pytest_runtest_protocol(item, None)
    assert ended == ["t"]  # the end of the last one makes the terminal say 100 %


@pytest.mark.parametrize("option", [{"verbose": 1}, {"durations": 10}, {"maxfail": 1}, {"divide": False}])
def test_where_someone_looks_all_is_told(option: dict[str, Any]) -> None:
    item, heard, _ = item_of(**option)
    assert pytest_runtest_protocol(item, None) is None
    assert heard == []


def item_of(**options: Any) -> tuple[Any, list[str], list[str]]:
    heard: list[str] = []
    ended: list[str] = []
    option = SimpleNamespace(**{"divide": True, "verbose": 0, "durations": None, "maxfail": 0, **options})
    hook = SimpleNamespace(
        pytest_runtest_logreport=lambda report: heard.append(report.when),
        pytest_runtest_logfinish=lambda nodeid, location: ended.append(nodeid),  # noqa: ARG005 - as pytest names them
    )
    config = SimpleNamespace(option=option, workerinput={})
    return SimpleNamespace(config=config, ihook=hook, nodeid="t", location=("", 0, "")), heard, ended
