"""The table of a benchmark, with its command, date, machine and versions: printed, and written as JSON."""

import argparse
import json
import os
import platform
import shlex
import statistics
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.clients import Subject
from benchmarks.peers import Peer, SharedPeer

BEGAN, LOAD = datetime.now(UTC), os.getloadavg()[0]  # of this run, before any work

_PLACES = {Subject: "subjects", Peer: "peers", SharedPeer: "shared-peers"}
"""The tables of docs/benchmarks.md that say what was measured."""


@dataclass(slots=True)
class Report:
    """One table of docs/benchmarks.md; its name is that of its markers in the page and of its JSON file."""

    name: str
    title: str
    columns: Sequence[str]
    subjects: Sequence[Peer] | Sequence[Subject] | Sequence[SharedPeer] = ()
    rows: list[Sequence[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    raw: object = None
    """Every single figure, for the JSON."""

    def add(self, *cells: str) -> None:
        """Append a row."""
        self.rows.append(cells)

    def lines(self) -> list[str]:
        """Return the table in Markdown, aligned for terminals too."""
        table = [self.columns, *self.rows]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = []
        for first, *others in table:
            cells = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
            lines.append(f"| {' | '.join([first.ljust(widths[0]), *cells])} |")
        rule = "".join(f"{'-' * (width + 1)}:|" for width in widths[1:])
        return [lines[0], f"|{'-' * (widths[0] + 2)}|{rule}", *lines[1:]]

    def publish(self, folder: Path | None) -> None:
        """Print table and provenance; write them with all figures into the folder, if there is one."""
        versions = map(_version, dict.fromkeys([*(one.distribution for one in self.subjects), "aiohttp"]))
        provenance = [
            f"`{_command()}`, {BEGAN:%d %b %Y %H:%M} UTC, {_machine()}.",
            f"Load average before and after: {LOAD:.2f}, {os.getloadavg()[0]:.2f} (other work on the machine).",
            f"Versions: {', '.join(versions)}.",
            *self.notes,
        ]
        print("\n".join(["", self.title, "", *self.lines(), "", *provenance]))
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            place = next((_PLACES[type(one)] for one in self.subjects), "")
            subjects = [(one.name, one.how) for one in self.subjects]
            record = {"table": self.lines(), "provenance": provenance, "place": place, "subjects": subjects}
            (folder / f"{self.name}.json").write_text(json.dumps({**record, "raw": self.raw}, indent=1) + "\n")


def _version(distribution: str) -> str:
    try:
        return f"{distribution} {version(distribution)}"
    except PackageNotFoundError:
        return f"{distribution} not installed"


def _command() -> str:
    module = getattr(sys.modules["__main__"].__spec__, "name", None) or Path(sys.argv[0]).stem
    words = [
        Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:]
    ]  # no places of this machine
    return shlex.join(["python", "-m", module, *words])


def _machine() -> str:
    plain = "--enable-optimizations" not in (sysconfig.get_config_var("CONFIG_ARGS") or "--enable-optimizations")
    python = f"{platform.python_implementation()} {platform.python_version()}{' built without PGO' if plain else ''}"
    return f"{python} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores"


def spread(figures: Iterable[float], digits: int = 0) -> str:
    """Return the median, and in brackets the least and the most where they differ."""
    known = sorted(figures)
    if not known:
        return "-"
    middle, least, most = (f"{figure:,.{digits}f}" for figure in (statistics.median(known), known[0], known[-1]))
    return middle if least == most else f"{middle} ({least} to {most})"


def ratios(figures: Sequence[float], others: Sequence[float]) -> list[float]:
    """Return the ratio of each run to its neighbour."""
    return [one / other for one, other in zip(figures, others, strict=True)]


def arguments(
    doc: str | None, tables: Sequence[str] = (), only: Sequence[str] = (), **numbers: float
) -> argparse.ArgumentParser:
    """Return the parser that all benchmarks share.

    Args:
        doc: The module's docstring.
        tables: Names of all tables, where a program has several.
        only: Names of all subjects, where a run can be limited to some of them.
        numbers: Options that take a number, with their defaults.
    """
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=doc, formatter_class=form, allow_abbrev=False)
    for option, names in (("--tables", tables), ("--only", only)):
        if names:
            parser.add_argument(option, nargs="+", default=list(names), choices=names, metavar="NAME")
    for name, default in numbers.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    parser.add_argument(
        "--folder", type=Path, help="for a JSON file of each table, with every figure, and for pictures"
    )
    return parser
