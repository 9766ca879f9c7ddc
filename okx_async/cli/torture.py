"""The `torture` command: random histories judged by invariants, and the timeline of the first broken one."""

from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from typing import Any

from okx_async.cli.exits import ExitCode, emit, say, show
from okx_async.cli.signals import Stop, interruptible
from okx_async.torture import (
    History,
    SharedHistory,
    Totals,
    happen,
    happen_shared,
    plan_of,
    run_series,
    sharing_plan,
    shrink,
)

_LAST = 400  # lines of a timeline that are printed


def run(seeds: int, first: int, *, processes: int, shrinks: bool, as_json: bool, shared: bool = False) -> ExitCode:
    """Run `seeds` histories from seed `first` on; return FAILED if an invariant was broken, or if it was stopped."""
    if not as_json:
        text = f"seeds {first} to {first + seeds - 1}; one of them again: "
        show(f"{text}okx-async torture{' --shared' * shared} --seed {first} --seeds 1")
    stop = Stop()
    totals, records = _series(range(first, first + seeds), processes, stop, shared=shared)
    done = totals.histories
    if as_json:
        emit({"finished": done == seeds, "histories": records})
    else:
        show(str(totals))
    if done < seeds:
        rest = f"okx-async torture{' --shared' * shared} --seed {first + done} --seeds {seeds - done}"
        say(f"{stop.word} after {done} of {seeds} histories; the others: {rest}")
        return ExitCode.FAILED
    if not totals.broken:
        return ExitCode.DONE
    try:
        with interruptible(stop):
            lines = _story(_again(totals.broken[0]["seed"], shrinks=shrinks, shared=shared), shrinks=shrinks)
    except KeyboardInterrupt:
        lines = [f"{stop.word}: the broken history is not told"]
    for line in lines:
        say(line)
    return ExitCode.FAILED


def _series(seeds: range, processes: int, stop: Stop, *, shared: bool) -> tuple[Totals, list[dict[str, Any]]]:
    """Run histories until the end or a signal; return what was done, and the record of each for JSON."""
    totals = Totals()
    records: list[dict[str, Any]] = []

    def report(record: dict[str, Any]) -> None:
        totals.add(record)
        records.append({name: record[name] for name in record if name != "cpu_seconds"})
        for line in record["broken"]:
            say(f"seed {record['seed']} broke {line}")
        if stop.asked:
            raise KeyboardInterrupt

    # A history of this process ends before it is stopped; with other processes this one only waits.
    try:
        with suppress(KeyboardInterrupt), interruptible(stop, at_once=processes > 1):
            run_series(seeds, processes, report, shared=shared)
    except BrokenProcessPool:
        stop.word = "a process that ran histories was killed"
    return totals, records


def _again(seed: int, *, shrinks: bool, shared: bool) -> History | SharedHistory:
    """Run a broken history again, and reduce it if that is wanted."""
    if shared:
        found = happen_shared(sharing_plan(seed))
        return shrink(found, happen_shared) if shrinks else found
    history = happen(plan_of(seed))
    if shrinks:
        history = shrink(history)
    return happen(history.plan, noted=True)


def _story(history: History | SharedHistory, *, shrinks: bool) -> list[str]:
    """Return the lines that tell of a broken history."""
    plan = history.plan
    options = f"{' --shared' * isinstance(history, SharedHistory)} --seed {plan.seed} --seeds 1{' --shrink' * shrinks}"
    lines = [
        "",
        f"seed {plan.seed}, again by: okx-async torture{options}",
        *(f"broke {breach}" for breach in history.broken),
        f"strategies: {', '.join(f'{part.kind} at seat {part.seat}' for part in plan.parts) or 'none'}",
        f"mishaps: {', '.join(mishap.kind for mishap in plan.mishaps) or 'none'}",
        "",
    ]
    notes = history.notes
    if len(notes) > _LAST:
        lines.append(f"… {len(notes) - _LAST} lines before: --shrink leaves out what does not matter")
    return lines + [f"{at:11.6f} {text}" for at, text in notes[-_LAST:]]
