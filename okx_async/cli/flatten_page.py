"""A flatten on screen: the row of each position while it runs, and the report; both fit 40 columns."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import MappingProxyType

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from okx_async import FlattenReport, FlattenRow, FlattenState, OpenOrder, Outcome, Position, SlotSource
from okx_async._rest.remedies import by_option
from okx_async.cli.exits import say, show
from okx_async.cli.tables import console, plain, print_hanging
from okx_async.cli.waits import Waits, told

_WORDS = MappingProxyType(
    {
        FlattenState.CLOSED: ("closed", "green"),
        FlattenState.ALREADY_FLAT: ("was flat", "green"),
        FlattenState.SUPERSEDED: ("NEW POSITION", "bold red"),
        FlattenState.PARTIAL: ("PARTLY", "bold red"),
        FlattenState.DUST: ("DUST", "yellow"),
        FlattenState.REFUSED: ("REFUSED", "bold red"),
        FlattenState.IN_PROGRESS: ("ON ITS WAY", "yellow"),
        FlattenState.UNKNOWN: ("UNKNOWN", "bold red"),
        FlattenState.DEADLINE: ("OUT OF TIME", "bold red"),
        FlattenState.CLIENT_CLOSED: ("STOPPED", "bold red"),
    }
)
_WORD = max(len(word) for word, _ in _WORDS.values())
_ENDS = frozenset({FlattenState.CLOSED, FlattenState.ALREADY_FLAT, FlattenState.SUPERSEDED})
"""States in which nothing more is sent; the last one counts, in the report."""
_SHOWN_ORDERS = 10
_FRAME = 3
"""Lines of a terminal that are not for rows, beside those that say what is waited for."""


@contextmanager
def progress(limiter: SlotSource) -> Iterator[tuple[Callable[[FlattenRow], object], Waits]]:
    """Show rows on stderr as they change, and what is waited for: in place on a terminal, else a line for each change.

    Yields what takes the rows, and the waits that are to be looked at.
    """
    page = console(to_stderr=True)
    board = _Board()
    if not page.is_terminal or page.is_dumb_terminal:
        yield board.tell, told(limiter)
        return
    waits = Waits(limiter, lambda _, __: None)
    with Live(
        get_renderable=lambda: board.page(page.height, page.width, waits.words),
        console=page,
        refresh_per_second=8,
        transient=True,
    ):
        yield board.take, waits


class _Board:
    """The latest row of each position."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._rows: dict[object, FlattenRow] = {}

    def take(self, row: FlattenRow) -> bool:
        """Store a row; return whether it says something new."""
        one = row.position
        key = one.inst_id, one.mgn_mode, one.pos_side, one.ccy, one.pos_id, one.c_time
        before = self._rows.get(key)
        self._rows[key] = row
        return before is None or _now(before) != _now(row)

    def tell(self, row: FlattenRow) -> None:
        """Store a row, and print one line if it says something new."""
        if self.take(row):
            word, _ = _now(row)
            say(f"{row.seconds:7.2f} s  {_name(row.position)}: {word}")

    def page(self, height: int, width: int, waits: str = "") -> Group:
        """Return the rows that fit a terminal of `height` lines and `width` columns, open positions first.

        Below them stands what is waited for.
        """
        rows = [*self._rows.values()]  # a copy: rich draws in a thread of its own while rows arrive
        rows.sort(key=lambda row: row.state in _ENDS)
        ended = sum(row.state in _ENDS for row in rows)
        room = max(1, height - _FRAME - -(-len(waits) // width))
        lines = [_head(*_now(row)) + plain(_name(row.position)) for row in rows[:room]]
        if max(map(len, lines), default=0) > width:  # the word above the name, so that no id is broken
            pairs = [(Text(*_now(row)), Text("  ") + plain(_name(row.position))) for row in rows[: max(1, room // 2)]]
            lines = [line for pair in pairs for line in pair]
        head = f"{ended} of {len(rows)} ended, {time.monotonic() - self._began:.1f} s; Ctrl-C stops"
        return Group(*lines, Text(head), *([plain(waits)] if waits else ()))


def print_report(report: FlattenReport, left_alone: Sequence[Position]) -> None:
    """Print every row, the pending orders, and the verdict last."""
    page = console()
    with page.capture() as captured:
        _report(page, report, left_alone)
    show(captured.get().rstrip("\n"))  # never raises, so that the exit code is right without a reader


def _report(page: Console, report: FlattenReport, left_alone: Sequence[Position]) -> None:
    for row in report.rows:
        print_hanging(page, _head(*_WORDS[row.state]), plain(f"{_name(row.position)}: {_sizes(row)}"))
        if row.error is not None:
            print_hanging(page, _head("", ""), plain(by_option(str(row.error))))
    for position in left_alone:
        why = "appeared after you were asked" if position.inst_type else "does not say of which type it is"
        text = f"{_name(position)}: {_size(position)}, {why}; left alone"
        print_hanging(page, _head(*_WORDS[FlattenState.SUPERSEDED]), plain(text))
    if not (report.rows or left_alone):
        nothing = "nothing was open"
        print_hanging(
            page, Text(), Text(nothing if report.flat else f"{nothing} at first, and positions could not be read again")
        )
    where = " on these instruments" if report.rows else ""
    for text in (*_cancels(report), *_orders(report, where)):
        print_hanging(page, Text(" " * (len(text) - len(text.lstrip()))), plain(text.lstrip()))
    if report.flat and not left_alone:
        verdict = f"FLAT: the exchange itself lists none of them any more; {report.seconds:.2f} s"
        print_hanging(page, Text(), Text(verdict, "green"))
    else:
        print_hanging(page, Text(), Text(f"NOT FLAT, or not proven; {report.seconds:.2f} s", "bold red"))


def _head(word: str, style: str) -> Text:
    return Text(f"{word:{_WORD}} ", style)


def _now(row: FlattenRow) -> tuple[str, str]:
    """Return the word and style of a row, ended or not."""
    if row.state in _ENDS:
        return _WORDS[row.state]
    last = row.attempts[-1] if row.attempts else None
    if last is None:
        return "closing", "dim"
    if last.outcome is Outcome.ACCEPTED:
        return "accepted", "yellow"
    if last.outcome in {Outcome.UNKNOWN, Outcome.NOT_SENT}:
        return ("no answer" if last.outcome is Outcome.UNKNOWN else "not sent"), "yellow"
    return f"refused, {f'code {last.code}' if last.code else f'HTTP {last.status}'}", "yellow"


def _name(position: Position) -> str:
    return f"{position.inst_id} {position.mgn_mode} {position.pos_side}"


def _size(position: Position) -> str:
    upl = "" if position.upl is None else f" (upl {position.upl:f})"
    return f"{position.pos:f}{upl}"


def _sizes(row: FlattenRow) -> str:
    before = "nothing" if row.before is None else _size(row.before)
    gone = row.state in {FlattenState.CLOSED, FlattenState.ALREADY_FLAT}
    after = f"{row.after.pos:f}" if row.after is not None else "flat" if gone else "?"
    sent = sum(attempt.sent is not None for attempt in row.attempts)
    closes = f"{sent} close{'s' * (sent != 1)}" if sent else "no close was sent"
    return f"{before} → {after}; {closes}, {row.seconds:.2f} s"


def _orders(report: FlattenReport, where: str) -> Iterator[str]:
    orders = report.open_orders
    if orders is None and report.orders_read:
        count = len(report.orders_read)
        yield f"Orders still pending there could not all be read: look at them. Of those that were: {count}"
        yield from order_lines(report.orders_read)
        return
    if orders is None:
        yield "Orders still pending there could not be read: look at them."
        return
    if not orders:
        yield f"No orders are pending{where}."
        return
    yield f"Orders that are still pending: {len(orders)}; one that fills may open a position again:"
    yield from order_lines(orders)


def order_lines(orders: Sequence[OpenOrder]) -> Iterator[str]:
    """Return a line for each of the first orders."""
    for order in orders[:_SHOWN_ORDERS]:
        size = "" if order.sz is None else f" {order.sz:f}"
        kind = f"{order.ord_type} {order.side}{size}{', reduce only' if order.reduce_only else ''}"
        yield f"  {order.inst_id} {order.pos_side}: {kind}, {order.algo_id or order.ord_id}"
    if len(orders) > _SHOWN_ORDERS:
        yield f"  … and {len(orders) - _SHOWN_ORDERS} more"


def _cancels(report: FlattenReport) -> Iterator[str]:
    """Return what became of the orders that were to be cancelled."""
    if report.cancel_codes:
        others = ", ".join(f"{code} ({count})" for code, count in report.cancel_codes.items() if code != "0")
        yield f"Orders that were cancelled: {len(report.cancelled)}{'; other answers: ' * bool(others)}{others}."
    for position in report.appeared:
        yield f"{_name(position)}: {_size(position)}, found by the second look; left alone"
    yield from report.notes
