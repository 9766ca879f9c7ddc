"""The `bench` command: the price of a free slot, the rate through jitter, and batches of 100 closes.

It measures this package alone, against the simulated exchange; `make bench` in the source tree compares libraries.
"""

import asyncio
import platform
import time
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from statistics import fmean, median
from typing import Final

import aiohttp

from okx_async import Client, ClosePosition, Limiter, Quota, __version__
from okx_async.cli.exits import ExitCode, emit, say
from okx_async.cli.signals import Stop
from okx_async.cli.signals import run as run_until_stopped
from okx_async.simulator import SimulatedExchange

_ROUNDS: Final = 7
_SLOTS: Final = 20_000
_CLOSES: Final = 140
_SEEDS: Final = 3
_BATCHES: Final = 20
_LEGS: Final = 100
_LIMIT: Final = 20
_ONE_WAY: Final = (0.010, 0.240)
"""Shortest one-way delay, and the most that jitter adds to it (s)."""
_ROUND_TRIP: Final = 0.030


@dataclass(frozen=True, slots=True)
class Figures:
    """The measured figures: medians of interleaved rounds, each in the unit that its name ends with.

    None: not measured.
    """

    slot_one_key_ns: float | None = None
    slot_many_keys_ns: float | None = None
    semaphore_ns: float | None = None
    worst_window: int | None = None
    refused: int | None = None
    share_of_best_rate: float | None = None
    batch_ms: float | None = None
    batch_least_ms: float | None = None
    batch_most_ms: float | None = None


@dataclass(slots=True)
class _Measured:
    """What was measured so far."""

    slots: list[tuple[float, float, float]] = field(default_factory=list)
    """Of each round: ns for a slot of one key, of many keys, and for a semaphore."""
    runs: list[tuple[int, int, float]] = field(default_factory=list)
    """Of each run through jitter: its worst window, refusals, and share of the best rate."""
    batches: list[float] = field(default_factory=list)
    """Milliseconds of each batch."""

    def figures(self) -> Figures:
        """Return the figures; None where nothing was measured."""
        figures = Figures()
        if self.slots:
            one, many, semaphore = (median(column) for column in zip(*self.slots, strict=True))
            figures = replace(figures, slot_one_key_ns=one, slot_many_keys_ns=many, semaphore_ns=semaphore)
        if self.runs:
            figures = replace(
                figures,
                worst_window=max(worst for worst, _, _ in self.runs),
                refused=sum(refused for _, refused, _ in self.runs),
                share_of_best_rate=median(share for _, _, share in self.runs),
            )
        if self.batches:
            least, most = min(self.batches), max(self.batches)
            figures = replace(figures, batch_ms=median(self.batches), batch_least_ms=least, batch_most_ms=most)
        return figures


def run(*, as_json: bool) -> ExitCode:
    """Measure and print; return FAILED if a window held more than the limit, a close was refused, or it was stopped."""
    if not as_json:
        say("measuring: about half a minute, best with nothing else running")
    stop = Stop()
    measured = _Measured()
    finished = run_until_stopped(_measure(measured), stop) is not None
    figures = measured.figures()
    about = {
        "okx_async": __version__,
        "aiohttp": aiohttp.__version__,
        "python": platform.python_version(),
        "system": platform.system(),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "command": "okx-async bench",
    }
    if as_json:
        emit({"finished": finished, "about": about, "figures": asdict(figures)})
    elif rows := _rows(figures):
        from okx_async.cli.tables import print_figures  # noqa: PLC0415 - not for JSON

        print_figures(rows, about)
    if not finished:
        counts = f"{len(measured.slots)} of {_ROUNDS} rounds, {len(measured.runs)} of {_SEEDS} runs through jitter"
        say(f"{stop.word}: measured so far: {counts}, {len(measured.batches)} of {_BATCHES} batches")
        return ExitCode.FAILED
    kept = (figures.worst_window or 0) <= _LIMIT and not figures.refused
    return ExitCode.DONE if kept else ExitCode.FAILED


