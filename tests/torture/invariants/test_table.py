from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

import okx_async as okx
from okx_async.simulator import JournalRow
from okx_async.torture.calls import ACCEPTED, CANCELLED, NOT_SENT, REFUSED, UNKNOWN, Call
from okx_async.torture.invariants.table import INVARIANTS, Evidence, judge
from okx_async.torture.plan import Mishap, Plan
from okx_async.torture.stage import EPOCH
from okx_async.torture.watched_limiter import Wait

CLOSE = "/api/v5/trade/close-position"
KEY = ("123", "S0-USDT-SWAP")
NORMAL, PANIC = okx.Priority.NORMAL, okx.Priority.PANIC


def row(at: float, **changes: Any) -> JournalRow:
    plain = {"uid": "123", "key": KEY, "method": "POST", "path": CLOSE, "code": "0", "status": 200, "executed": False}
    return JournalRow(**{"at": at, **plain, **changes})


def attempt(**changes: Any) -> okx.Attempt:
    plain: dict[str, Any] = {
        "request": okx.ClosePosition("S0-USDT-SWAP", "cross", cl_ord_id="c1"),
        "key": ("env", *KEY),
        "waited": 0.0,
        "sent": EPOCH,
        "settled": EPOCH,
        "code": "0",
        "status": 200,
        "outcome": okx.Outcome.ACCEPTED,
        "token": "settled",
    }
    return okx.Attempt(**{**plain, **changes})


def found(evidence: Evidence) -> list[tuple[str, str]]:
    evidence.__post_init__()
    return [(breach.invariant, breach.words) for breach in judge(evidence)]


def test_an_empty_history_breaks_nothing(evidence: Evidence) -> None:
    assert found(evidence) == []


@pytest.mark.parametrize(
    ("times", "broken"),
    [
        ([1000.0] * 20 + [1002.001], False),
        ([1000.0] * 20 + [1002.000999], True),  # the same millisecond
        ([1000.0] * 20 + [1002.0], True),  # a closed window holds both its ends
        ([1000.0 + number * 0.1001 for number in range(100)], False),
    ],
)
def test_windows(evidence: Evidence, times: list[float], broken: bool) -> None:  # noqa: FBT001 - a column of the table
    evidence.journal = [row(at) for at in times]
    assert [name for name, _ in found(evidence)] == ["windows"] * broken


def test_windows_of_another_program_are_not_ours(evidence: Evidence) -> None:
    evidence.journal = [row(1000.0, cl_ord_id=f"x{number}") for number in range(50)]
    assert found(evidence) == []


def test_windows_of_other_endpoints_have_their_own_limit(evidence: Evidence) -> None:
    config = {"path": "/api/v5/account/config", "key": ("123", "account/config"), "method": "GET"}
    evidence.journal = [row(1000.0, **config) for _ in range(5)]
    assert found(evidence) == []
    evidence.journal += [row(1001.0, **config)]
    assert found(evidence)[0][1].startswith("6 of ours within 2 s")


def call(evidence: Evidence, told: str, attempts: list[okx.Attempt], **changes: Any) -> Call:
    request = okx.ClosePosition("S0-USDT-SWAP", "cross", cl_ord_id="c1")
    made = Call(request, 0, 1000.0, None, NORMAL, attempts=attempts, told=told, ended=1000.5)
    for name, value in changes.items():
        setattr(made, name, value)
    evidence.calls["c1"] = made
    return made


ACCEPTED_ROW = row(1000.1, cl_ord_id="c1", executed=True)
REFUSED_ROW = row(1000.1, cl_ord_id="c1", code="51023")
LOST = attempt(outcome=okx.Outcome.UNKNOWN, token="in doubt", code="")
RATE = attempt(outcome=okx.Outcome.RATE, code="50011")


@pytest.mark.parametrize(
    ("told", "rows", "attempts", "words"),
    [
        (ACCEPTED, [ACCEPTED_ROW], [attempt()], ""),
        (ACCEPTED, [REFUSED_ROW], [attempt()], "told accepted, executed 0 times"),
        (REFUSED, [REFUSED_ROW], [attempt(outcome=okx.Outcome.FLAT, code="51023")], ""),
        (REFUSED, [ACCEPTED_ROW], [attempt(outcome=okx.Outcome.FLAT, code="51023")], "but it was executed"),
        (NOT_SENT, [], [], ""),
        (NOT_SENT, [REFUSED_ROW], [attempt()], "told not sent"),
        (UNKNOWN, [], [LOST], ""),
        (UNKNOWN, [ACCEPTED_ROW], [LOST], ""),
        (UNKNOWN, [ACCEPTED_ROW, ACCEPTED_ROW], [LOST, LOST], "executed 2 times"),
        (UNKNOWN, [REFUSED_ROW, REFUSED_ROW], [LOST], "arrived 2 times"),
        (CANCELLED, [ACCEPTED_ROW], [LOST], "without a note"),
        ("something else: X", [], [], "something else"),
    ],
)
def test_truth(evidence: Evidence, told: str, rows: list[JournalRow], attempts: list[okx.Attempt], words: str) -> None:
    evidence.journal = rows
    call(evidence, told, attempts)
    breaches = [line for name, line in found(evidence) if name == "truth"]
    assert bool(breaches) == bool(words)
    assert words in "".join(breaches)


