"""Runs many histories in several processes and adds up what they covered."""

import faulthandler
import gc
import signal
import time
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from multiprocessing import active_children, get_context
from typing import Any

from okx_async.torture.history import happen, plan_of
from okx_async.torture.sharing.draw import sharing_plan
from okx_async.torture.sharing.history import happen_shared


@dataclass(slots=True)
class Totals:
    """The totals of a series; ``cpu_seconds`` of all its processes."""

    histories: int = 0
    requests: int = 0
    faults: int = 0
    virtual_seconds: float = 0.0
    cpu_seconds: float = 0.0
    broken: list[dict[str, Any]] = field(default_factory=list)

    def add(self, record: dict[str, Any]) -> None:
        """Count one history's record."""
        self.histories += 1
        self.requests += record["requests"]
        self.faults += record["faults"]
        self.virtual_seconds += record["virtual_seconds"]
        self.cpu_seconds += record["cpu_seconds"]
        if record["broken"]:
            self.broken.append(record)

    def __str__(self) -> str:
        return (
            f"{self.histories} histories, {self.requests} requests, {self.faults} faults, "
            f"{self.virtual_seconds / 3600:.1f} virtual hours in {self.cpu_seconds:.0f} CPU seconds: "
            f"{len(self.broken)} broken"
        )


def run_seed(seed: int) -> dict[str, Any]:
    """Run the history of a seed; return its record with its CPU seconds."""
    begun = time.process_time()
    if seed % 32 == 0:
        gc.collect()  # the collection at the end of a history leaves out the history itself, 0.3 MB in cycles
    record = happen(plan_of(seed)).record()
    record["cpu_seconds"] = time.process_time() - begun
    return record


def run_shared_seed(seed: int) -> dict[str, Any]:
    """Run the shared history of a seed; return its record with its CPU seconds."""
    begun = time.process_time()
    record = happen_shared(sharing_plan(seed)).record()
    record["cpu_seconds"] = time.process_time() - begun
    return record


def run_series(
    seeds: Iterable[int],
    processes: int,
    told: Callable[[dict[str, Any]], None] | None = None,
    *,
    shared: bool = False,
) -> Totals:
    """Run the histories of `seeds`, and return what they covered.

    Args:
        seeds: Of the histories.
        processes: How many run at once.
        told: Called with each record, in the order of the seeds.
        shared: Whether they are those of programs that share a limit.

    Raises:
        BrokenProcessPool: One of the processes was killed: the histories whose records are missing are not judged.
    """
    totals = Totals()
    with closing(_records(seeds, processes, run_shared_seed if shared else run_seed)) as records:
        for record in records:
            totals.add(record)
            if told is not None:
                told(record)
    return totals


def _records(
    seeds: Iterable[int], processes: int, run: Callable[[int], dict[str, Any]]
) -> Generator[dict[str, Any], None, None]:
    if processes == 1:
        yield from map(run, seeds)
        return
    # Spawned: a forked child would have the parent's limiters and loops.
    # And an executor, as a `multiprocessing.Pool` waits for ever for what a dead process was to answer.
    others = set(active_children())
    with ProcessPoolExecutor(processes, get_context("spawn"), _begin) as pool:
        try:
            yield from pool.map(run, seeds, chunksize=4)
        except BaseException:
            for process in set(active_children()) - others:
                process.kill()  # whose history, and those not begun, would take seconds yet
            raise


def _begin() -> None:
    """Ignore Ctrl-C, which a terminal sends to all processes: the first one ends the others; and tell of a crash."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.enable()
