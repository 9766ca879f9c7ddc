"""Which of several checks comes first: the requests of a recording that tell it, and the settled orders (pure)."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from okx_async.rehearsal.recording.compare import text_of
from okx_async.rehearsal.recording.differences import (
    BODY_FIRST,
    CLOSE_IN_ORDER,
    LIMIT_FIRST,
    LIMIT_PASSES,
    LOGIN_IN_ORDER,
    SIGNED_FIRST,
)
from okx_async.rehearsal.recording.entry import Entry
from okx_async.rehearsal.results import TrialResult
from okx_async.simulator import Behaviour
from okx_async.simulator.api.behaviour import AUTH_CHECKS, CLOSE_CHECKS

ORDERS: Final = {"auth_checks": (LOGIN_IN_ORDER, AUTH_CHECKS), "close_checks": (CLOSE_IN_ORDER, CLOSE_CHECKS)}
"""The assumption that is about each order, and the order by default."""
_BURST: Final = frozenset({LIMIT_PASSES, SIGNED_FIRST, LIMIT_FIRST})
"""Trials of one experiment: most of its requests have one thing wrong."""
_MODES: Final = frozenset({"cross", "isolated"})


def tells_order(entry: Entry) -> bool:
    """Whether several things are wrong with a request: its answer tells an order, and not how each is refused."""
    if entry.trial in _BURST:
        return is_wrongly_signed(entry) or is_malformed(entry)
    return entry.trial in {BODY_FIRST, LOGIN_IN_ORDER, CLOSE_IN_ORDER}


def is_wrongly_signed(entry: Entry) -> bool:
    """Whether the signature of a request is wrong."""
    return entry.login is not None and entry.login.signature == "wrong"


def is_malformed(entry: Entry) -> bool:
    """Whether a close names no margin mode that there is."""
    return isinstance(entry.request, dict) and text_of(entry.request, "mgnMode") not in _MODES


def settled_orders(results: Iterable[TrialResult]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the orders of checks that trials have told, by the names of their settings."""
    for result in results:
        for name, (trial, usual) in ORDERS.items():
            told = result.observed.get(name)
            if result.id == trial and isinstance(told, str):
                order: Any = arranged(usual, told.split())
                try:
                    Behaviour(**{name: order})
                except ValueError:  # a stranger's, which cannot be
                    continue
                yield name, order


def arranged(usual: Sequence[str], told: Sequence[str]) -> tuple[str, ...]:
    """Return an order with those that were told in their order, and each other one as near to its place as can be."""
    left, due = list(usual), [name for name in dict.fromkeys(told) if name in usual]
    made: list[str] = []
    while left:
        name = next(name for name in left if name not in due or name == due[0])
        left.remove(name)
        made.append(name)
        due = due[1:] if due and name == due[0] else due
    return tuple(made)
