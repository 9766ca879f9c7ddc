"""Write the matrix into docs/reliability.md: `python -m tests.faults.page`.

Every cell is run first: what is written has just happened.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from tests.faults.table import ROWS, Cell, Row
from tests.faults.world import COLUMNS, STRUCK, Leg, Observed, observe

__all__ = ["PAGE", "REWRITE", "breaches", "fresh"]

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- matrix -->\n", "<!-- end of matrix -->\n"
REWRITE = "docs/reliability.md is stale: run `python -m tests.faults.page` and commit what it writes"
SLOTS = {"s": "settled", "d": "in doubt", "r": "refunded"}
UNTOUCHED = Cell("accepted", "", 1, 1, "s")


def breaches(row: Row, column: str, observed: Observed) -> list[str]:
    """Return all that is not as the table says."""
    cell, legs = row.cells[column], COLUMNS[column].legs
    found = list(observed.wrong)
    mine = {inst_id: cell if inst_id == STRUCK or cell.all else UNTOUCHED for inst_id in legs}
    for inst_id, leg in zip(legs, observed.legs, strict=True):
        should = mine[inst_id]
        if leg != Leg(inst_id, should.told, should.code, should.tokens, should.done, leg.outcomes):
            found.append(f"{should} is not {leg}")
        if not set(leg.outcomes[:-1]) <= COLUMNS[column].repeatable:
            found.append(f"sent again though it may have been executed: {leg}")
    if observed.sent != (sent := sum(each.sent for each in mine.values())):
        found.append(f"arrived {observed.sent} times, not {sent}")
    if observed.late != (late := sum(each.late for each in mine.values())):
        found.append(f"arrived {observed.late} times after the caller was told, not {late}")
    if observed.asked != cell.asked:
        found.append(f"the exchange was asked for its time {observed.asked} times, not {cell.asked}")
    return found


def fresh(text: str) -> str:
    """Return the page with the matrix as it is now."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}{_matrix()}{END}{tail}"


def _matrix() -> str:
    first, *others = COLUMNS
    runs = len(ROWS) * len(COLUMNS)
    summary = "0 lies, 0 harmful repeats, 0 lost slots, 0 connections, tasks or timers left"
    lines = [f"\n{len(ROWS)} faults, {len(COLUMNS)} kinds of call, {runs} runs: {summary}."]
    for group, rows in groupby(ROWS, key=lambda row: row.group):
        lines += [
            f"\n### {group}\n",
            f"| what goes wrong | {COLUMNS[first].title} tells | arrived | closed | slots | "
            + " | ".join(COLUMNS[column].title for column in others)
            + " |",
            "|---|---|---|---|---|" + "---|" * len(others),
        ]
        for row in rows:
            cell = row.cells[first]
            more = " | ".join(_other(row.cells[column], cell, len(COLUMNS[column].legs)) for column in others)
            lines.append(f"| {row.title} | {_told(cell)} | {cell.sent} | {cell.done} | {_slots(cell)} | {more} |")
    return "\n".join([*lines, "", ""])


def _told(cell: Cell) -> str:
    return cell.told if cell.told == "accepted" else f"`{cell.told}` {cell.code}".rstrip()


def _slots(cell: Cell) -> str:
    runs = [(slot, len(list(run))) for slot, run in groupby(cell.tokens)]
    return ", ".join(SLOTS[slot] + (f" {count} times" if count > 1 else "") for slot, count in runs) or "none taken"


def _other(cell: Cell, first: Cell, legs: int) -> str:
    """Say of a further kind of call what is another than in the first."""
    same = replace(cell, asked=0) == replace(first, asked=0)
    words = "the same" if same else f"{_told(cell)}, arrived {cell.sent}, closed {cell.done}, {_slots(cell)}"
    if cell.late:
        words = f"{words}; arrived after the caller was told"
    if legs == 1:
        return words
    return f"each of {legs} legs {words}" if cell.all else f"{words}; the other legs accepted"


def main() -> None:
    """Run every cell and write the page; refuse if one is not as the table says."""
    logging.disable()  # a thousand warnings, as is right
    for row in ROWS:
        for column in COLUMNS:
            if found := breaches(row, column, observe(row, column)):
                raise SystemExit(f"{row.title}, {column}: {found[0]}")
    PAGE.write_text(fresh(PAGE.read_text()))


if __name__ == "__main__":
    main()
