"""Rows and cells of the matrix: a fault, and what must become of each kind of call that meets it."""

from dataclasses import dataclass, field
from typing import Any

from tests.faults.arrange import Arrange, strike
from tests.faults.ways import Way


@dataclass(frozen=True)
class Cell:
    """What must become of a call; the first six are about the position that is struck."""

    told: str
    """The class of the error, "accepted", or the state of its row in the report of a flatten."""
    code: str = ""
    done: int = 0
    """Closes that the exchange executed."""
    sent: int = 1
    """Closes that arrived."""
    tokens: str = "s"
    """Of each attempt: s settled, d in doubt, r refunded."""
    every_leg: bool = False
    """Whether the other legs meet the same; else they are closed at once."""
    asked: int = 0
    """Requests for the exchange's time."""
    late: int = 0
    """Closes that arrived after the caller was told."""
    flat: bool | None = None
    """What the report of a flatten says; None: there is no report."""
    others: str = ""
    """The state of the other legs of a flatten, if it is not "closed"."""
    more: tuple[str, ...] = ()
    """The states of rows of the report that are about no leg."""
    orders: str = ""
    """What became of the orders that rest beside a flatten which is to cancel them: see `observe`."""


@dataclass(frozen=True)
class Row:
    """A fault, and a cell for each kind of call."""

    group: str
    title: str
    arrange: Arrange
    cells: dict[str, Cell]
    user_id: bool = True
    """Whether the client is given its user id."""
    max_wait: float | None = None
    """Of the call, s; for a flatten it is the deadline."""
    options: dict[str, Any] = field(default_factory=dict)
    """Of the exchange."""
    cancel_orders: bool = False
    """Whether orders rest on `STRUCK`, and a flatten is to cancel them."""
    way: Way | None = None
    """What keeps client and exchange apart, in place of a fault of the exchange."""


class Table(list[Row]):
    """Rows, in the order in which docs/reliability.md shows them."""

    def row(
        self,
        group: str,
        title: str,
        cell: Cell,
        arrange: Arrange | None = None,
        *,
        flatten: Cell,
        own: Cell | None = None,
        **settings: Any,
    ) -> None:
        """Add a row for every kind of call; `own`: the cell of a caller's session, where it is another one."""
        cells = {"close_position": cell, "close_positions": cell, "own session": own or cell, "flatten": flatten}
        self.append(Row(group, title, arrange or strike(title), cells, **settings))

    def either(self, group: str, name: str, code: str = "") -> None:
        """Add two rows: the outcome is unknown, and only a flatten, which reads positions first, may close again."""
        for words, done, tokens in (("executed", 1, "d"), ("not executed", 0, "ds")):
            arrange = strike(name, executed=bool(done))
            self.row(group, f"{name}, {words}", unknown(code, done=done), arrange, flatten=out(tokens))

    def flatten(self, group: str, title: str, cell: Cell, arrange: Arrange, **settings: Any) -> None:
        """Add a row for a flatten alone."""
        self.append(Row(group, title, arrange, {"flatten": cell}, **settings))


# --- cells of a close ---


def accepted(sent: int = 1, tokens: str = "s", **more: Any) -> Cell:
    """It is closed, once."""
    return Cell("accepted", "", 1, sent, tokens, **more)


def unknown(code: str = "", *, done: int, sent: int = 1, **more: Any) -> Cell:
    """It may have been closed: sent once, and its slot is in doubt."""
    return Cell("OutcomeUnknownError", code, done, sent, "d", **more)


def refused(told: str, code: str = "", sent: int = 1, tokens: str = "s", **more: Any) -> Cell:
    """It was not closed."""
    return Cell(told, code, 0, sent, tokens, **more)


def unsent(tokens: str) -> Cell:
    """It never left, however often it was tried; every leg meets the same."""
    return Cell("NotSentError", "", 0, 0, tokens, every_leg=True)


# --- cells of a flatten ---


def out(tokens: str = "s", told: str = "closed", *, sent: int | None = None, done: int = 1, **more: Any) -> Cell:
    """It is gone, and proven gone."""
    return Cell(told, "", done, len(tokens) if sent is None else sent, tokens, flat=True, **more)


def left(told: str, code: str = "", tokens: str = "s", *, done: int = 0, **more: Any) -> Cell:
    """It is still open, or another position is, or the last reading does not tell."""
    return Cell(told, code, done, len(tokens), tokens, flat=False, **more)


def unread(told: str, code: str = "", **more: Any) -> Cell:
    """The first reading failed: its error is raised, and nothing was sent."""
    return Cell(told, code, 0, 0, "", every_leg=True, **more)


def absent() -> Cell:
    """It was gone before the first reading."""
    return Cell("no row", "", 0, 0, "", flat=True)
