"""Every fault, every kind of call: what the table says, by hand, is what becomes of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.faults.page import PAGE, REWRITE, breaches, fresh
from tests.faults.table import ROWS, Row
from tests.faults.world import COLUMNS, observe


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.title)
def test_cell(row: Row, column: str) -> None:
    assert breaches(row, column, observe(row, column)) == []


def test_the_matrix_is_as_large_as_promised() -> None:
    assert len({row.title for row in ROWS}) == len(ROWS) >= 60
    assert all(set(row.cells) == set(COLUMNS) for row in ROWS)


def test_no_close_is_ever_to_be_executed_twice_and_sent_only_as_often_as_it_had_slots() -> None:
    for row in ROWS:
        for cell in row.cells.values():
            assert cell.done <= min(cell.sent, 1)
            assert cell.sent <= cell.tokens.count("s") + cell.tokens.count("d")


def test_the_page_shows_this_matrix() -> None:
    text = PAGE.read_text()
    assert text == fresh(text), REWRITE


@pytest.mark.parametrize(
    "change", [{"told": "accepted"}, {"code": "1"}, {"done": 1}, {"sent": 2}, {"tokens": "s"}, {"asked": 1}]
)
def test_a_cell_that_is_wrong_is_noticed(change: dict[str, object]) -> None:
    row = next(row for row in ROWS if row.title == "50004, not executed")
    wrong = replace(row, cells={"close_position": replace(row.cells["close_position"], **change)})  # type: ignore[arg-type]
    assert len(breaches(wrong, "close_position", observe(wrong, "close_position"))) == 1
