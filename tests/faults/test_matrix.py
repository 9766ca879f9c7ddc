"""Every fault happens to every kind of call, and what becomes of it is as the table says."""

from dataclasses import replace
from math import inf
from typing import Any

import pytest

import okx_async as okx
from okx_async._flatten import flatten as _flatten
from okx_async._flatten import guard as _guard
from okx_async._flatten.guard import Guard, Observation, Reading
from okx_async._flatten.leg import Leg
from okx_async.simulator.faults.catalogue import CATALOGUE
from tests.faults.calls import COLUMNS
from tests.faults.cells import Row
from tests.faults.observe import observe
from tests.faults.page import PAGE, REWRITE, ROWS, breaches, fresh
from tests.faults.rows import answers, cancels, flatten, network, strange, ways

FILLS = {"The close fills in part", "The close fills late, in part, or never"}


@pytest.mark.share(5)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.title)
def test_row(row: Row) -> None:
    observed = observe(row, COLUMNS)
    assert {column: found for column in row.cells if (found := breaches(row, column, observed[column]))} == {}


def test_the_matrix_is_as_large_as_promised() -> None:
    assert len({row.title for row in ROWS}) == len(ROWS) >= 200
    assert all(set(row.cells) == set(COLUMNS) for row in [*answers.ROWS, *network.ROWS, *strange.ROWS, *ways.ROWS])
    assert all(set(row.cells) == {"flatten"} for row in [*flatten.ROWS, *cancels.ROWS])


def test_no_close_is_ever_to_be_executed_twice_and_sent_only_as_often_as_it_had_slots() -> None:
    for row in ROWS:
        for column, cell in row.cells.items():
            # What was filled in part is closed again; by a flatten, which has seen that it is the same position.
            assert cell.done <= (cell.sent if column == "flatten" and row.group in FILLS else min(cell.sent, 1))
            assert cell.sent <= cell.tokens.count("s") + cell.tokens.count("d")


def test_every_fault_of_positions_strikes_a_flatten() -> None:
    titles = " ".join(row.title for row in flatten.ROWS)
    assert all(name in titles for name in CATALOGUE if name.startswith("positions "))


# In no row: the close meets nothing new by them.
WITHOUT_A_ROW = {"jumps ahead by 1 h", "jumps back by 31 s"}


def test_every_fault_by_name_is_in_the_title_of_a_row() -> None:
    titles = " ".join(row.title for row in ROWS)
    assert {name for name in CATALOGUE if name not in titles} == WITHOUT_A_ROW


def test_the_page_shows_this_matrix() -> None:
    text = PAGE.read_text()
    assert text == fresh(text), REWRITE


def only(column: str, title: str) -> Row:
    """Return the row of this title for one kind of call."""
    row = next(row for row in ROWS if row.title == title)
    return replace(row, cells={column: row.cells[column]})


@pytest.mark.parametrize(
    ("column", "change"),
    [
        *(("close_position", change) for change in ({"told": "accepted"}, {"code": "1"}, {"done": 1})),
        *(("close_position", change) for change in ({"sent": 2}, {"tokens": "s"}, {"asked": 1})),
        *(("flatten", change) for change in ({"told": "deadline"}, {"done": 0}, {"sent": 3})),
        *(("flatten", change) for change in ({"flat": False}, {"others": "unknown"}, {"more": ("x",)})),
    ],
)
def test_a_cell_that_is_wrong_is_noticed(column: str, change: dict[str, Any]) -> None:
    row = only(column, "50004, not executed")
    wrong = replace(row, cells={column: replace(row.cells[column], **change)})
    assert len(breaches(wrong, column, observe(wrong, COLUMNS)[column])) == 1


# --- the judge finds the faults that it is there for ---


def words(title: str) -> str:
    """Return the complaints of the judge about a flatten."""
    return " ".join(observe(only("flatten", title), COLUMNS)["flatten"].wrong)


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
    assert "flat, while the books held" in words("51000")


def test_a_repeat_by_no_reading_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Leg, "may_send_until", lambda _: inf)
    assert "without a fresh reading" in words("50011 for ever")
    monkeypatch.setattr(_guard, "STILL", 0.5)
    assert "after one that may have been executed" in words("50004, not executed")
