from types import SimpleNamespace
from typing import Any

import pytest

import okx_async as okx
from okx_async.simulator import JournalRow
from okx_async.torture.calls import ACCEPTED, CANCELLED, REFUSED, Call
from okx_async.torture.evidence import Evidence
from okx_async.torture.invariants.joins import joins, overlaps
from okx_async.torture.witness import address_of_request
from tests.torture.invariants.conftest import attempt, row

INST = "S0-USDT-SWAP"
DONE = row(1000.1, cl_ord_id="c1", executed=True)
NOT_DONE = row(1000.1, cl_ord_id="c1", code="51023")
LATER = row(1000.9, cl_ord_id="c1", executed=True)


def call(evidence: Evidence, name: str, told: str = ACCEPTED, mode: okx.MgnMode = "cross", **changes: Any) -> Call:
    request = okx.ClosePosition(INST, mode, cl_ord_id=name)
    made = Call(request, 0, 1000.0, None, okx.Priority.NORMAL, told=told, ended=1000.5, join=True, carried="c1")
    for field, value in changes.items():
        setattr(made, field, value)
    evidence.calls[name] = made
    return made


def rows(evidence: Evidence, *journal: JournalRow) -> None:
    evidence.journal = list(journal)
    evidence.__post_init__()


@pytest.mark.parametrize(
    ("told", "changes", "journal", "words"),
    [
        (ACCEPTED, {}, DONE, ""),
        (ACCEPTED, {}, NOT_DONE, "executed 0 times"),
        (ACCEPTED, {"carried": "c9"}, DONE, "which no call made"),
        (ACCEPTED, {"mode": "isolated"}, DONE, "closes another position"),
        (REFUSED, {}, NOT_DONE, ""),
        (REFUSED, {}, DONE, "but c1 was executed"),
        (REFUSED, {}, LATER, ""),
        (REFUSED, {"carried": ""}, NOT_DONE, ""),
        (ACCEPTED, {"carried": ""}, DONE, "which no call made"),
        (CANCELLED, {}, DONE, "not by its caller"),
        (CANCELLED, {"stopped": True}, DONE, ""),
        (CANCELLED, {"join": False}, DONE, ""),
    ],
)
def test_joins(evidence: Evidence, told: str, changes: dict[str, Any], journal: JournalRow, words: str) -> None:
    call(evidence, "c1", ACCEPTED, join=False)
    call(evidence, "c2", told, **changes)
    rows(evidence, journal)
    lines = list(joins(evidence))
    assert bool(lines) == bool(words)
    assert words in "".join(lines)


@pytest.mark.parametrize(
    ("one", "other", "broken"),
    [
        ({"join": True}, {"join": True}, True),
        ({"join": True}, {"join": False}, False),
        ({"join": False}, {"join": False}, False),
        ({"join": True}, {"join": True, "seat": 1}, False),
        ({"join": True}, {"join": True, "mode": "isolated"}, False),
        ({"join": True}, {"join": True, "spans": [(1000.2, 1000.3)]}, False),
    ],
)
def test_joined_closes_do_not_overlap(
    evidence: Evidence, one: dict[str, Any], other: dict[str, Any], *, broken: bool
) -> None:
    call(evidence, "c1", **{"spans": [(1000.0, 1000.2)], **one})
    call(evidence, "c2", **{"spans": [(1000.1, 1000.3)], **other})
    assert bool(list(overlaps(evidence))) is broken


@pytest.mark.parametrize(
    ("span", "written", "broken"),
    [((1000.1, 1000.3), True, True), ((1000.2, 1000.3), True, False), ((1000.1, 1000.3), False, False)],
)
def test_a_close_of_a_flatten_overlaps_no_plain_one(
    evidence: Evidence, span: tuple[float, float], *, written: bool, broken: bool
) -> None:
    made = call(evidence, "c1", join=False, spans=[(1000.0, 1000.2)])
    close = SimpleNamespace(sent=span[0], ended=span[1], written=written)
    flatten: Any = SimpleNamespace(name="e1", seat=0, closes={address_of_request(made.request): [close]})
    evidence.flattens["e1"] = flatten
    assert [("e1" in line) for line in overlaps(evidence)] == [True] * broken


def test_an_attempt_that_may_have_left_has_a_span(evidence: Evidence) -> None:
    made = call(evidence, "c1")
    made.attempt(attempt(), 1000.0, 1000.2)
    made.attempt(attempt(token="refunded"), 1000.3, 1000.4)
    made.attempt(attempt(), None, 1000.5)
    assert made.spans == [(1000.0, 1000.2)]
