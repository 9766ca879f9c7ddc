"""How long closes took in a recording: between the last reading that shows the position, and the next one (pure).

In the same way: how long new positions, and closed ones, took to be listed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Final

from okx_async.rehearsal.recording.compare import number_of, rows_of, size_of, text_of
from okx_async.rehearsal.recording.differences import CLOSE, HISTORY, POSITIONS
from okx_async.rehearsal.recording.entry import Entry

_RUNNING: Final = frozenset({"51032", "51342"})
"""A close is in progress."""
_ORDER: Final = "/api/v5/trade/order"
_AHEAD: Final = 1_000  # requests among which the end of a close is looked for
_BESIDE: Final = 64  # requests on their way at once, at most
_STEP: Final = 0.001
"""Seconds by which a position is gone before the reading without it, and open after the one that shows it."""


@dataclass(frozen=True, slots=True)
class Delay:
    """How long one change took to be seen, in seconds from the arrival of its request."""

    least: float
    """Until the last reading that does not show it; 0: every reading does."""
    most: float
    """Until the first reading that does; inf: there is none."""

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


def opening_delays(entries: Sequence[Entry]) -> list[Delay]:
    """Return how long positions took to be listed at addresses that no reading before had listed."""
    seen: set[tuple[str, ...]] = set()
    found = []
    for place, entry in enumerate(entries):
        order = entry.request
        if entry.endpoint == POSITIONS:
            seen |= {_address(row, "mgnMode") for row in rows_of(entry.body)}
        elif entry.method == "POST" and entry.endpoint == _ORDER and entry.code == "0" and isinstance(order, dict):
            address = _address(order, "tdMode")
            if address not in seen and text_of(order, "ordType") == "market":
                found.append(_opening(entry, address, entries[place + 1 : place + _AHEAD]))
            seen.add(address)
    return found


def history_delays(entries: Sequence[Entry], started: float) -> list[Delay]:
    """Return how long periods took to be listed in the history; `started`: Unix seconds of the beginning."""
    asked: dict[str, list[tuple[float, int]]] = {}
    found: dict[int, Delay] = {}
    for entry in entries:
        if entry.endpoint != HISTORY or entry.code != "0":
            continue
        latest = max((number_of(row, "uTime") for row in rows_of(entry.body)), default=0)
        ended = latest / 1000 - started
        if ended > 0 and latest not in found:
            before = [at - ended for at, known in asked.get(entry.path, ()) if at >= ended and known < latest]
            found[latest] = Delay(max(before, default=0.0), max(arrival(entry) - ended, *before, 0.0))
        asked.setdefault(entry.path, []).append((arrival(entry), latest))
    return [*found.values()]


def _opening(order: Entry, address: tuple[str, ...], later: Sequence[Entry]) -> Delay:
    begun, least = arrival(order), 0.0
    for entry in later:
        if entry.method == "POST" and entry.code == "0" and _names(entry.request, address[0]):
            break
        if entry.endpoint != POSITIONS or entry.code != "0" or not covers(entry, address[0]):
            continue
        if any(size_of(row) and _address(row, "mgnMode") == address for row in rows_of(entry.body)):
            return Delay(least, max(arrival(entry) - begun, least))
        least = max(arrival(entry) - begun, least)
    return Delay(least, inf)


def _address(row: Mapping[str, Any], mode: str) -> tuple[str, ...]:
    return text_of(row, "instId"), text_of(row, mode), text_of(row, "posSide") or "net"


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
