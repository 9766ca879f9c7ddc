"""A close, ours and every other client's, against a stand-in for the exchange that costs next to nothing.

Run: python -m benchmarks.client [--tables TABLE ...] [--rounds N] [--folder DIR]
     python -m benchmarks.client --tables stages [--rounds N] [--calls N]

Tables: clients (CPU of the client's process, all threads, and latency), books (100 instruments, 60 closes of one
instrument, 50 strategies, 30 ms away), feet (import and memory), and on request stages (of one of our closes, in one
process). Each figure is from a process of its own, all subjects in turns within a round. A run of ours is compared with
the run of tuned aiohttp right beside it, since the speed of a machine may change from minute to minute.
"""

import argparse
import compileall
import json
import os
import random
import statistics
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks._stages import stages
from benchmarks._standin import Place, standin
from benchmarks._table import Report, arguments, ratios, spread
from benchmarks.clients import APART, BARE, NAMES, OURS, Subject, interpreter, load

ROOT = Path(__file__).parent.parent
DELAY, LIMIT = 0.03, 20
SLOW = {"httpx", "ccxt", "ccxt, throttler off", APART, "python-okx", "python-okx in threads"}
PAIRED = (OURS, BARE)
TITLES = ("one", "fifty", "tls", "book", "book tls", "warmed", "warmed tls", "desk", "sixty", "feet")
IMPORTS = {  # of a program that uses it
    OURS: "okx_async",
    BARE: "aiohttp, orjson",
    "asyncio protocol": "asyncio, orjson",
    "httpx": "httpx",
    "python-okx": "okx.Trade",
    "ccxt": "ccxt.async_support",
    APART: "okx_async.AsyncTrade",
}
HOW = "{0.rounds} rounds, in each a fresh process for each subject, and {0.pairs} pairs of okx_async and tuned"
PATIENCE = 60.0  # s for a scene: two subjects need minutes for a thousand closes at once


