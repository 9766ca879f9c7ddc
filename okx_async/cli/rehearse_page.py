"""A rehearsal on screen: each result as it comes, the assumption that is being tried, and the report."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from types import MappingProxyType

from rich.status import Status
from rich.table import Table
from rich.text import Text

from okx_async.cli.tables import console, plain
from okx_async.rehearsal.assumption import Assumption
from okx_async.rehearsal.assumptions import BY_ID
from okx_async.rehearsal.report import Report
from okx_async.rehearsal.results import TrialResult, Verdict

_STYLES = MappingProxyType({Verdict.HELD: "green", Verdict.NOT_HELD: "bold red", Verdict.NOT_TRIED: "yellow"})
_VERDICT = 9
"""Columns of the longest verdict."""


@contextmanager
def progress(total: int) -> Iterator[tuple[Callable[[Assumption], object], Callable[[TrialResult], object]]]:
    """Print each result on stdout as it comes; on a terminal, show on stderr what is being tried."""
    page = console(to_stderr=True)
    if not page.is_terminal or page.is_dumb_terminal:
        yield bool, print_result
        return
    begun = 0
    with Status("asking the exchange", console=page) as status:

        def on_trial(assumption: Assumption) -> None:
            nonlocal begun
            begun += 1
            status.update(plain(f"{begun} of {total}: {assumption.id}"))

        def on_result(result: TrialResult) -> None:
            status.stop()  # the line of the status is no place for a result
            print_result(result)
            status.start()

        yield on_trial, on_result


def print_result(result: TrialResult) -> None:
    """Print one result."""
    _print(Text(result.verdict.words, _STYLES[result.verdict]), f"{result.id}: {result.evidence}")


def print_assumptions(assumptions: Sequence[Assumption]) -> None:
    """Print the register."""
    page = console()
    for one in assumptions:
        page.print(plain(one.id), style="bold")
        lines = (
            one.statement,
            f"tried: {one.how}; {one.danger.words}",
            f"{one.sure}; rests on it: {', '.join(one.rests)}",
        )
        for line in lines:
            table = Table.grid(padding=(0, 0, 0, 2))
            table.add_row(plain(line))
            page.print(table)


def print_report(report: Report) -> None:
    """Print the counts, what rests on what did not hold, and what is left."""
    page = console()
    counts = Counter(result.verdict for result in report.results)
    page.print(plain(", ".join(f"{counts[verdict]} {verdict.words}" for verdict in Verdict)))
    for result in report.wrong:
        one = BY_ID[result.id]
        what = "the simulated exchange alone" if one.about_simulator else ", ".join(one.rests)
        page.print(plain(f"{one.id}: {one.statement} That did not hold; on it rests {what}."))
    if trips := report.round_trips:
        least, middle, most = (f"{seconds * 1000:.1f} ms" for seconds in (trips[0], median(trips), trips[-1]))
        words = f"round trips: {least} at least, {middle} in the middle, {most} at most, of {len(trips)}"
        page.print(plain(words))
    if report.found is not None:
        words = "; ".join(report.found.words)
        page.print(plain(f"of an earlier rehearsal: {report.found.closed} closed{f'; {words}' if words else ''}"))
    if report.stopped:
        page.print(plain(f"not all was tried: {report.stopped}"))
    for word in report.left.words:
        page.print(plain(f"left: {word}"))
    flat = "flat: the exchange lists nothing of the rehearsal any more" if report.left.flat else "NOT PROVEN FLAT"
    page.print(Text(flat, "green" if report.left.flat else "bold red"))


def _print(word: Text, text: str) -> None:
    line = Table.grid(padding=(0, 1))
    line.add_column(width=_VERDICT)
    line.add_column(overflow="fold")
    line.add_row(word, plain(text))
    console().print(line)
