from types import SimpleNamespace
from typing import Any

import pytest

import okx_async as okx
from okx_async.torture.calls import REFUSED, UNKNOWN
from okx_async.torture.evidence import Evidence
from okx_async.torture.watched_limiter import Wait
from tests.torture.invariants.conftest import KEY, LOST, RATE, call, found

NORMAL, PANIC = okx.Priority.NORMAL, okx.Priority.PANIC


def limiter(*waits: Wait, idle: tuple[str, ...] = ()) -> Any:
    return SimpleNamespace(waits=list(waits), idle=list(idle))


def wait(joined: float, served: float | None, priority: okx.Priority = NORMAL, **changes: Any) -> Wait:
    return Wait(("env", *KEY), priority, joined, served, **{"fate": "settled", **changes})


@pytest.mark.parametrize(
    ("waits", "words"),
    [
        ([wait(1.0, 2.0), wait(1.5, 2.0), wait(1.6, 3.0)], ""),
        ([wait(1.0, 3.0), wait(1.5, 2.0)], "an earlier one"),
        ([wait(1.0, 3.0), wait(1.5, 2.0, PANIC)], ""),
        ([wait(1.0, 3.0, PANIC), wait(0.5, 2.0)], "in PANIC saw 1 others go first"),
        ([wait(1.0, None, left=4.0), wait(1.5, 2.0)], ""),
        ([wait(1.0, None)], "still stands in line"),
    ],
)
def test_order(evidence: Evidence, waits: list[Wait], words: str) -> None:
    evidence.limiters = [limiter(*waits)]
    lines = [line for name, line in found(evidence) if name == "order"]
    assert bool(lines) == bool(words)
    assert words in "".join(lines)


def test_order_where_a_call_waits_beside_a_free_token(evidence: Evidence) -> None:
    evidence.limiters = [limiter(idle=("key: state",))]
    assert found(evidence) == [("order", "waits beside a free token: key: state")]


@pytest.mark.parametrize(("served", "kept"), [(1.5, True), (2.0, True), (3.9, False), (4.0, True)])
def test_pauses(evidence: Evidence, *, served: float, kept: bool) -> None:
    key = ("env", *KEY)
    call(evidence, REFUSED, [RATE], refused=[(key, 2.0)])
    evidence.limiters = [limiter(wait(1.0, 1.0), wait(1.0, served))]
    assert [name for name, _ in found(evidence) if name == "pauses"] == ([] if kept else ["pauses"])


def test_thrift(evidence: Evidence) -> None:
    call(evidence, UNKNOWN, [LOST])
    evidence.limiters = [limiter(wait(1.0, 1.0, call="c1"))]
    assert found(evidence) == []
    evidence.limiters[0].waits.append(wait(1.0, 1.0, call="c1", fate="refunded"))
    assert found(evidence) == []
    evidence.limiters[0].waits.append(wait(1.0, 1.0, call="c1", fate="in doubt"))
    assert found(evidence) == [("thrift", "c1: 2 slots of its user id spent on 1 requests")]


@pytest.mark.parametrize(
    ("times", "priority", "fate", "broken"),
    [
        ([1.0] * 6 + [3.0], NORMAL, "settled", False),
        ([1.0] * 6 + [2.9], NORMAL, "settled", True),
        ([1.0] * 7, NORMAL, "in doubt", True),
        ([1.0] * 7, NORMAL, "refunded", False),
        ([1.0] * 10, PANIC, "settled", False),
    ],
)
def test_reserve(evidence: Evidence, times: list[float], priority: okx.Priority, fate: str, *, broken: bool) -> None:
    readings = [Wait(("env", "123", "account/positions"), priority, at, at, fate=fate) for at in times]
    evidence.limiters = [limiter(*readings)]
    assert [name for name, _ in found(evidence) if name == "reserve"] == ["reserve"] * broken


def test_the_reserve_is_of_readings_alone(evidence: Evidence) -> None:
    evidence.limiters = [limiter(*[wait(1.0, 1.0)] * 20)]
    assert [name for name, _ in found(evidence) if name == "reserve"] == []
