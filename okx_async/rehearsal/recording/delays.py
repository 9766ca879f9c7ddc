"""How long closes took in a recording: between the last reading that shows the position, and the next one (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Final

from okx_async.rehearsal.recording.compare import rows_of, size_of, text_of
from okx_async.rehearsal.recording.differences import CLOSE, POSITIONS
from okx_async.rehearsal.recording.entry import Entry

_RUNNING: Final = frozenset({"51032", "51342"})
"""A close is in progress."""
_AHEAD: Final = 1_000  # requests among which the end of a close is looked for
_BESIDE: Final = 64  # requests on their way at once, at most
_STEP: Final = 0.001
"""Seconds by which a position is gone before the reading without it, and open after the one that shows it."""


@dataclass(frozen=True, slots=True)
class Delay:
    """How long one close took, in seconds from its arrival."""

    least: float
    """Until the last reading that shows the position; 0: no reading does."""
    most: float
    """Until the first reading without it; inf: there is none."""

    @property
    def likely(self) -> float:
        """The middle of both, or the least where there is no most."""
        return self.least if self.most == inf else (self.least + self.most) / 2


def arrival(entry: Entry) -> float:
    """Return about when a request arrived, in seconds of the recording: in the middle of its round trip."""
    return entry.at + entry.took / 2


def delays(entries: Sequence[Entry]) -> dict[int, Delay]:
    """Return the delays of the accepted closes, by their places in `entries`."""
    return {
        place: _delay(entry, entry.request, [*_beside(entries, place), *entries[place + 1 : place + _AHEAD]])
        for place, entry in enumerate(entries)
        if entry.endpoint == CLOSE and entry.code == "0" and isinstance(entry.request, dict)
    }


def _beside(entries: Sequence[Entry], place: int) -> list[Entry]:
    """Return the closes that were written a little earlier and were still on their way."""
    before = entries[max(place - _BESIDE, 0) : place]
    return [entry for entry in before if entry.endpoint == CLOSE and entry.at + entry.took > entries[place].at]


def covers(entry: Entry, inst_id: str) -> bool:
    """Whether a reading would list this instrument."""
    query = entry.path.partition("?")[2]
    return not query or any(
        inst_id in pair.partition("=")[2].replace("%2C", ",").split(",") for pair in query.split("&")
    )


def range_of(delays: Sequence[Delay]) -> float | tuple[float, float] | None:
    """Return the narrowest range of seconds that explains all delays; None: 0 does."""
    least = max((delay.least for delay in delays), default=0.0)
    most = min((delay.most for delay in delays), default=inf)
    if not least or most == inf:
        return None
    if least < most:
        return round((least + most) / 2, 6)
    return round(max(most - _STEP, 0.0), 6), round(least + _STEP, 6)


def _delay(close: Entry, request: dict[str, Any], later: Sequence[Entry]) -> Delay:
    begun, inst_id = arrival(close), text_of(request, "instId")
    least = 0.0
    for entry in later:
        if entry.method == "POST" and entry.endpoint != CLOSE and _names(entry.request, inst_id) and entry.code == "0":
            break  # it may have been opened anew
        if entry.endpoint == CLOSE and entry.code in _RUNNING and _is_meant(entry.request, request):
            least = max(arrival(entry) - begun, least, _STEP)
        if entry.endpoint != POSITIONS or entry.code != "0" or not covers(entry, inst_id):
            continue
        if any(size_of(row) and _is_meant(row, request) for row in rows_of(entry.body)):
            least = max(arrival(entry) - begun, least)
        elif arrival(entry) >= begun:
            return Delay(least, max(arrival(entry) - begun, least))
    return Delay(least, inf)


def _is_meant(row: Any, request: dict[str, Any]) -> bool:
    side = text_of(request, "posSide")
    return (
        isinstance(row, dict)
        and text_of(row, "instId") == text_of(request, "instId")
        and text_of(row, "mgnMode") == text_of(request, "mgnMode")
        and (not side or text_of(row, "posSide") == side)
    )


def _names(request: Any, inst_id: str) -> bool:
    items = request if isinstance(request, list) else [request]
    return any(isinstance(item, dict) and item.get("instId") == inst_id for item in items)
