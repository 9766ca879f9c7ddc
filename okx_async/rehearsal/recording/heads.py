"""How large heads were in a recording: of requests by what the trial tells, of answers as measured (pure)."""

from collections.abc import Iterable, Iterator, Sequence
from math import inf
from statistics import median
from typing import Final

from okx_async.rehearsal.recording.differences import HEADS, Found, Kind
from okx_async.rehearsal.recording.document import Recording
from okx_async.rehearsal.recording.entry import Entry
from okx_async.rehearsal.results import TrialResult

_LEAST: Final = 1024
"""Bytes that the setting has at least."""
_OWN: Final = 200
"""Bytes that the simulated exchange's heads have in any case."""
_MOST: Final = 65536
_WHOLE: Final = (
    2  # headers from which on all of them are in the recording: of the library's client there is one at most
)


def head_sizes(results: Iterable[TrialResult]) -> tuple[int, float] | None:
    """Return the bytes of the largest head of a request that was taken, and of the one that was refused, inf: none."""
    for result in results:
        taken, refused = (result.observed.get(name) for name in ("head_taken", "head_refused"))
        if result.id == HEADS and type(taken) is int:
            return taken, refused if type(refused) is int else inf
    return None


def unlike(sizes: tuple[int, float] | None, max_head: int) -> Found | None:
    """Return the difference to an exchange that takes heads of `max_head` bytes; None: there is none."""
    taken, refused = sizes or (0, inf)
    if max_head < taken:
        return Found(Kind.VALUE, f"a head of {taken} bytes", "taken", "refused")
    if refused <= max_head:
        return Found(Kind.VALUE, f"a head of {refused} bytes", "refused", "taken")
    return None


def settled_heads(recording: Recording) -> Iterator[tuple[str, int]]:
    """Yield the settings of heads that a recording measures."""
    sizes, usual = head_sizes(recording.results), answer_head(recording.entries)
    if sizes is not None and sizes[0] >= _LEAST:
        yield "max_head", sizes[0]
    if usual is not None:
        yield "answer_head", usual


def answer_head(entries: Sequence[Entry]) -> int | None:
    """Return the bytes that heads of answers usually have; None: no more than the simulated exchange's own."""
    sizes = [entry.head for entry in entries if len(entry.headers) >= _WHOLE]
    usual = round(median(sizes)) if sizes else 0
    return usual if _OWN < usual <= _MOST else None
