"""The demo on screen: progress bars on a terminal, and a report that fits 40 columns."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from okx_async import ClosePosition, rate_key
from okx_async.cli.book import group_of
from okx_async.cli.runs import QUOTA, STRATEGIES, Group, Pace, Run, Settings
from okx_async.cli.tables import console, new_table, plain, print_hanging, print_table

_SHOWN_FAILURES = 3
_BARS = 60
"""Columns from which on there is room for bars."""


@contextmanager
def progress(sizes: Mapping[str, int], title: str) -> Iterator[Callable[[ClosePosition], None]]:
    """Show a bar for each group during the block, on a terminal only; yield the function to call after each close."""
    page = console()
    drawn = [BarColumn(None), MofNCompleteColumn(), TimeElapsedColumn()]
    bars = Progress(
        TextColumn("{task.description}"),
        *(drawn if page.width >= _BARS else [MofNCompleteColumn()]),
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
    text = (
        f"{STRATEGIES} strategies, one client, {total.requests} closes. "
        f"The simulated exchange is {least:g} to {most:g} ms away each way (seed {settings.seed})."
    )
    print_hanging(page, Text(), Text(text))
    page.print()
    print_table(page, _demo_table(ours), map(Text, _demo_lines(ours)))
    page.print()
    promises = (
        f"no {QUOTA.per:g} s window of any key above {QUOTA.limit}: the worst held {ours.worst_window}",
        f"nothing refused: {ours.refused} of {total.requests}",
        f"nothing left open: the exchange lists {ours.positions_left} positions",
    )
    for held, text in zip(ours.promises().values(), promises, strict=True):
        print_hanging(page, Text(" ok  " if held else " NO  ", "green" if held else "bold red"), Text(text))
    for failure in ours.failures[:_SHOWN_FAILURES]:
        print_hanging(page, Text("     "), plain(failure))
    page.print()
    print_hanging(page, Text(), Text(_pace_text(ours, pace)))
    if other is not None:
        page.print()
        print_hanging(page, Text(), Text("The same book once more, every close sent at once, without a limiter:"))
        page.print()
        rows = _compared(ours, other)
        lines = (
            Text(line) for name, one, two in rows for line in (f"{name}:", f"  okx_async {one}", f"  no limiter {two}")
        )
        print_table(page, _compare_table(rows), lines)


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
    table = new_table()
    table.show_footer = True
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


def _compared(ours: Run, other: Run) -> list[tuple[str, str, str]]:
    def row(name: str, value: Callable[[Run], object]) -> tuple[str, str, str]:
        return name, str(value(ours)), str(value(other))

    return [
        row("requests", lambda run: run.total.requests),
        row("most in 2 s, any key", lambda run: _window(run.total)),
        row("refused", lambda run: run.refused),
        row("positions closed", lambda run: run.total.closed),
        row("positions left open", lambda run: run.positions_left),
        row("seconds", lambda run: f"{run.took_s:.2f}"),
    ]


def _compare_table(rows: Iterable[tuple[str, str, str]]) -> Table:
    table = new_table()
    table.add_column("as counted there")
    for name in ("okx_async", "no limiter"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(*row)
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
