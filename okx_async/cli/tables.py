"""Tables on screen, or lines where the screen is too narrow; 40 columns are enough."""

import sys
from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from okx_async import Position
from okx_async.cli.streams import page as never_raising
from okx_async.doctor import Finding, Level

_LEVELS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "bold red", Level.SKIP: "dim"}
_NUMBERS = (("pos", "pos"), ("avg px", "avgPx"), ("mark px", "markPx"), ("upl", "upl"), ("ccy", "ccy"))
_TABLE = 72
"""Columns that a table of positions needs."""


def print_positions(positions: Sequence[Position], *, to_stderr: bool = False) -> None:
    """Print a table of positions, numbers as they were received."""
    page = console(to_stderr=to_stderr)
    if not positions:
        page.print("no open positions")
        return
    if page.width < _TABLE:
        for one in positions:
            page.print(plain(f"{one.inst_id} {one.mgn_mode} {one.pos_side}"))
            for name, key in _NUMBERS:
                page.print(Text(f"  {name} ") + _received(one, key))
        return
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("instrument", "mode", "side"):
        table.add_column(name, overflow="fold")
    for name, _ in _NUMBERS:
        # Folded where it does not fit: a truncated number is a wrong number.
        table.add_column(name, overflow="fold", justify="left" if name == "ccy" else "right")
    for one in positions:
        cells = [_received(one, key) for _, key in _NUMBERS]
        table.add_row(plain(one.inst_id), plain(one.mgn_mode), plain(one.pos_side), *cells)
    page.print(table)


def print_finding(finding: Finding) -> None:
    """Print one finding of the doctor, its remedy below it."""
    line = Table.grid(padding=(0, 1))
    line.add_column(width=4)
    line.add_column(overflow="fold")
    line.add_row(Text(finding.level, _LEVELS[finding.level]), plain(f"{finding.check}: {finding.text}"))
    if finding.remedy:
        line.add_row("", plain(f"→ {finding.remedy}"))
    console().print(line)


def print_counts(counts: Mapping[Level, int]) -> None:
    """Print the number of findings of each level."""
    words = {Level.OK: "ok", Level.WARN: "to be looked at", Level.FAIL: "wrong", Level.SKIP: "not looked at"}
    console().print(", ".join(f"{counts[level]} {word}" for level, word in words.items() if counts.get(level)))


def print_figures(rows: Sequence[tuple[str, str]], about: Mapping[str, str]) -> None:
    """Print measured figures, and the versions that they were measured with."""
    page = console()
    table = Table(box=box.SIMPLE_HEAD, show_header=False)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold", justify="right")
    for row in rows:
        table.add_row(*row)
    page.print(table)
    page.print(", ".join(f"{name} {value}" for name, value in about.items()))


def _received(position: Position, key: str) -> Text:
    value = position.raw.get(key)
    return plain(value if isinstance(value, str | int | float) else "")


def plain(value: object) -> Text:
    """Return text without markup, control characters replaced: answers of others may hold either."""
    return Text("".join(c if c.isprintable() else "?" for c in str(value)))


def console(*, to_stderr: bool = False) -> Console:
    """Return a rich console on the current stdout or stderr."""
    return Console(highlight=False, file=never_raising(sys.stderr if to_stderr else sys.stdout))
