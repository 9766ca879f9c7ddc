"""A close, ours and every other client's, against a stand-in for the exchange that costs next to nothing.

Run: python -m benchmarks.client [--rounds N] [--folder DIR]

Each figure is from a process of its own, all subjects in turns within a round. What is compared is each run of ours
with the run of tuned aiohttp right beside it, since the speed of a machine may change from minute to minute. CPU is
that of the client's process, all threads; the stand-in has another process. Writes clients.json (a close), books.json
(100 instruments, one instrument, a desk) and feet.json (import and memory) into the folder, and a picture.
"""

from __future__ import annotations

import compileall
import json
import os
import random
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks._standin import Place, standin
from benchmarks._table import Report, arguments, spread
from benchmarks.clients import BARE, IMPORTS, NAMES, OURS, Subject, interpreter, load

ROOT = Path(__file__).parent.parent
DELAY = 0.03
LIMIT = 20
SLOW = {"httpx", "ccxt", "ccxt, throttler off", "python-okx-async", "python-okx", "python-okx in threads"}
PAIRED = (OURS, BARE)
APART = "python-okx-async"
PACED = "ccxt"
IMPORT = "import time; begun = time.process_time(); import {}; print((time.process_time() - begun) * 1e3)"
PATIENCE = 60.0
"""Seconds that a subject may take for a scene: two of them need minutes for a thousand closes at once."""


