"""What people see: tables that fit 80 columns, and progress where there is a terminal."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from okx_async import rate_key
from okx_async.cli.book import group_of
from okx_async.cli.runs import QUOTA, STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from okx_async import ClosePosition, Position
    from okx_async.cli.runs import Group, Pace, Run, Settings

__all__ = ["print_demo", "print_figures", "print_positions", "progress"]

_SHOWN_FAILURES = 3


def print_positions(positions: Sequence[Position]) -> None:
    """Print a table of positions, numbers as they were received."""
    console = _console()
    if not positions:
        console.print("no open positions")
        return
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("instrument", "mode", "side"):
        table.add_column(name, overflow="fold")
    for name in ("pos", "avg px", "mark px", "upl", "ccy"):
        # Folded where it does not fit: a number that is cut short is a wrong number.
        table.add_column(name, overflow="fold", justify="left" if name == "ccy" else "right")
    for one in positions:
        cells = [_received(one, key) for key in ("pos", "avgPx", "markPx", "upl", "ccy")]
        table.add_row(_plain(one.inst_id), _plain(one.mgn_mode), _plain(one.pos_side), *cells)
    console.print(table)


@contextmanager
def progress(sizes: Mapping[str, int], title: str) -> Iterator[Callable[[ClosePosition], None]]:
    """Show a bar for each group on a terminal, gone at the end; yields what to call after each close."""
    console = _console()
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(None),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal or console.is_dumb_terminal,
    )
    with bars:
        tasks = {name: bars.add_task(f"{title}: {name}", total=size) for name, size in sorted(sizes.items())}
        yield lambda leg: bars.advance(tasks[group_of(rate_key("-", leg.inst_id)[1])])


def print_demo(settings: Settings, ours: Run, pace: Pace, other: Run | None) -> None:
    """Print what the exchange counted, and what it took."""
    console = _console()
    total = ours.total
    least, most = settings.latency * 1000, (settings.latency + settings.jitter) * 1000
    console.print(
        f"{STRATEGIES} strategies, one client, {total.requests} closes. "
        f"The simulated exchange is {least:g} to {most:g} ms away each way (seed {settings.seed})."
    )
    console.print(_demo_table(ours))
    promises = (
        f"no {QUOTA.per:g} s window of any key above {QUOTA.limit}: the worst held {ours.worst_window}",
        f"nothing refused: {ours.refused} of {total.requests}",
        f"nothing left open: the exchange lists {ours.positions_left} positions",
    )
    for held, text in zip(ours.promises().values(), promises, strict=True):
        console.print(Text(" ok " if held else " NO ", "green" if held else "bold red"), text)
    for failure in ours.failures[:_SHOWN_FAILURES]:
        console.print(Text(f"     {failure}"))
    console.print()
    console.print(_pace_text(ours, pace))
    if other is not None:
        console.print()
        console.print("The same book once more, every close sent at once, without a limiter:")
        console.print(_compare_table(ours, other))


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


def print_figures(rows: Sequence[tuple[str, str]], about: Mapping[str, str]) -> None:
    """Print measured figures, and what they were measured with."""
    console = _console()
    table = Table(box=box.SIMPLE_HEAD, show_header=False)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold", justify="right")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    console.print(", ".join(f"{name} {value}" for name, value in about.items()))


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


def _received(position: Position, key: str) -> Text:
    value = position.raw.get(key)
    return _plain(value if isinstance(value, str | int | float) else "")


def _plain(value: object) -> Text:
    """Return text that no markup and no control character of a foreign answer can dress up."""
    return Text("".join(c if c.isprintable() else "?" for c in str(value)))


def _console() -> Console:
    return Console(highlight=False)
