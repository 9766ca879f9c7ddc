from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from okx_async import FlattenState
from okx_async.torture.flatten_records import RestingOrder
from okx_async.torture.resting_orders import ELSEWHERE
from tests.torture.conftest import RunForIt

ENTRY = RestingOrder("5", "F0-USDT-SWAP", "cross", "net", entry=True, side="long", certain=True)
STOP = replace(ENTRY, id="6", entry=False)


def told(it: RunForIt, *, cancelled: tuple[str, ...] = (), left: tuple[str, ...] | None = (), notes: Any = ()) -> None:
    """Let it read, close and read until flat, and come back with this report of orders."""
    it.read(0.0, it.record())
    it.close(0.2)
    it.read(0.4)
    it.read(0.7)
    it.report(FlattenState.CLOSED.value, 1.0, flat=True)
    report: Any = it.flatten.report
    report.cancelled = [SimpleNamespace(ord_id=number, algo_id="") for number in cancelled]
    report.open_orders = None if left is None else [SimpleNamespace(ord_id="", algo_id=number) for number in left]
    report.notes = notes


def test_what_was_cancelled_or_told_is_right(run_for_it: RunForIt) -> None:
    run_for_it.flatten.orders = [ENTRY, STOP]
    told(run_for_it, cancelled=("5", "6"))
    run_for_it.evidence.witness.cancels = {"5": [1000.1], "6": [1000.9]}
    assert run_for_it.breaches() == []


@pytest.mark.parametrize(
    ("order", "cancelled", "left", "notes", "words"),
    [
        (ENTRY, ("5",), ("5",), ("a note",), "is told to be cancelled, and it rests"),
        (ENTRY, (), (), ("a note",), "is not among the open orders"),
        (STOP, (), (), (), "is not among the open orders"),
        (ENTRY, (), ("5",), (), "no note says so"),
        (replace(ENTRY, inst_id=ELSEWHERE), (), ("5",), (), "no note says so"),
        (ENTRY, (), ("5",), ("a note",), ""),
        (ENTRY, (), None, ("a note",), ""),
        (replace(ENTRY, certain=False), (), (), (), ""),
    ],
)
def test_an_order_that_rests(
    *, run_for_it: RunForIt, order: RestingOrder, cancelled: Any, left: Any, notes: Any, words: str
) -> None:
    run_for_it.flatten.orders = [order]
    run_for_it.evidence.resting = frozenset({order.id})
    told(run_for_it, cancelled=cancelled, left=left, notes=notes)
    breaches = run_for_it.breaches()
    assert [name for name, _ in breaches] == ["orders"] * bool(words)
    assert all(words in text for _, text in breaches)


@pytest.mark.parametrize(("at", "early"), [(0.3, True), (0.9, False)])
def test_a_stop_goes_after_its_position(run_for_it: RunForIt, at: float, early: bool) -> None:  # noqa: FBT001 - a parameter of the table
    run_for_it.flatten.orders = [STOP]
    told(run_for_it, cancelled=("6",))
    run_for_it.evidence.witness.cancels = {"6": [1000.0 + at]}
    assert [name for name, _ in run_for_it.breaches()] == ["orders"] * early


@pytest.mark.parametrize(("look_again", "broken"), [(2.0, True), (0.0, False)])
def test_a_second_look_is_taken_after_the_cancels(run_for_it: RunForIt, look_again: float, broken: bool) -> None:  # noqa: FBT001 - a parameter of the table
    run_for_it.flatten.orders, run_for_it.flatten.look_again = [ENTRY], look_again
    told(run_for_it, cancelled=("5",))
    run_for_it.evidence.witness.cancels = {"5": [1000.9]}
    assert [name for name, _ in run_for_it.breaches()] == ["orders"] * broken


def test_cancels_of_another_flatten_after_the_report_ask_for_no_look(run_for_it: RunForIt) -> None:
    run_for_it.flatten.orders, run_for_it.flatten.look_again = [ENTRY], 2.0
    told(run_for_it, cancelled=("5",))
    run_for_it.evidence.witness.cancels = {"5": [1000.1, 1001.5]}
    assert run_for_it.breaches() == []
