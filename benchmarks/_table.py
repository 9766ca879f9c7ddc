"""What every benchmark prints: one table, and how it came about; and the same as one JSON file."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import statistics
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.clients import Subject
from benchmarks.peers import NAMES, Peer, installed, versions

__all__ = ["Report", "arguments", "peers_of", "spread", "versus"]

BEGAN, LOAD = datetime.now(UTC), os.getloadavg()[0]  # of this run, before it does anything


@dataclass(slots=True)
class Report:
    """One benchmark's outcome."""

    title: str
    columns: Sequence[str]
    peers: Sequence[Peer] | Sequence[Subject]
    rows: list[list[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    raw: dict[str, object] = field(default_factory=dict)
    """Every single figure, for the JSON."""
    place: str = "peers"
    """Where the page lists what was measured."""

    def add(self, *cells: object) -> None:
        """Append a row."""
        self.rows.append([str(cell) for cell in cells])

    def lines(self) -> list[str]:
        """Return the table in Markdown, which reads well on a terminal too."""
        table = [list(self.columns), *self.rows]
        widths = [max(len(row[i]) for row in table) for i in range(len(self.columns))]
        lines = ["| " + " | ".join(map(_aligned, row, widths, range(len(row)))) + " |" for row in table]
        rule = "|" + "|".join(("-" * (width + 1) + (":" if i else "-")) for i, width in enumerate(widths)) + "|"
        return [lines[0], rule, *lines[1:]]

    def provenance(self) -> list[str]:
        """Return command, date, machine and versions."""
        found = versions(self.peers)
        return [
            f"`{command()}`, {BEGAN:%d %b %Y %H:%M} UTC, {machine()}.",
            f"Load average before and after: {LOAD:.2f}, {os.getloadavg()[0]:.2f} (other work on the machine).",
            "Versions: " + ", ".join(f"{name} {number}" for name, number in found.items()) + ".",
            *self.notes,
        ]

    def publish(self, json_file: Path | None) -> None:
        """Print the table, and write the JSON if a file was asked for."""
        print(f"\n{self.title}\n")
        print("\n".join([*self.lines(), "", *self.provenance()]))
        if json_file is not None:
            record = {
                "title": self.title,
                "command": command(),
                "began": BEGAN.isoformat(),
                "machine": machine(),
                "versions": versions(self.peers),
                "table": self.lines(),
                "provenance": self.provenance(),
                "place": self.place,
                "peers": [{k: v for k, v in asdict(peer).items() if isinstance(v, str)} for peer in self.peers],
                "raw": self.raw,
            }
            json_file.parent.mkdir(parents=True, exist_ok=True)
            json_file.write_text(json.dumps(record, indent=1) + "\n")


def _aligned(cell: str, width: int, column: int) -> str:
    return cell.rjust(width) if column else cell.ljust(width)


def command() -> str:
    """Return how this run was started, without the places of this machine."""
    module = getattr(sys.modules["__main__"].__spec__, "name", None) or Path(sys.argv[0]).stem
    arguments = [Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:]]
    return shlex.join(["python", "-m", module, *arguments])


def machine() -> str:
    """Return the machine in words."""
    plain = "--enable-optimizations" not in (sysconfig.get_config_var("CONFIG_ARGS") or "--enable-optimizations")
    return (
        f"{platform.python_implementation()} {platform.python_version()}{' built without PGO' if plain else ''} on "
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    )


def spread(figures: Iterable[float], digits: int = 0) -> str:
    """Return the median and, in brackets, least and most."""
    known = sorted(figures)
    if not known:
        return "-"
    middle, least, most = (f"{figure:,.{digits}f}" for figure in (statistics.median(known), known[0], known[-1]))
    return middle if least == most else f"{middle} ({least} to {most})"


def versus(ratios: dict[str, Sequence[float]]) -> str:
    """Return the greatest of our ratios to the others, each the median of those of neighbouring runs, and to whom."""
    fastest = max(ratios, key=lambda name: statistics.median(ratios[name]))
    return f"{spread(ratios[fastest], 2)} of {fastest}"


def arguments(doc: str | None, **defaults: float) -> argparse.ArgumentParser:
    """Return the parser that all benchmarks share, with a number option for each of `defaults`."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    parser.add_argument("--peers", nargs="+", default=list(NAMES), choices=NAMES, metavar="NAME")
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    return parser


def peers_of(args: argparse.Namespace) -> list[Peer]:
    """Return the peers that were asked for and are installed."""
    return installed(args.peers)
