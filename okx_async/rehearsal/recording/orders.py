"""Which of several checks comes first: the requests of a recording that tell it, and the settled orders (pure)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from okx_async.rehearsal.recording.compare import text_of
from okx_async.rehearsal.recording.differences import (
    BODY_FIRST,
    CLOSE_IN_ORDER,
    LIMIT_FIRST,
    LIMIT_PASSES,
    LOGIN_IN_ORDER,
    POSITION_FIRST,
    SIGNED_FIRST,
)
from okx_async.rehearsal.recording.entry import Entry
from okx_async.rehearsal.results import TrialResult
from okx_async.simulator import Behaviour
from okx_async.simulator.api.behaviour import AUTH_CHECKS, CLOSE_CHECKS

ORDERS: Final[Mapping[str, tuple[frozenset[str], tuple[str, ...]]]] = {
    "auth_checks": (frozenset({LOGIN_IN_ORDER}), AUTH_CHECKS),
    "close_checks": (frozenset({CLOSE_IN_ORDER, POSITION_FIRST}), CLOSE_CHECKS),
}
"""The assumptions that are about each order, and the order by default."""
_BURST: Final = frozenset({LIMIT_PASSES, SIGNED_FIRST, LIMIT_FIRST})
"""Trials of one experiment: most of its requests have one thing wrong."""
_MODES: Final = frozenset({"cross", "isolated"})


def tells_order(entry: Entry) -> bool:
    """Whether several things are wrong with a request: its answer tells an order, and not how each is refused."""
    if entry.trial in _BURST:
        return is_wrongly_signed(entry) or is_malformed(entry)
    if entry.trial == POSITION_FIRST:
        return isinstance(entry.request, dict) and text_of(entry.request, "mgnMode") == "isolated"
    return entry.trial in {BODY_FIRST, LOGIN_IN_ORDER, CLOSE_IN_ORDER}


def is_wrongly_signed(entry: Entry) -> bool:
    """Whether the signature of a request is wrong."""
    return entry.login is not None and entry.login.signature == "wrong"


def is_malformed(entry: Entry) -> bool:
    """Whether a close names no margin mode that there is."""
    return isinstance(entry.request, dict) and text_of(entry.request, "mgnMode") not in _MODES


def settled_orders(results: Iterable[TrialResult]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the orders of checks that trials have told, by the names of their settings."""
    results = [*results]
    for name, (trials, usual) in ORDERS.items():
        told = [result.observed[name] for result in results if result.id in trials and name in result.observed]
        order: Any = arranged(usual, *(each.split() for each in told if isinstance(each, str)))
        try:
            Behaviour(**{name: order})
        except ValueError:  # a stranger's, which cannot be
            continue
        if told:
            yield name, order


def arranged(usual: Sequence[str], *told: Sequence[str]) -> tuple[str, ...]:
    """Return an order with the checks of each that was told in their order, and all others near their places."""
    sequences = [[name for name in dict.fromkeys(each) if name in usual] for each in told]
    left, made = list(usual), list[str]()
    while left:
        held = {name for each in sequences for name in [one for one in each if one in left][1:]}
        name = next((name for name in left if name not in held), left[0])  # a stranger's may contradict one another
        left.remove(name)
        made.append(name)
    return tuple(made)