def _rows(figures: Figures) -> list[tuple[str, str]]:
    """Return the figures that were measured, with their names."""
    rows: list[tuple[str, str]] = []
    for name, value in (
        ("a free slot, one key", figures.slot_one_key_ns),
        ("a free slot, 10,000 keys", figures.slot_many_keys_ns),
        ("an asyncio.Semaphore beside it", figures.semaphore_ns),
    ):
        if value is not None:
            rows.append((name, f"{value:,.0f} ns"))
    if figures.worst_window is not None:
        rows += [
            (f"{_CLOSES} closes on one key, 10 to 250 ms each way: most in 2 s", f"{figures.worst_window} of {_LIMIT}"),
            ("… refused", str(figures.refused)),
            ("… rate, of the best that can be proven", f"{figures.share_of_best_rate:.3f}"),
        ]
    if figures.batch_ms is not None:
        took = f"{figures.batch_ms:.0f} ms ({figures.batch_least_ms:.0f} to {figures.batch_most_ms:.0f})"
        rows.append((f"{_LEGS} instruments at once, 30 ms round trip, warm", took))
    return rows


async def _measure(measured: _Measured) -> bool:
    """Measure all; what is stopped half way leaves behind what it has."""
    for _ in range(_ROUNDS):
        measured.slots.append((await _one_key(), await _many_keys(), await _semaphore()))
        await asyncio.sleep(0)  # signals are heard
    for run_ in asyncio.as_completed([_close_through_jitter(seed) for seed in range(_SEEDS)]):
        measured.runs.append(await run_)
    await _batches(measured.batches)
    return True


async def _one_key() -> float:
    limiter = Limiter(Quota(_LIMIT, 1e-9), guard=0.0)  # the window never fills: the price of the path alone
    began = time.perf_counter_ns()
    for _ in range(_SLOTS):
        async with limiter.slot("key"):
            pass
    return (time.perf_counter_ns() - began) / _SLOTS


async def _many_keys() -> float:
    limiter = Limiter(Quota(_SLOTS, 3600.0))
    keys = [("live", "1", f"KEY-{i}") for i in range(10_000)]
    for key in keys:
        async with limiter.slot(key):
            pass
    began = time.perf_counter_ns()
    for i in range(_SLOTS):
        async with limiter.slot(keys[i % len(keys)]):
            pass
    return (time.perf_counter_ns() - began) / _SLOTS


async def _semaphore() -> float:
    semaphore = asyncio.Semaphore(_LIMIT)
    began = time.perf_counter_ns()
    for _ in range(_SLOTS):
        async with semaphore:
            pass
    return (time.perf_counter_ns() - began) / _SLOTS


async def _close_through_jitter(seed: int) -> tuple[int, int, float]:
    """Return the worst window, the refusals, and the rate as a share of 20 / (2 s + mean round trip)."""
    legs = [ClosePosition(f"BTC-USD-260327-{60_000 + 100 * i}-C", "cross") for i in range(_CLOSES)]
    least, more = _ONE_WAY
    async with SimulatedExchange(latency=least, jitter=more, seed=seed) as exchange, _client(exchange) as client:
        for leg in legs:
            exchange.open_position(leg.inst_id, 1)
        results = await client.close_positions(legs)
        attempts = [attempt for result in results for attempt in result.result().attempts]
        trips = [one.settled - one.sent for one in attempts if one.settled is not None and one.sent is not None]
        at = [row.at for row in exchange.journal if row.method == "POST"]
        rate = (len(at) - _LIMIT) / (at[-1] - at[0])
        return exchange.worst_window(), len(exchange.rejections), rate * (2.0 + fmean(trips)) / _LIMIT


async def _batches(took: list[float]) -> None:
    """Add the milliseconds of each batch with one close per key, after one that warms the connections."""
    legs = [ClosePosition(f"X{i}-USDT-SWAP", "cross") for i in range(_LEGS)]
    async with SimulatedExchange(latency=_ROUND_TRIP / 2, seed=1) as exchange, _client(exchange) as client:
        for nth in range(_BATCHES + 1):
            for leg in legs:
                exchange.open_position(leg.inst_id, 1)
            began = time.perf_counter()
            for result in await client.close_positions(legs):
                result.result()
            if nth:
                took.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(0.25)  # keeps each key below 20 in 2 s


def _client(exchange: SimulatedExchange) -> Client:
    return Client(exchange.credentials, base_url=exchange.base_url, user_id=exchange.user_id, limiter=Limiter())
