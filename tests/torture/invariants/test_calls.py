from dataclasses import replace

import pytest

import okx_async as okx
from okx_async.simulator import JournalRow
from okx_async.torture.calls import ACCEPTED, CANCELLED, NOT_SENT, REFUSED, UNKNOWN
from okx_async.torture.evidence import Evidence
from okx_async.torture.invented import EPOCH
from okx_async.torture.plan import Mishap
from tests.torture.invariants.conftest import LOST, RATE, attempt, call, found, row

ACCEPTED_ROW = row(1000.1, cl_ord_id="c1", executed=True)
REFUSED_ROW = row(1000.1, cl_ord_id="c1", code="51023")


@pytest.mark.parametrize(
    ("times", "broken"),
    [
        ([1000.0] * 20 + [1002.001], False),
        ([1000.0] * 20 + [1002.000999], True),  # the same millisecond
        ([1000.0] * 20 + [1002.0], True),  # a closed window holds both its ends
        ([1000.0 + number * 0.1001 for number in range(100)], False),
    ],
)
def test_windows(evidence: Evidence, times: list[float], *, broken: bool) -> None:
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


@pytest.mark.parametrize(("join", "sent", "broken"), [(False, 0, True), (True, 0, False), (True, 7, True)])
def test_what_was_not_sent_of_a_joined_close_is_no_repeat(
    evidence: Evidence, *, join: bool, sent: int, broken: bool
) -> None:
    unsent = attempt(outcome=okx.Outcome.NOT_SENT, token="refunded", code="")
    call(evidence, NOT_SENT if not sent else UNKNOWN, [RATE] * sent + [unsent] * 7, join=join)
    assert [words.endswith("7 attempts") for name, words in found(evidence) if name == "repeats"] == [True] * broken


@pytest.mark.parametrize(
    ("heard", "span", "fault", "broken"),
    [
        (1000.3, (1000.0, 1000.3), "", True),  # told unknown as the acceptance came
        (1000.3, (1000.0, 1001.9), "", True),
        (1002.0, (1000.0, 1002.0), "", False),  # as its time was over
        (1000.9, (1000.0, 1000.3), "", False),  # later
        (1000.3, (1000.0, 1000.3), "50004", False),
        (None, (1000.0, 1000.3), "", False),
    ],
)
def test_an_acceptance_that_came_in_time_is_not_told_as_unknown(
    evidence: Evidence, heard: float | None, span: tuple[float, float], fault: str, *, broken: bool
) -> None:
    evidence.journal = [row(1000.1, cl_ord_id="c1", executed=True, fault=fault)]
    evidence.witness.accepted = {} if heard is None else {"c1": heard}
    call(evidence, UNKNOWN, [LOST], spans=[span])
    assert [name for name, _ in found(evidence)] == ["truth"] * broken


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


@pytest.mark.parametrize("auto_cxl", [False, True])
def test_repeats_of_what_pending_orders_have_refused(evidence: Evidence, *, auto_cxl: bool) -> None:
    request = okx.ClosePosition("S0-USDT-SWAP", "cross", auto_cxl=auto_cxl, cl_ord_id="c1")
    pending = attempt(request=request, outcome=okx.Outcome.NEEDS, code="51115")
    call(evidence, UNKNOWN, [pending, LOST])
    assert [name for name, _ in found(evidence)] == ["repeats"] * (not auto_cxl)


@pytest.mark.parametrize("wrong", [attempt(token="in doubt"), attempt(outcome=okx.Outcome.UNKNOWN, code="50004")])
def test_repeats_of_tokens_that_belie_the_outcome(evidence: Evidence, wrong: okx.Attempt) -> None:
    call(evidence, UNKNOWN, [wrong])
    assert [name for name, _ in found(evidence)] == ["repeats"]


@pytest.mark.parametrize(("age", "broken"), [(5.0, True), (28.9, True), (29.5, False), (-31.0, False)])
def test_signatures(evidence: Evidence, age: float, *, broken: bool) -> None:
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
