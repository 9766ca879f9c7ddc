"""Writes the matrix into docs/reliability.md: `python -m tests.faults.page`. Every cell is run first."""

import logging
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from tests.faults.calls import COLUMNS
from tests.faults.cells import Cell, Row
from tests.faults.observe import observe
from tests.faults.rows import answers, cancels, flatten, network, strange, ways
from tests.faults.world import STRUCK, Leg, Observed

ROWS: list[Row] = [*answers.ROWS, *network.ROWS, *strange.ROWS, *ways.ROWS, *flatten.ROWS, *cancels.ROWS]
PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- matrix -->\n", "<!-- end of matrix -->\n"
REWRITE = "docs/reliability.md is stale: run `python -m tests.faults.page` and commit what it writes"
SLOTS = {"s": "settled", "d": "in doubt", "r": "refunded"}


def breaches(row: Row, column: str, observed: Observed) -> list[str]:
    """Return the differences between what was observed and the cell."""
    cell, legs = row.cells[column], COLUMNS[column].legs
    found = list(observed.wrong)
    untouched = COLUMNS[column].untouched
    untouched = replace(untouched, told=cell.others or untouched.told)
    expected = [cell if inst_id == STRUCK or cell.every_leg else untouched for inst_id in legs]
    for inst_id, should, leg in zip(legs, expected, observed.legs, strict=True):
        if leg != Leg(inst_id, should.told, should.code, should.tokens, should.done, leg.outcomes):
            found.append(f"{should} is not {leg}")
        if not set(leg.outcomes[:-1]) <= COLUMNS[column].repeatable:
            found.append(f"sent again though it may have been executed: {leg}")
    if observed.sent != (sent := sum(each.sent for each in expected)):
        found.append(f"arrived {observed.sent} times, not {sent}")
    if observed.late != (late := sum(each.late for each in expected)):
        found.append(f"arrived {observed.late} times after the caller was told, not {late}")
    if (observed.flat, observed.more) != (cell.flat, cell.more):
        found.append(f"flat is {observed.flat}, not {cell.flat}; beside the legs {observed.more}, not {cell.more}")
    if observed.orders != cell.orders:
        found.append(f"of the orders {observed.orders!r}, not {cell.orders!r}")
    if observed.asked != cell.asked:
        found.append(f"the exchange was asked for its time {observed.asked} times, not {cell.asked}")
    return found


def fresh(text: str) -> str:
    """Return the page with the matrix as it is now."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}{_matrix()}{END}{tail}"


def _matrix() -> str:
    runs = sum(len(row.cells) for row in ROWS)
    summary = "0 lies, 0 false `flat`, 0 harmful repeats, 0 lost slots, 0 connections, tasks or timers left"
    lines = [f"\n{len(ROWS)} faults, {len(COLUMNS)} kinds of call, {runs} runs: {summary}."]
    for group, members in groupby(ROWS, key=lambda row: row.group):
        rows = list(members)
        first, *others = rows[0].cells
        lines += [
            f"\n### {group}\n",
            f"| what goes wrong | {COLUMNS[first].title} tells | arrived | closed | slots |"
            + "".join(f" {COLUMNS[column].title} |" for column in others),
            "|---|---|---|---|---|" + "---|" * len(others),
        ]
        for row in rows:
            cell = row.cells[first]
            told = f"{_told(cell)}{_legs(cell, first) if first == 'flatten' else ''}"
            more = "".join(f" {_other(row.cells[column], cell, column)} |" for column in others)
            lines.append(f"| {row.title} | {told} | {cell.sent} | {cell.done} | {_slots(cell)} |{more}")
    return "\n".join([*lines, "", ""])


def _told(cell: Cell) -> str:
    if cell.orders:
        return f"{_told(replace(cell, orders=''))}; orders: {cell.orders}"
    if cell.flat is not None:
        return f"{'flat' if cell.flat else '**not flat**'}: {cell.told} {cell.code}".rstrip()
    return cell.told if cell.told == "accepted" else f"`{cell.told}` {cell.code}".rstrip()


def _slots(cell: Cell) -> str:
    runs = [(slot, len(list(run))) for slot, run in groupby(cell.tokens)]
    return ", ".join(SLOTS[slot] + (f" {count} times" if count > 1 else "") for slot, count in runs) or "none taken"


def _other(cell: Cell, first: Cell, column: str) -> str:
    """Say how a further kind of call differs from the first."""
    same = replace(cell, asked=0) == replace(first, asked=0)
    words = "the same" if same else f"{_told(cell)}, arrived {cell.sent}, closed {cell.done}, {_slots(cell)}"
    if cell.late:
        words = f"{words}; arrived after the caller was told"
    return f"{words}{_legs(cell, column)}"


def _legs(cell: Cell, column: str) -> str:
    """Say what becomes of the other legs."""
    legs = len(COLUMNS[column].legs)
    if legs == 1 or (cell.flat is None and column == "flatten"):
        return ""
    others = (
        f"; each of {legs} legs" if cell.every_leg else f"; the others {cell.others or COLUMNS[column].untouched.told}"
    )
    return others + "".join(f"; and another row: {state}" for state in cell.more)


def main() -> None:
    """Run every cell and write the page; refuse if one is not as the table says."""
    logging.disable()  # a thousand warnings are due
    for row in ROWS:
        observed = observe(row, COLUMNS)
        for column in row.cells:
            if found := breaches(row, column, observed[column]):
                raise SystemExit(f"{row.title}, {column}: {found[0]}")
    PAGE.write_text(fresh(PAGE.read_text()))


if __name__ == "__main__":
    main()
