"""The demo on screen: progress bars on a terminal, and a report that fits 40 columns."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich import box
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from okx_async import ClosePosition, rate_key
from okx_async.cli.book import group_of
from okx_async.cli.runs import QUOTA, STRATEGIES, Group, Pace, Run, Settings
from okx_async.cli.tables import console

_SHOWN_FAILURES = 3
_TABLE = 76
"""Columns that the table of counts needs; narrower screens get lines."""


@contextmanager
def progress(sizes: Mapping[str, int], title: str) -> Iterator[Callable[[ClosePosition], None]]:
    """Show a bar for each group during the block, on a terminal only; yield the function to call after each close."""
    page = console()
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(None),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=page,
        transient=True,
        disable=not page.is_terminal or page.is_dumb_terminal,
    )
    with bars:
        tasks = {name: bars.add_task(f"{title}: {name}", total=size) for name, size in sorted(sizes.items())}
        yield lambda leg: bars.advance(tasks[group_of(rate_key("-", leg.inst_id)[1])])


def print_demo(settings: Settings, ours: Run, pace: Pace, other: Run | None) -> None:
    """Print the exchange's counts, the promises and the time taken."""
    page = console()
    total = ours.total
    least, most = settings.latency * 1000, (settings.latency + settings.jitter) * 1000
    page.print(
        f"{STRATEGIES} strategies, one client, {total.requests} closes. "
        f"The simulated exchange is {least:g} to {most:g} ms away each way (seed {settings.seed})."
    )
    if page.width < _TABLE:
        page.print("\n".join(_demo_lines(ours)))
    else:
        page.print(_demo_table(ours))
    promises = (
        f"no {QUOTA.per:g} s window of any key above {QUOTA.limit}: the worst held {ours.worst_window}",
        f"nothing refused: {ours.refused} of {total.requests}",
        f"nothing left open: the exchange lists {ours.positions_left} positions",
    )
    for held, text in zip(ours.promises().values(), promises, strict=True):
        page.print(Text(" ok " if held else " NO ", "green" if held else "bold red"), text)
    for failure in ours.failures[:_SHOWN_FAILURES]:
        page.print(Text(f"     {failure}"))
    page.print()
    page.print(_pace_text(ours, pace))
    if other is not None:
        page.print()
        page.print("The same book once more, every close sent at once, without a limiter:")
        page.print(_compare_table(ours, other))


def _demo_lines(run: Run) -> list[str]:
    lines = ["As counted there:"]
    for group in (*run.groups, run.total):
        lines += [
            f"{group.name}:",
            f"  {group.requests} closes on {group.keys} key{'s' * (group.keys > 1)}",
            f"  most in 2 s {_window(group)}",
            f"  {group.refused} refused",
            f"  longest wait {_seconds(group.longest_wait_s)}",
        ]
    return lines


def _demo_table(run: Run) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_footer=True)
    total = run.total
    table.add_column("as counted there", footer="all")
    for name, footer in (
        ("keys", str(total.keys)),
        ("closes", str(total.requests)),
        ("most in 2 s", _window(total)),
        ("refused", str(total.refused)),
        ("longest wait", _seconds(total.longest_wait_s)),
    ):
        table.add_column(name, footer=footer, justify="right")
    for group in run.groups:
        numbers = str(group.keys), str(group.requests), _window(group), str(group.refused)
        table.add_row(group.name, *numbers, _seconds(group.longest_wait_s))
    return table


def _compare_table(ours: Run, other: Run) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("as counted there")
    for name in ("okx_async", "no limiter"):
        table.add_column(name, justify="right")
    for name, cells in (
        ("requests", [str(run.total.requests) for run in (ours, other)]),
        ("most in 2 s, any key", [_window(run.total) for run in (ours, other)]),
        ("refused", [str(run.refused) for run in (ours, other)]),
        ("positions closed", [str(run.total.closed) for run in (ours, other)]),
        ("positions left open", [str(run.positions_left) for run in (ours, other)]),
        ("seconds", [f"{run.took_s:.2f}" for run in (ours, other)]),
    ):
        table.add_row(name, *cells)
    return table


def _pace_text(run: Run, pace: Pace) -> str:
    trip = f"{pace.round_trip_s * 1000:.0f} ms"
    pauses = f"{pace.rounds - 1} times"
    return (
        f"{run.took_s:.2f} s from the first call to the last answer, on connections opened before. "
        f"The busiest key has {pace.requests} closes, {pace.rounds} rounds of {QUOTA.limit}: no client can need less "
        f"than {pauses} 2 s and the shortest round trip, {pace.least_s:.2f} s. One that lets the 2 s begin with each "
        f"answer, as this one does, needs about {pauses} (2 s + {trip}) + {trip} = {pace.rule_s:.2f} s "
        f"({trip}: the mean round trip)."
    )


def _window(group: Group) -> str:
    return f"{group.worst_window} of {QUOTA.limit}"


def _seconds(value: float) -> str:
    return f"{value:.2f} s"
