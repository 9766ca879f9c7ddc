"""Reduces a broken history: leaves out strategies and mishaps as long as the same invariant breaks."""

from collections.abc import Iterator
from dataclasses import replace

from okx_async.torture.history import History, happen
from okx_async.torture.plan import Plan


def shrink(history: History) -> History:
    """Return the smallest history found that breaks one of the invariants that `history` breaks."""
    kinds = {breach.invariant for breach in history.broken}
    smallest = history
    more = bool(kinds)
    while more:
        more = False
        for plan in _smaller(smallest.plan):
            attempt = happen(plan)
            if kinds & {breach.invariant for breach in attempt.broken}:
                smallest, more = attempt, True
                break
    return smallest


def _smaller(plan: Plan) -> Iterator[Plan]:
    """Yield the plan without a half of its mishaps or strategies, then without a quarter, down to single ones."""
    for name in ("mishaps", "parts"):
        items = getattr(plan, name)
        size = len(items)
        while size:
            size = size // 2 if size > 1 else 0
            step = max(size, 1)
            for start in range(0, len(items), step):
                yield replace(plan, **{name: items[:start] + items[start + step :]})
