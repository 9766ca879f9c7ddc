"""What the exchange was asked and what it told, word for word, and when a client wrote: evidence about those who flee.

The journal does not say what a reading listed, nor which position a close was of; here it is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import orjson

from okx_async import ClosePosition
from okx_async.simulator import Clock, JournalRow
from okx_async.simulator.api.endpoints import CLOSE_PATH
from okx_async.simulator.faults.catalogue import POSITIONS_PATH
from okx_async.simulator.http.messages import Answer, Request

OK = 200


class Place(NamedTuple):
    """What a close is addressed to; `ccy` is "" but for pairs."""

    inst_id: str
    mgn_mode: str
    pos_side: str
    ccy: str


class View(NamedTuple):
    """One open position as the exchange lists it: which one, and how large."""

    pos_id: str
    c_time: str
    side: str
    pos: str
    u_time: str

    @property
    def which(self) -> tuple[str, str, str]:
        """What tells one position from another: a new one in the same place differs, another size does not."""
        return self.pos_id, self.c_time, self.side


def _pair(inst_id: str) -> bool:
    return inst_id.count("-") == 1


def _place(inst_id: str, mgn_mode: str, pos_side: str, ccy: str) -> Place:
    """Return the place; only a cross position of a pair is named by its currency too."""
    return Place(inst_id, mgn_mode, pos_side or "net", ccy if _pair(inst_id) and mgn_mode == "cross" else "")


def is_open(record: Mapping[str, Any]) -> bool:
    """Whether a record of account/positions is of something open; the simulated exchange writes plain numbers."""
    return float(record["pos"] or 0) != 0


def place_of(record: Mapping[str, Any]) -> Place:
    """Return where a listed position stands."""
    return _place(record["instId"], record["mgnMode"], record["posSide"], record["ccy"])


def place_of_request(request: ClosePosition) -> Place:
    """Return what a request to close is addressed to."""
    return _place(request.inst_id, request.mgn_mode, request.pos_side or "", request.ccy or "")


def view_of(record: Mapping[str, Any]) -> View:
    """Return what a record says of its position."""
    if _pair(record["instId"]):
        side = record["posCcy"]
    else:
        side = "short" if record["posSide"] == "short" or record["pos"].startswith("-") else "long"
    return View(record["posId"], record["cTime"], side, record["pos"], record["uTime"])


@dataclass(frozen=True)
class Told:
    """One answer to a question for positions, at the moment in which it was decided (the loop's clock)."""

    at: float
    api_key: str
    query: str
    body: bytes

    @cached_property
    def inst_ids(self) -> frozenset[str] | None:
        """The instruments that were asked for; None: all."""
        named = parse_qs(self.query).get("instId")
        return frozenset(named[0].split(",")) if named else None

    @cached_property
    def listing(self) -> list[Mapping[str, Any]] | None:
        """What it lists, flat places left out; None if it is no list."""
        try:
            answer = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None
        if not isinstance(answer, dict) or answer.get("code") != "0" or not isinstance(answer.get("data"), list):
            return None
        return [record for record in answer["data"] if is_open(record)]

    def covers(self, inst_id: str) -> bool:
        """Whether it speaks of an instrument."""
        return self.inst_ids is None or inst_id in self.inst_ids

    def at_place(self, place: Place) -> View | None:
        """Return what it says of a place; None: nothing is open there."""
        return next((view_of(record) for record in self.listing or () if place_of(record) == place), None)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to close that the exchange executed; `at`: by the loop's clock, `counted`: by the exchange's."""

    at: float
    counted: float
    user_id: str
    api_key: str
    place: Place
    name: str


@dataclass(slots=True)
class Witness:
    """Listens to the exchange."""

    now: Callable[[], float]
    told: list[Told] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)

    def hear(self, request: Request, answer: Answer, row: JournalRow) -> None:
        """Take a request down, if it is of interest."""
        path, _, query = request.raw_path.partition("?")
        if path == POSITIONS_PATH:
            whole = answer.status == OK and answer.cut is None
            body = answer.body if whole else b""
            self.told.append(Told(self.now(), request.headers.get("OK-ACCESS-KEY", ""), query, body))
        elif path == CLOSE_PATH and row.executed:
            body = orjson.loads(request.body)
            place = _place(body["instId"], body["mgnMode"], body.get("posSide", ""), body.get("ccy", ""))
            self.asked.append(
                Asked(self.now(), row.at, row.uid, request.headers["OK-ACCESS-KEY"], place, row.cl_ord_id)
            )


class TimedClock(Clock):
    """A clock that keeps when, by its source, it told which time: a client's time stamps become moments again."""

    __slots__ = ("moments",)

    def __init__(self, source: Callable[[], float], *, start: float) -> None:
        super().__init__(source, start=start)
        self.moments: dict[float, float] = {}

    def __call__(self) -> float:
        """Return its time in seconds."""
        value = super().__call__()
        self.moments[value] = self._source()
        return value
