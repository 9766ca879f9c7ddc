"""The list of all invariants.

A new invariant is a function that yields a line for each breach, and a row.
"""

from collections.abc import Callable, Iterator

from okx_async.torture.evidence import Breach, Evidence
from okx_async.torture.invariants.calls import promptness, repeats, signatures, truth, windows
from okx_async.torture.invariants.guarding import deadlines, filters, guard, kills
from okx_async.torture.invariants.joins import joins, overlaps
from okx_async.torture.invariants.limiter import order, pauses, reserve, thrift, tokens
from okx_async.torture.invariants.orders import orders
from okx_async.torture.invariants.reports import flat, rows


def leftovers(evidence: Evidence) -> Iterator[str]:
    """No task, timer, connection or exception is left behind."""
    yield from evidence.leftovers


INVARIANTS: dict[str, Callable[[Evidence], Iterator[str]]] = {
    "windows": windows,
    "truth": truth,
    "repeats": repeats,
    "signatures": signatures,
    "promptness": promptness,
    "order": order,
    "pauses": pauses,
    "thrift": thrift,
    "tokens": tokens,
    "reserve": reserve,
    "joins": joins,
    "overlaps": overlaps,
    "leftovers": leftovers,
    "guard": guard,
    "kills": kills,
    "filters": filters,
    "flat": flat,
    "rows": rows,
    "deadlines": deadlines,
    "orders": orders,
}


def judge(evidence: Evidence) -> list[Breach]:
    """Return every breach of every invariant."""
    return [Breach(name, words) for name, check in INVARIANTS.items() for words in check(evidence)]