def test_truth_of_a_cancelled_call_that_was_warned(evidence: Evidence) -> None:
    evidence.journal = [ACCEPTED_ROW]
    call(evidence, CANCELLED, [LOST], warned=True)
    assert found(evidence) == []


def test_truth_of_a_call_that_never_ended(evidence: Evidence) -> None:
    call(evidence, "", [], ended=None)
    assert [line for _, line in found(evidence)] == ["c1 S0-USDT-SWAP: its caller was never told anything"]


def test_repeats(evidence: Evidence) -> None:
    call(evidence, UNKNOWN, [RATE, LOST])
    assert found(evidence) == []
    call(evidence, UNKNOWN, [LOST, LOST])
    assert [name for name, _ in found(evidence)] == ["repeats"]
    call(evidence, UNKNOWN, [RATE] * 6 + [LOST])
    assert [line for _, line in found(evidence)] == ["c1 S0-USDT-SWAP: 7 attempts"]


@pytest.mark.parametrize("wrong", [attempt(token="in doubt"), attempt(outcome=okx.Outcome.UNKNOWN, code="50004")])
def test_repeats_of_tokens_that_belie_the_outcome(evidence: Evidence, wrong: okx.Attempt) -> None:
    call(evidence, UNKNOWN, [wrong])
    assert [name for name, _ in found(evidence)] == ["repeats"]


@pytest.mark.parametrize(("age", "broken"), [(5.0, True), (28.9, True), (29.5, False), (-31.0, False)])
def test_signatures(evidence: Evidence, age: float, broken: bool) -> None:  # noqa: FBT001 - a column of the table
    evidence.journal = [row(1000.0, cl_ord_id="c1", code="50102", status=401, key=None)]
    call(evidence, REFUSED, [attempt(code="50102", outcome=okx.Outcome.CLOCK, sent=EPOCH - age)])
    assert [name for name, _ in found(evidence)] == ["signatures"] * broken


def test_signatures_that_expire_although_the_exchange_was_asked_for_its_time(evidence: Evidence) -> None:
    evidence.journal = [row(at, cl_ord_id="c1", code="50102", status=401, key=None) for at in (1000.0, 1001.0)]
    call(evidence, REFUSED, [attempt(code="50102", outcome=okx.Outcome.CLOCK, sent=EPOCH - 40.0)] * 2)
    assert [line for _, line in found(evidence)] == ["c1 S0-USDT-SWAP: expired 2 times"]


def test_a_clock_that_jumped_explains_a_signature_that_expired(evidence: Evidence) -> None:
    evidence.plan = replace(evidence.plan, mishaps=(Mishap("clock jumps", 1.0, "jump"),))
    evidence.journal = [row(at, cl_ord_id="c1", code="50102", status=401, key=None) for at in (1000.0, 1001.0)]
    call(evidence, REFUSED, [attempt(code="50102", outcome=okx.Outcome.CLOCK, sent=EPOCH)] * 2)
    assert found(evidence) == []
    evidence.rows.clear()
    evidence.journal.append(row(1002.0, cl_ord_id="c1", code="50102", status=401, key=None))
    assert ("signatures", "c1 S0-USDT-SWAP: expired 3 times") in found(evidence)


def test_promptness(evidence: Evidence) -> None:
    call(evidence, NOT_SENT, [], max_wait=0.5, ended=1003.5)
    assert found(evidence) == []
    call(evidence, NOT_SENT, [], max_wait=0.5, ended=1003.6)
    assert [name for name, _ in found(evidence)] == ["promptness"]
    call(evidence, UNKNOWN, [attempt(waited=0.6, token="in doubt", outcome=okx.Outcome.UNKNOWN)], max_wait=0.5)
    assert [name for name, _ in found(evidence)] == ["promptness"]


@pytest.mark.parametrize(
    ("seconds", "own_session", "kept"), [(2.0, False, False), (2.1, False, True), (2.9, True, False)]
)
def test_promptness_of_an_answer(evidence: Evidence, *, seconds: float, own_session: bool, kept: bool) -> None:
    evidence.plan = replace(evidence.plan, seats=(replace(evidence.plan.seats[0], own_session=own_session),))
    made = attempt(token="in doubt", outcome=okx.Outcome.UNKNOWN)
    call(evidence, UNKNOWN, [made], longest=seconds)
    assert [name for name, _ in found(evidence)] == ["promptness"] * kept


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


def test_order_where_somebody_waits_beside_a_free_token(evidence: Evidence) -> None:
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


def test_tokens_and_leftovers_are_passed_on(evidence: Evidence) -> None:
    evidence.silent, evidence.left = ["a token"], ["a task"]
    assert found(evidence) == [("tokens", "a token"), ("leftovers", "a task")]


def test_every_invariant_has_a_docstring_and_a_test(calm: Plan) -> None:
    assert calm.seed == 1
    for name, check in INVARIANTS.items():
        assert check.__doc__
        assert name in {
            "windows",
            "truth",
            "repeats",
            "signatures",
            "promptness",
            "order",
            "pauses",
            "thrift",
            "tokens",
            "leftovers",
            *("guard", "kills", "filters", "deadlines"),  # test_proof
            *("flat", "rows"),  # test_words
        }