def apart(names: Sequence[str]) -> str:
    """Return the version of the one that has an environment of its own."""
    if APART not in names:
        return ""
    ask = f"import importlib.metadata as m; print(m.version({APART!r}))"
    done = subprocess.run([interpreter(APART) or "", "-c", ask], check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
    return f"; {APART} {done.stdout.strip()} in an environment of its own"


class Runs:
    """All figures, by scene and subject."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self.figures: defaultdict[str, defaultdict[str, list[dict[str, float]]]] = defaultdict(
            lambda: defaultdict(list)
        )
        self.failed: set[str] = set()
        self.endless: set[tuple[str, str]] = set()
        """Title and subject of what was ended after PATIENCE."""
        self._rng = random.Random(1)

    def play(self, title: str, name: str, scene: str, place: Place, *, tls: bool = False, at_once: int = 1) -> None:
        """Run one subject in a process of its own, unless it was too slow for this before."""
        if (title, name) in self.endless:
            return
        url = place.tls if tls else place.plain
        print(f"{title}: {name}", file=sys.stderr)
        command = [interpreter(name) or "", "-m", "benchmarks._scenes", name, scene, url, str(at_once)]
        environment = {**os.environ, "SSL_CERT_FILE": place.ca}
        try:
            done = subprocess.run(  # noqa: S603 - this interpreter or its neighbour, on our own module
                command, cwd=ROOT, env=environment, check=False, stdout=subprocess.PIPE, timeout=PATIENCE
            )
        except subprocess.TimeoutExpired:
            self.endless.add((title, name))
            return
        if done.returncode:
            self.failed.add(f"{name} ({title})")
        else:
            self.figures[title][name].append(json.loads(done.stdout))

    def round(
        self, title: str, scene: str, place: Place, *, tls: bool = False, at_once: int = 1, pairs: int = 3
    ) -> None:
        """Run all subjects once, and ours beside tuned aiohttp several times; over TLS only the fast ones."""
        others = [name for name in self.names if name not in PAIRED and not (tls and name in SLOW)]
        for name in self._rng.sample(others, len(others)):
            self.play(title, name, scene, place, tls=tls, at_once=at_once)
        for number in range(pairs):
            for name in PAIRED if number % 2 else PAIRED[::-1]:
                self.play(title, name, scene, place, tls=tls, at_once=at_once)

    def of(self, title: str, name: str, kind: str) -> list[float]:
        """Return the figures of one kind."""
        return [one[kind] for one in self.figures[title][name] if kind in one]

    def ratio(self, title: str, name: str, kind: str) -> str:
        """Return the ratio to tuned aiohttp: the median of neighbours' where there are as many, else of medians."""
        theirs, bare = self.of(title, name, kind), self.of(title, BARE, kind)
        if not theirs or not bare:
            return "-"
        if len(theirs) != len(bare):
            return f"{statistics.median(theirs) / statistics.median(bare):.2f}"
        ratios = [one / other for one, other in zip(theirs, bare, strict=True)]
        return spread(ratios, 2)


def close_table(runs: Runs, subjects: Sequence[Subject]) -> Report:
    """Return CPU and latency of a close."""
    report = Report(
        "A close: µs of CPU, median (least to most), and latency",
        ["", "one by one", "/ tuned", "50 at once", "/ tuned", "TLS, one by one", "/ tuned", "p50 / p99, one by one"],
        subjects,
        place="subjects",
    )
    for name in runs.names:
        cells: list[str] = []
        for title in ("one", "fifty", "tls"):
            cells += [spread(runs.of(title, name, "cpu")), runs.ratio(title, name, "cpu")]
        p50, p99 = (runs.of("one", name, kind) for kind in ("p50", "p99"))
        report.add(name, *cells, f"{statistics.median(p50):,.0f} / {statistics.median(p99):,.0f}" if p50 else "-")
    return report


def book_table(runs: Runs, subjects: Sequence[Subject]) -> Report:
    """Return what whole books take."""
    report = Report(
        "Books at 30 ms: ms, median (least to most)",
        [
            "",
            "100 instruments, cold",
            "/ tuned",
            "warm",
            "/ tuned",
            "TLS: cold",
            "/ tuned",
            "warm",
            "/ tuned",
            "60 closes of one instrument, s / refused for good / refusals",
            "50 strategies of 20 closes: wall / CPU",
        ],
        subjects,
        place="subjects",
    )
    for name in [*runs.names, "okx_async after warm_up(100)"]:
        warmed = name not in runs.names
        cells: list[str] = []
        for title in ("warmed", "warmed tls") if warmed else ("book", "book tls"):
            for kind in ("cold", "warm"):
                figures = runs.of(title, OURS if warmed else name, kind)
                cells += [spread(figures), "" if warmed else runs.ratio(title, name, kind)]
        sixty, desk = runs.figures["sixty"].get(name), runs.figures["desk"].get(name)
        cells.append(
            "; ".join(f"{s['seconds']:.2f} / {s['failed']:.0f} / {s['refused']:.0f}" for s in sixty or []) or "-"
        )
        slow = f"more than {PATIENCE * 1e3:,.0f}" if ("desk", name) in runs.endless else "-"
        cells.append("; ".join(f"{d['wall']:,.0f} / {d['cpu']:,.0f}" for d in desk or []) or slow)
        report.add(name, *cells)
    return report


def feet_table(runs: Runs, subjects: Sequence[Subject]) -> Report:
    """Return import time and memory."""
    report = Report(
        "Footprint: median (least to most)",
        ["", "import, ms of CPU", "/ tuned", "RSS after 20 closes, MB", "/ tuned"],
        subjects,
        place="subjects",
    )
    for name in IMPORTS:
        if name not in runs.names:
            continue
        cells: list[str] = []
        for kind, digits in (("import", 0), ("rss", 1)):
            cells += [spread(runs.of("feet", name, kind), digits), runs.ratio("feet", name, kind)]
        report.add(name, *cells)
    return report


def feet(runs: Runs, place: Place) -> None:
    """Import each in an interpreter that has imported nothing else, and close a few positions in another."""
    names = [name for name in IMPORTS if name in runs.names]
    for name in [*names, *(name for _ in range(24) for name in names if name in PAIRED)]:
        runs.play("feet", name, "few", place)
        command = [interpreter(name) or "", "-c", IMPORT.format(IMPORTS[name])]
        with TemporaryDirectory() as elsewhere:  # not here, where our package lies
            done = subprocess.run(command, cwd=elsewhere, check=False, stdout=subprocess.PIPE)  # noqa: S603 - as above
        if done.returncode:
            runs.failed.add(f"{name} (feet)")
        elif runs.figures["feet"][name]:
            runs.figures["feet"][name][-1]["import"] = float(done.stdout)


def measure(runs: Runs, rounds: int) -> None:
    """Play all scenes."""
    with standin() as fast, standin(DELAY) as far:
        for _ in range(rounds):
            runs.round("one", "closes", fast)
            runs.round("fifty", "closes", fast, at_once=50)
            runs.round("tls", "closes", fast, tls=True, pairs=1)
            for title, tls in (("book", False), ("book tls", True)):
                runs.round(title, "book", far, tls=tls)
                runs.play(title.replace("book", "warmed"), OURS, "warmed", far, tls=tls)
        feet(runs, fast)
        every, runs.names = runs.names, [name for name in runs.names if name != PACED]
        runs.round("desk", "desk", far, pairs=1)
        runs.names = every
    for name in runs.names:
        with standin(DELAY, LIMIT) as counting:
            runs.play("sixty", name, "sixty", counting)
            if runs.figures["sixty"][name]:
                runs.figures["sixty"][name][-1]["refused"] = counting.count()["refused"]


def main() -> None:
    """Run all and print the tables."""
    parser = arguments(__doc__, rounds=3)  # of three pairs each; the ratio to go by is benchmarks.pair's
    parser.add_argument("--folder", type=Path, default=None, help="for the JSON files and the picture")
    parser.add_argument("--clients", nargs="+", default=list(NAMES), choices=NAMES, metavar="NAME")
    args = parser.parse_args()
    names = [name for name in args.clients if interpreter(name)]
    if missing := set(args.clients) - set(names):
        print(f"left out, not installed: {', '.join(sorted(missing))}", file=sys.stderr)
    # An installed package is compiled; a checkout that is run with PYTHONDONTWRITEBYTECODE is not, and imports slowly.
    for package in ("okx_async", "benchmarks"):
        compileall.compile_dir(ROOT / package, quiet=1)
    runs = Runs(names)
    measure(runs, args.rounds)
    subjects = [load(name) for name in names if name != APART]
    each = f"{args.rounds} rounds, in each a fresh process for each subject, and three pairs of okx_async and tuned"
    how = {
        "clients": f"{each} (one over TLS)",
        "books": f"{each}; 60 closes and 50 strategies: once",
        "feet": "A fresh process each: once, of okx_async and tuned 25 times in turns",
    }
    for name, make in (("clients", close_table), ("books", book_table), ("feet", feet_table)):
        report = make(runs, subjects)
        report.notes.append(f"{how[name]}{apart(names)}.")
        if runs.endless:
            ended = sorted(f"{subject} ({title})" for title, subject in runs.endless)
            report.notes.append(f"Ended after {PATIENCE:.0f} s: {', '.join(ended)}.")
        if runs.failed:
            report.notes.append(f"Raised an error of its own: {', '.join(sorted(runs.failed))}.")
        report.raw = {title: dict(runs.figures[title]) for title in runs.figures}
        report.publish(args.folder / f"{name}.json" if args.folder else None)
    if args.folder:
        from benchmarks._bars import bars  # noqa: PLC0415 - matplotlib is not needed without

        bars({name: [runs.of(title, name, "cpu") for title in ("one", "fifty")] for name in names}, args.folder)


if __name__ == "__main__":
    main()
