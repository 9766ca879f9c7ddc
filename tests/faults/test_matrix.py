"""Every fault, every kind of call: what the table says, by hand, is what becomes of it."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest

import okx_async as okx
from okx_async._flatten import flatten as _flatten
from okx_async._flatten import guard as _guard
from okx_async._flatten.guard import Guard, Observation, Reading
from okx_async._flatten.leg import Leg
from okx_async.simulator.faults.catalogue import CATALOGUE
from tests.faults import outs, table
from tests.faults.calls import COLUMNS
from tests.faults.cells import Row
from tests.faults.page import PAGE, REWRITE, ROWS, breaches, fresh
from tests.faults.world import observe

FILLS = {"The close fills in part", "The close fills late, in part, or never"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.title)
def test_row(row: Row) -> None:
    observed = observe(row, COLUMNS)
    assert {column: found for column in row.cells if (found := breaches(row, column, observed[column]))} == {}


def test_the_matrix_is_as_large_as_promised() -> None:
    assert len({row.title for row in ROWS}) == len(ROWS) >= 200
    assert all(set(row.cells) == set(COLUMNS) for row in table.ROWS)
    assert all(set(row.cells) == {"flatten"} for row in outs.ROWS)


def test_no_close_is_ever_to_be_executed_twice_and_sent_only_as_often_as_it_had_slots() -> None:
    for row in ROWS:
        for column, cell in row.cells.items():
            # What was filled in part is closed again; by a flatten, which has seen that it is the same position.
            assert cell.done <= (cell.sent if column == "flatten" and row.group in FILLS else min(cell.sent, 1))
            assert cell.sent <= cell.tokens.count("s") + cell.tokens.count("d")


def test_every_fault_of_positions_strikes_a_flatten() -> None:
    titles = " ".join(row.title for row in outs.ROWS)
    assert all(name in titles for name in CATALOGUE if name.startswith("positions "))


def test_the_page_shows_this_matrix() -> None:
    text = PAGE.read_text()
    assert text == fresh(text), REWRITE


@pytest.mark.parametrize(
    "change", [{"told": "accepted"}, {"code": "1"}, {"done": 1}, {"sent": 2}, {"tokens": "s"}, {"asked": 1}]
)
def test_a_cell_that_is_wrong_is_noticed(change: dict[str, object]) -> None:
    row = next(row for row in ROWS if row.title == "50004, not executed")
    wrong = replace(row, cells={"close_position": replace(row.cells["close_position"], **change)})  # type: ignore[arg-type]
    assert len(breaches(wrong, "close_position", observe(wrong, COLUMNS)["close_position"])) == 1


@pytest.mark.parametrize(
    "change", [{"told": "deadline"}, {"done": 0}, {"sent": 3}, {"flat": False}, {"others": "unknown"}, {"more": ("x",)}]
)
def test_and_so_is_one_of_a_flatten(change: dict[str, object]) -> None:
    row = next(row for row in ROWS if row.title == "50004, not executed")
    wrong = replace(row, cells={"flatten": replace(row.cells["flatten"], **change)})  # type: ignore[arg-type]
    assert len(breaches(wrong, "flatten", observe(wrong, COLUMNS)["flatten"])) == 1


# --- the judge must be able to see what it is there for ---


def words(title: str) -> str:
    row = next(row for row in ROWS if row.title == title)
    return " ".join(observe(replace(row, cells={"flatten": row.cells["flatten"]}), COLUMNS)["flatten"].wrong)


def test_a_close_of_a_new_position_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_guard, "side_of", lambda _: "long")
    compare = Guard._compare

    def blind(guard: Guard, reading: Reading) -> tuple[Observation, okx.Position | None]:
        _, found = compare(guard, reading)
        return (Observation.SAME if found else Observation.GONE), found

    monkeypatch.setattr(Guard, "_compare", blind)
    assert "is a new position, and was closed" in words("50004, not executed, and reopened")


def test_a_false_flat_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_flatten, "FLAT_STATES", frozenset(okx.FlattenState))
    assert "flat, while the books held" in words("51115")


def test_a_repeat_by_no_reading_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Leg, "may_send_until", lambda _: inf)
    assert "without a fresh reading" in words("50011 for ever")
    monkeypatch.setattr(_guard, "STILL", 0.5)
    assert "after one that may have been executed" in words("50004, not executed")
