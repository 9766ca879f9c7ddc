"""A record of the exchange's answers about positions, of the closes that it executed, and of when clients wrote.

The exchange's journal keeps neither the content of a reading nor the position that a close addressed.
"""

import re
import time
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import orjson

from okx_async import ClosePosition
from okx_async.simulator import Clock, JournalRow
from okx_async.simulator.api.endpoints import CLOSE_PATH
from okx_async.simulator.faults.catalogue import POSITIONS_PATH
from okx_async.simulator.http.messages import Answer, Request

CANCEL_PATHS = {"/api/v5/trade/cancel-batch-orders", "/api/v5/trade/cancel-algos"}
OK = 200
ACCEPTANCE = re.compile(
    rb'HTTP/1\.1 200 .*\r\n\r\n\{"code":"0","data":\[\{[^][}]*"clOrdId":"(\w+)"[^][}]*\}\],"msg":""\}', re.DOTALL
)
MOST_ACCEPTED = 2000
"""Bytes of a short answer that comes twice; longer ones are of positions."""


class Address(NamedTuple):
    """The address of a position; `ccy` is "" except for cross positions of pairs."""

    inst_id: str
    mgn_mode: str
    pos_side: str
    ccy: str


class ListedPosition(NamedTuple):
    """One open position as the exchange lists it."""

    pos_id: str
    c_time: str
    side: str
    pos: str
    u_time: str

    @property
    def identity(self) -> tuple[str, str, str]:
        """The same for all sizes of one position, and another for a new position at the same address."""
        return self.pos_id, self.c_time, self.side


def _pair(inst_id: str) -> bool:
    return inst_id.count("-") == 1


def _address(inst_id: str, mgn_mode: str, pos_side: str, ccy: str) -> Address:
    """Return an address; only that of a cross position of a pair has a currency."""
    return Address(inst_id, mgn_mode, pos_side or "net", ccy if _pair(inst_id) and mgn_mode == "cross" else "")


def is_open(record: Mapping[str, Any]) -> bool:
    """Whether a record of account/positions has a size; the simulated exchange writes plain numbers."""
    return float(record["pos"] or 0) != 0


def address_of(record: Mapping[str, Any]) -> Address:
    """Return the address of a record of account/positions."""
    return _address(record["instId"], record["mgnMode"], record["posSide"], record["ccy"])


def address_of_request(request: ClosePosition) -> Address:
    """Return the address of a request to close."""
    return _address(request.inst_id, request.mgn_mode, request.pos_side or "", request.ccy or "")


def listed_position(record: Mapping[str, Any]) -> ListedPosition:
    """Return the position of a record of account/positions."""
    if _pair(record["instId"]):
        side = record["posCcy"]
    else:
        side = "short" if record["posSide"] == "short" or record["pos"].startswith("-") else "long"
    return ListedPosition(record["posId"], record["cTime"], side, record["pos"], record["uTime"])


@dataclass(frozen=True)
class PositionsAnswer:
    """One answer of account/positions; `at` is when the exchange decided on it, by the loop's clock."""

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
        """The open positions that it lists; None if it is no list."""
        try:
            answer = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None
        if not isinstance(answer, dict) or answer.get("code") != "0" or not isinstance(answer.get("data"), list):
            return None
        return [record for record in answer["data"] if is_open(record)]

    def covers(self, inst_id: str) -> bool:
        """Whether it was asked about an instrument."""
        return self.inst_ids is None or inst_id in self.inst_ids

    def at_address(self, address: Address) -> ListedPosition | None:
        """Return the open position at an address, if there is one."""
        return next((listed_position(record) for record in self.listing or () if address_of(record) == address), None)


@dataclass(frozen=True, slots=True)
class ExecutedClose:
    """One close that the exchange executed, `at` the loop's clock, `counted` at the exchange's."""

    at: float
    counted: float
    user_id: str
    api_key: str
    address: Address
    name: str


@dataclass(slots=True)
class Witness:
    """A listener of the exchange that keeps its positions answers and executed closes."""

    now: Callable[[], float]
    answers: list[PositionsAnswer] = field(default_factory=list)
    executed: list[ExecutedClose] = field(default_factory=list)
    cancels: dict[str, list[float]] = field(default_factory=dict)
    """When the exchange answered requests to cancel an order, by its id and the loop's clock."""
    accepted: dict[str, float] = field(default_factory=dict)
    """When a client was given a whole answer that accepts a close, by the close's name and the loop's clock."""

    def hear(self, data: bytes) -> None:
        """Keep when an acceptance came to a client; ignore all else, and answers in pieces."""
        if len(data) < MOST_ACCEPTED and (found := ACCEPTANCE.match(data)):
            self.accepted.setdefault(found[1].decode(), self.now())

    def observe(self, request: Request, answer: Answer, row: JournalRow) -> None:
        """Keep a positions answer, an executed close or executed cancels; ignore all else."""
        path, _, query = request.raw_path.partition("?")
        if path == POSITIONS_PATH:
            whole = answer.status == OK and answer.cut is None
            body = answer.body if whole else b""
            self.answers.append(PositionsAnswer(self.now(), request.headers.get("OK-ACCESS-KEY", ""), query, body))
        elif path in CANCEL_PATHS and row.executed:
            for item in orjson.loads(request.body):
                self.cancels.setdefault(item.get("algoId") or item["ordId"], []).append(self.now())
        elif path == CLOSE_PATH and row.executed:
            body = orjson.loads(request.body)
            address = _address(body["instId"], body["mgnMode"], body.get("posSide", ""), body.get("ccy", ""))
            self.executed.append(
                ExecutedClose(self.now(), row.at, row.uid, request.headers["OK-ACCESS-KEY"], address, row.cl_ord_id)
            )


class TimedClock(Clock):
    """A wall clock that remembers its source's time for each reading, to convert a client's time stamps back.

    It can be made to fail. A client's time stamps are then of the machine's clock, which is real in virtual time too.
    """

    __slots__ = ("_failed", "_failure", "_machine", "_moments")

    def __init__(self, source: Callable[[], float], *, start: float, machine: Callable[[], float] = time.time) -> None:
        super().__init__(source, start=start)
        self._machine = machine
        self._moments: dict[float, float] = {}
        self._failed: list[tuple[float, float]] = []
        self._failure: float | type[BaseException] | None = None

    def __call__(self) -> float:
        """Return its time in seconds, or fail."""
        failure = self._failure
        if failure is not None:
            self._failed.append((self._machine(), self._source()))
            if isinstance(failure, float):
                return failure
            raise failure("a clock that fails")
        value = super().__call__()
        self._moments[value] = self._source()
        return value

    def shown(self) -> float:
        """Return what it shows, or would show if it did not raise; this reading is not remembered."""
        return self._failure if isinstance(self._failure, float) else super().__call__()

    def fail(self, failure: float | type[BaseException] | None) -> None:
        """Return this time from now on, or raise this exception; None: work again."""
        self._failure = failure

    def moment(self, stamp: float) -> float:
        """Return the source's time at which a client made a time stamp."""
        told = self._moments.get(stamp)
        if told is not None:
            return told
        # The client took the machine's time right after the clock had failed.
        return self._failed[bisect_right(self._failed, (stamp, inf)) - 1][1]