class Runs:
    """All figures, by title of a run and subject."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self.figures = {title: {name: list[dict[str, float]]() for name in NAMES} for title in TITLES}
        self.failed: set[str] = set()
        self.endless: set[str] = set()
        """Subjects (and titles) that were ended after PATIENCE."""
        self._rng = random.Random(1)

    def play(self, title: str, name: str, scene: str, place: Place, *, tls: bool = False, at_once: int = 1) -> None:
        """Run one subject in a process of its own, unless it was too slow for this before."""
        run = f"{name} ({title})"
        if run in self.endless:
            return
        print(run, file=sys.stderr)
        url = place.tls if tls else place.plain
        command = [interpreter(name) or "", "-m", "benchmarks._scenes", name, scene, url, str(at_once)]
        environment = {**os.environ, "SSL_CERT_FILE": place.ca}
        try:
            done = subprocess.run(  # noqa: S603 - this interpreter or its neighbour, on our own module
                command, cwd=ROOT, env=environment, check=False, stdout=subprocess.PIPE, timeout=PATIENCE
            )
        except subprocess.TimeoutExpired:
            self.endless.add(run)
            return
        if done.returncode:
            self.failed.add(run)
        else:
            self.figures[title][name].append(json.loads(done.stdout))

    def round(self, title: str, scene: str, place: Place, pairs: int, *, tls: bool = False, at_once: int = 1) -> None:
        """Run all subjects once, and ours beside tuned aiohttp several times; over TLS only the fast ones."""
        others = [name for name in self.names if name not in PAIRED and not (tls and name in SLOW)]
        paired = [name for number in range(pairs) for name in (PAIRED if number % 2 else PAIRED[::-1])]
        for name in [*self._rng.sample(others, len(others)), *paired]:
            if name in self.names:
                self.play(title, name, scene, place, tls=tls, at_once=at_once)

    def of(self, title: str, name: str, kind: str) -> list[float]:
        """Return the figures of one kind."""
        return [one[kind] for one in self.figures[title][name] if kind in one]

    def cells(self, title: str, name: str, kind: str, digits: int = 0) -> list[str]:
        """Return figures, and the ratio to tuned aiohttp: of neighbours where there are as many, else of medians."""
        theirs, bare = self.of(title, name, kind), self.of(title, BARE, kind)
        if not theirs or not bare:
            ratio = "-"
        elif len(theirs) != len(bare):
            ratio = f"{statistics.median(theirs) / statistics.median(bare):.2f}"
        else:
            ratio = spread(ratios(theirs, bare), 2)
        return [spread(theirs, digits), ratio]


def clients(runs: Runs, fast: Place, _: Place, args: argparse.Namespace) -> Report:
    """Return CPU and latency of a close."""
    for _round in range(args.rounds):
        runs.round("one", "closes", fast, args.pairs)
        runs.round("fifty", "closes", fast, args.pairs, at_once=50)
        runs.round("tls", "closes", fast, 1, tls=True)
    columns = ["", "one by one", "/ tuned", "50 at once", "/ tuned", "TLS, one by one", "/ tuned"]
    title = "A close: µs of CPU, median (least to most), and latency"
    report = Report("clients", title, [*columns, "p50 / p99, one by one"])
    for name in runs.names:
        cells = [cell for title in ("one", "fifty", "tls") for cell in runs.cells(title, name, "cpu")]
        p50, p99 = (runs.of("one", name, kind) for kind in ("p50", "p99"))
        report.add(name, *cells, f"{statistics.median(p50):,.0f} / {statistics.median(p99):,.0f}" if p50 else "-")
    report.notes.append(HOW.format(args) + " (one over TLS)")
    return report


def books(runs: Runs, _: Place, far: Place, args: argparse.Namespace) -> Report:
    """Return what whole books take."""
    for _round in range(args.rounds):
        for title, tls in (("book", False), ("book tls", True)):
            runs.round(title, "book", far, args.pairs, tls=tls)
            runs.play(title.replace("book", "warmed"), OURS, "warmed", far, tls=tls)
    every, runs.names = runs.names, [name for name in runs.names if name != "ccxt"]  # which paces all requests
    runs.round("desk", "desk", far, 1)
    runs.names = every
    for name in runs.names:
        with standin(DELAY, LIMIT) as counting:
            runs.play("sixty", name, "sixty", counting)
            if runs.figures["sixty"][name]:
                runs.figures["sixty"][name][-1] |= counting.count()
    columns = ["", "100 instruments, cold", "/ tuned", "warm", "/ tuned", "TLS: cold", "/ tuned", "warm", "/ tuned"]
    columns.append("60 closes of one instrument, s / refused for good / refusals")
    columns.append("50 strategies of 20 closes: wall / CPU")
    report = Report("books", "Books at 30 ms: ms, median (least to most)", columns)
    parts = [(title, kind) for title in ("book", "book tls") for kind in ("cold", "warm")]
    for name in runs.names:
        cells = [cell for title, kind in parts for cell in runs.cells(title, name, kind)]
        sixty = (f"{s['seconds']:.2f} / {s['failed']:.0f} / {s['refused']:.0f}" for s in runs.figures["sixty"][name])
        desk = (f"{d['wall']:,.0f} / {d['cpu']:,.0f}" for d in runs.figures["desk"][name])
        slow = f"more than {PATIENCE * 1e3:,.0f}" if f"{name} (desk)" in runs.endless else "-"
        report.add(name, *cells, "; ".join(sixty) or "-", "; ".join(desk) or slow)
    cells = [c for title, kind in parts for c in (spread(runs.of(title.replace("book", "warmed"), OURS, kind)), "")]
    report.add("okx_async after warm_up(100)", *cells, "-", "-")
    report.notes.append(HOW.format(args) + "; 60 closes and 50 strategies: once")
    return report


def feet(runs: Runs, fast: Place, _: Place, args: argparse.Namespace) -> Report:
    """Return the CPU of the import in an interpreter that has imported nothing else, and memory after a few closes."""
    names = [name for name in IMPORTS if name in runs.names]
    for name in [*names, *(name for _start in range(args.starts - 1) for name in names if name in PAIRED)]:
        runs.play("feet", name, "few", fast)
        code = f"import time; begun = time.process_time(); import {IMPORTS[name]}; print(time.process_time() - begun)"
        with TemporaryDirectory() as elsewhere:  # not here, where our package lies
            done = subprocess.run([interpreter(name) or "", "-c", code], cwd=elsewhere, check=False, stdout=-1)  # noqa: S603
        if done.returncode:
            runs.failed.add(f"{name} (feet)")
        elif runs.figures["feet"][name]:
            runs.figures["feet"][name][-1]["import"] = float(done.stdout) * 1e3
    columns = ["", "import, ms of CPU", "/ tuned", "RSS after 20 closes, MB", "/ tuned"]
    report = Report("feet", "Footprint: median (least to most)", columns)
    for name in names:
        report.add(name, *runs.cells("feet", name, "import"), *runs.cells("feet", name, "rss", 1))
    report.notes.append(f"A fresh process each: once, of okx_async and tuned {args.starts} times in turns")
    return report


TABLES = {"clients": clients, "books": books, "feet": feet}


def compare(tables: Sequence[str], args: argparse.Namespace) -> None:
    """Make tables of all clients."""
    names = [name for name in args.only if interpreter(name)]
    if missing := set(args.only) - set(names):
        print(f"left out, not installed: {', '.join(sorted(missing))}", file=sys.stderr)
    # An installed package is compiled; a checkout that is run with PYTHONDONTWRITEBYTECODE is not, and imports slowly.
    for package in ("okx_async", "benchmarks"):
        compileall.compile_dir(ROOT / package, quiet=1)
    runs = Runs(names)
    with standin() as fast, standin(DELAY) as far:
        reports = [TABLES[name](runs, fast, far, args) for name in tables]
    subjects: list[Subject] = [load(name) for name in names if name != APART]
    apart = ""
    if APART in names:
        code = f"import importlib.metadata as m; print(m.version({APART!r}))"
        done = subprocess.run([interpreter(APART) or "", "-c", code], check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
        apart = f"; {APART} {done.stdout.strip()} in an environment of its own"
    for report in reports:
        report.subjects = subjects
        report.notes[0] += f"{apart}."
        if runs.endless:
            report.notes.append(f"Ended after {PATIENCE:.0f} s: {', '.join(sorted(runs.endless))}.")
        if runs.failed:
            report.notes.append(f"Raised an error of its own: {', '.join(sorted(runs.failed))}.")
        report.raw = runs.figures
        report.publish(args.folder)
    if args.folder and "clients" in tables and find_spec("matplotlib"):
        from benchmarks._plots import bars  # noqa: PLC0415 - matplotlib need not be installed

        figures = {name: [runs.of(title, name, "cpu") for title in ("one", "fifty")] for name in names}
        bars(figures, args.folder / "clients.png")


def main() -> None:
    """Make the tables that are asked for."""
    # The ratio to go by is that of benchmarks.pair.
    parser = arguments(__doc__, [*TABLES, "stages"], NAMES, rounds=0, pairs=3, starts=25, calls=2000)
    parser.set_defaults(tables=list(TABLES))
    args = parser.parse_args()
    if "stages" in args.tables:
        stages(args.rounds or 15, args.calls).publish(args.folder)
    args.rounds = args.rounds or 3
    if compared := [name for name in args.tables if name != "stages"]:
        compare(compared, args)


if __name__ == "__main__":
    main()
