"""Tables where they fit, lines where they do not: no number and no id is ever broken or cut off.

A terminal's width is kept, 40 columns are enough. Into a pipe or a file nothing is wrapped, unless COLUMNS gives a
width.
"""

import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from rich import box
from rich.console import Console, ConsoleDimensions
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from okx_async import Position
from okx_async.cli.streams import page as never_raising
from okx_async.doctor import Finding, Level

_LEVELS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "bold red", Level.SKIP: "dim"}
_NUMBERS = (("pos", "pos"), ("avg px", "avgPx"), ("mark px", "markPx"), ("upl", "upl"), ("ccy", "ccy"))
_UNLIMITED: Final = 1_000_000
"""Columns of what is no terminal."""
_INDENT: Final = 2
_SIZES: Final = frozenset({"COLUMNS", "LINES"})


def print_positions(positions: Sequence[Position], *, to_stderr: bool = False) -> None:
    """Print a table of positions, numbers as they were received."""
    page = console(to_stderr=to_stderr)
    if not positions:
        page.print("no open positions")
        return
    table = new_table()
    for name in ("instrument", "mode", "side"):
        table.add_column(name)
    for name, _ in _NUMBERS:
        table.add_column(name, justify="left" if name == "ccy" else "right")
    for one in positions:
        cells = [_received(one, key) for _, key in _NUMBERS]
        table.add_row(plain(one.inst_id), plain(one.mgn_mode), plain(one.pos_side), *cells)
    lines = (
        line
        for one in positions
        for line in (
            plain(f"{one.inst_id} {one.mgn_mode} {one.pos_side}"),
            *(Text(f"  {name} ") + _received(one, key) for name, key in _NUMBERS),
        )
    )
    print_table(page, table, lines)


def print_finding(finding: Finding) -> None:
    """Print one finding of the doctor, its remedy below it."""
    page = console()
    head = Text(f"{finding.level:4} ", _LEVELS[finding.level])
    print_hanging(page, head, plain(f"{finding.check}: {finding.text}"))
    if finding.remedy:
        print_hanging(page, Text(" " * len(head)), plain(f"→ {finding.remedy}"))


def print_counts(counts: Mapping[Level, int]) -> None:
    """Print the number of findings of each level."""
    words = {Level.OK: "ok", Level.WARN: "to be looked at", Level.FAIL: "wrong", Level.SKIP: "not looked at"}
    text = ", ".join(f"{counts[level]} {word}" for level, word in words.items() if counts.get(level))
    print_hanging(console(), Text(), Text(text))


def print_figures(rows: Sequence[tuple[str, str]], about: Mapping[str, str]) -> None:
    """Print measured figures, and the versions that they were measured with."""
    page = console()
    table = new_table(header=False)
    table.add_column()
    table.add_column(justify="right")
    for row in rows:
        table.add_row(*row)
    print_table(page, table, (Text(line) for name, value in rows for line in (name, f"  {value}")))
    print_hanging(page, Text(), Text(", ".join(f"{name} {value}" for name, value in about.items())))


def new_table(*, header: bool = True) -> Table:
    """Return an empty table, of which no cell is broken."""
    return Table(box=box.SIMPLE_HEAD if header else None, show_header=header, pad_edge=False, show_edge=False)


def print_table(page: Console, table: Table, lines: Iterable[Text]) -> None:
    """Print a table, or `lines` where it does not fit."""
    for column in table.columns:
        column.no_wrap = True
    if fits(page, table):
        page.print(table)
        return
    for line in lines:
        indent = len(line.plain) - len(line.plain.lstrip())
        print_hanging(page, line[:indent], line[indent:])


def fits(page: Console, table: Table) -> bool:
    """Whether no cell of a table is broken on a page."""
    wide = page.options.update(max_width=_UNLIMITED)
    return Measurement.get(page, wide, table).maximum <= page.width


def print_hanging(page: Console, head: Text, text: Text) -> None:
    """Print `text` beside `head`, its further lines indented by as much; words are never broken.

    Where the longest word has no room beside the head, the text stands below it.
    """
    room = page.width - len(head)
    if head.plain.strip() and page.width > _INDENT and max(map(len, text.plain.split()), default=0) > room:
        page.print(Text(head.plain.rstrip(), head.style), soft_wrap=True)
        head = Text(" " * _INDENT)
        room = page.width - _INDENT
    indent = " " * len(head)
    lines = textwrap.wrap(text.plain, max(1, room), break_long_words=False, break_on_hyphens=False)
    for nth, line in enumerate(lines or [""]):
        page.print((Text(indent) if nth else head) + Text(line, text.style), soft_wrap=True)


def print_lines(lines: Iterable[str], *, to_stderr: bool = False) -> None:
    """Print lines, the further parts of a long one indented by two more columns than the line; words are not broken."""
    page = console(to_stderr=to_stderr)
    for line in lines:
        text = plain(line).plain
        indent = " " * (len(text) - len(text.lstrip()))
        further = indent + " " * _INDENT
        parts = textwrap.wrap(
            text.lstrip(),
            page.width,
            initial_indent=indent,
            subsequent_indent=further,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for part in parts or [""]:
            page.print(Text(part), soft_wrap=True)


def _received(position: Position, key: str) -> Text:
    value = position.raw.get(key)
    return plain(value if isinstance(value, str | int | float) else "")


def plain(value: object) -> Text:
    """Return text without markup, control characters replaced: answers of others may hold either."""
    return Text("".join(c if c.isprintable() else "?" for c in str(value)))


def console(*, to_stderr: bool = False) -> Console:
    """Return a rich console on the current stdout or stderr."""
    stream = never_raising(sys.stderr if to_stderr else sys.stdout)
    # rich takes "²" for a number, and raises.
    told = {name: text for name, text in os.environ.items() if name not in _SIZES or text.isdecimal()}
    page = Console(highlight=False, file=stream, _environ=told)
    given = os.environ.get("COLUMNS", "")
    if not (given.isdecimal() and int(given)):  # 0 is what a terminal without a size is told
        if not stream.isatty():
            page.width = _UNLIMITED
        elif given or page.is_dumb_terminal:  # rich takes either at its word, or 80 columns for granted
            columns, lines = shutil.get_terminal_size()
            page.size = ConsoleDimensions(columns, lines)
    return page
