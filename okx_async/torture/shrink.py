"""Reduces a broken history: leaves out strategies and mishaps as long as the same invariant breaks."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from okx_async.torture.evidence import Breach
from okx_async.torture.history import happen


class Judged(Protocol):
    """A history that was judged."""

    @property
    def plan(self) -> Any:
        """What decided it."""

    @property
    def broken(self) -> tuple[Breach, ...]:
        """What did not hold."""


H = TypeVar("H", bound=Judged)


def shrink(history: H, happen: Callable[[Any], H] = happen) -> H:  # type: ignore[assignment]  # of a History
    """Return the smallest history found that breaks one of the invariants that `history` breaks.

    Args:
        history: The one that broke it.
        happen: Runs a plan: `happen`, or `happen_shared` for a shared history.
    """
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


def _smaller(plan: Any) -> Iterator[Any]:
    """Yield the plan without a half of its mishaps or strategies, then without a quarter, down to single ones."""
    for name in ("mishaps", "parts"):
        items = getattr(plan, name)
        size = len(items)
        while size:
            size = size // 2 if size > 1 else 0
            step = max(size, 1)
            for start in range(0, len(items), step):
                yield replace(plan, **{name: items[:start] + items[start + step :]})
