"""The order of checks: one request in, one answer out, one row in the journal. No sockets, no clocks, no waiting.

    1. skew; injected fault, uncounted    6. signature over raw path and raw bytes
    2. method, Content-Type, body, JSON   7. permission
    3. headers present                    8. rate; then injected fault, counted
    4. timestamp                          9. parameters, instrument, side, currency, position, orders: `endpoints`
    5. key, environment, passphrase, IP

The exchange documents no order. ``body_first=False`` looks at the body's form after authentication (between 6 and
7), ``rate_first=True`` counts before the signature is checked (between 5 and 6): a client must be right in all.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import orjson

from okx_async.simulator.arrivals import JournalRow
from okx_async.simulator.calls import Call
from okx_async.simulator.codes import Refused, error_body, http_error_body, status_of
from okx_async.simulator.endpoints import CLOSE_PATH, PATHS, ROUTES
from okx_async.simulator.faults import Whose

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from okx_async.simulator.accounts import Accounts
    from okx_async.simulator.arrivals import Arrivals, RateKey
    from okx_async.simulator.calls import Route, Venue
    from okx_async.simulator.codes import Shape
    from okx_async.simulator.faults import Fault, Faults

__all__ = ["Answer", "Gateway", "Request"]


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it arrived.

    ``raw_path``: path and query of the request line; ``headers`` ignore case; ``broken``: the HTTP status that says
    why the body could not be read, 0 if it could.
    """

    method: str
    raw_path: str
    headers: Mapping[str, str]
    body: bytes
    ip: str
    broken: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back; ``status`` 0: nothing does, the connection is cut. ``delay``: s before that.

    ``forwarded``: s from here to a second decision, whose answer goes nowhere. ``padding``, ``pause``, ``cut``,
    ``reset``: how it is sent, see Fault.
    """

    status: int
    body: bytes
    code: str
    content_type: str = "application/json"
    delay: float = 0.0
    forwarded: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    padding: int = 0
    pause: float = 0.0
    cut: int | None = None
    reset: bool = False


@dataclass(frozen=True, slots=True)
class Style:
    """How a refusal is dressed: under another code, in another shape."""

    code: str
    shape: Shape | None


class Gateway:
    """Decides every request, in the order that the module's docstring gives."""

    def __init__(
        self,
        venue: Venue,
        accounts: Accounts,
        arrivals: Arrivals,
        faults: Faults,
        *,
        body_first: bool = True,
        rate_first: bool = False,
        journal_cap: int | None = None,
    ) -> None:
        self._venue = venue
        self._accounts = accounts
        self._arrivals = arrivals
        self._faults = faults
        self._body_first = body_first
        self._rate_first = rate_first
        self._bare_refusal = False
        self.styles: dict[str, Style] = {}
        self.journal: deque[JournalRow] = deque(maxlen=journal_cap)

    def crowd(self, key: RateKey, requests: float) -> None:
        """Let another program use a limit too."""
        self._arrivals.crowd(key, requests)

    def decide(self, request: Request, now: float, ms: int, *, forwarded: bool = False) -> Answer:
        """Answer `request`, counted at `now` (exchange clock, s) and `ms` (server time).

        `forwarded`: it comes from a proxy, which has answered already; the journal calls that a fault.
        """
        call = Call(now, ms, request.ip, part=self._venue.fill, fault="forwarded" if forwarded else "")
        answer = self._answer(request, call, forwarded=forwarded)
        if self._venue.books.watching and request.raw_path == CLOSE_PATH and not forwarded:
            whose = self._peek(request, CLOSE_PATH, "")  # what a proxy answered was not looked at before
            self._venue.books.asked(whose.user_id, whose.inst_id, now, ms)
        self.journal.append(
            JournalRow(
                now,
                call.user_id,
                call.rate_key,
                request.method,
                request.raw_path,
                answer.code,
                answer.status,
                call.executed,
                call.fault,
                call.cl_ord_id,
            )
        )
        return answer

    def _answer(self, request: Request, call: Call, *, forwarded: bool) -> Answer:
        path, _, query = request.raw_path.partition("?")
        whose = self._peek(request, path, query) if self._faults.picky else Whose(path)
        for skew in self._faults.skews(whose):
            call.ms += round(1000 * skew.skew)
            call.fault = skew.name
        fault = None if forwarded else self._faults.take(whose, counted=False)
        if fault:
            call.fault = fault.name
            if fault.answers:
                return _faulty(fault)
        if request.broken or path not in PATHS:
            status = request.broken or 404
            answer = Answer(status, http_error_body(status), str(status))
        else:
            try:
                answer = self._serve(request, call, path, query)
            except Refused as refused:
                answer = self._refuse(refused)
        return answer if fault is None else replace(answer, delay=answer.delay + fault.delay)

    def _peek(self, request: Request, path: str, query: str) -> Whose:
        """Say whose request it is as far as its text tells; nothing of it is checked."""
        params: Mapping[str, Any] = _query(query)
        if request.body:
            with suppress(Refused):
                body = _body(request)
                params, _ = _items(body, batch=isinstance(body, list))
        user_id = self._accounts.owner(request.headers.get("OK-ACCESS-KEY", ""))
        return Whose(path, user_id, str(params.get("instId", "")), str(params.get("clOrdId", "")))

    def _serve(self, request: Request, call: Call, path: str, query: str) -> Answer:
        route = ROUTES.get((request.method, path))
        if route is None:
            raise Refused("50115")
        malformed: Refused | None = None
        try:
            if route.method == "POST":
                call.params, call.items = _items(_body(request), batch=route.batch)
            else:
                call.params = _query(query)
        except Refused as refused:
            malformed = refused
        if malformed and self._body_first:
            raise malformed
        if route.private:
            self._authenticate(route, request, call)
        if malformed:
            raise malformed
        if route.permission and route.permission not in call.key.perm.split(","):
            raise Refused("50120")
        if call.rate_key is None:
            self._count(route, call)
        return self._act(route, call)

    def _authenticate(self, route: Route, request: Request, call: Call) -> None:
        headers = request.headers
        key = call.api_key = self._accounts.identify(headers, call.ms, request.ip)
        if self._rate_first:
            self._count(route, call)
        self._accounts.verify(key, headers, request.method, request.raw_path, request.body)

    def _count(self, route: Route, call: Call) -> None:
        call.rate_key = key = (call.user_id or call.ip, route.scope(call))
        for _ in call.items or (None,):
            if not self._arrivals.admit(key, route.limit, call.now, call.ms, route.per):
                raise Refused("50011")

    def _act(self, route: Route, call: Call) -> Answer:
        fault = None
        if self._faults:
            fault = self._faults.take(Whose(route.path, call.user_id, call.inst_id, call.cl_ord_id), counted=True)
        if fault is None:
            return _accepted(route.act(self._venue, call), call.ms)
        call.fault, call.part = fault.name, fault.part
        if fault.answers:
            if fault.executed:
                try:
                    route.act(self._venue, call)
                except Refused as refused:  # there was nothing to execute, and the journal says so
                    if fault.if_done:
                        return self._refuse(refused)
            return _faulty(fault)
        try:
            answer = _accepted(route.act(self._venue, call), call.ms)
        except Refused as refused:
            answer = self._refuse(refused)
        return replace(answer, delay=fault.delay)

    def _refuse(self, refused: Refused) -> Answer:
        style = self.styles.get(refused.code, Style(refused.code, None))
        code, shape = style.code, style.shape
        message = refused.message if code == refused.code else ""
        status = 200 if shape == "item" else status_of(code)
        if code == "50011" and shape is None:
            # Both are seen: HTTP 429 without `data`, and HTTP 200 with the full body.
            self._bare_refusal = not self._bare_refusal
            status, shape = (429, "bare") if self._bare_refusal else (200, "full")
        return Answer(status, error_body(code, message, shape), code)


def _accepted(data: list[Any], ms: int) -> Answer:
    if not (data and "sCode" in data[0]):
        return Answer(200, orjson.dumps({"code": "0", "data": data, "msg": ""}), "0")
    # Of orders: 0 all, 1 none, 2 some of them.
    refused = [item["sCode"] for item in data if item["sCode"] != "0"]
    code, words = "0", ""
    if refused:
        code, words = (
            ("1", "All operations failed")
            if len(refused) == len(data)
            else ("2", "Bulk operation partially succeeded.")
        )
    body = {"code": code, "data": data, "inTime": f"{ms}000", "msg": words, "outTime": f"{ms}317"}
    return Answer(200, orjson.dumps(body), refused[0] if code == "1" else code)


def _faulty(fault: Fault) -> Answer:
    status, body = fault.answer()
    return Answer(
        status,
        body,
        fault.code,
        fault.content_type,
        delay=fault.delay,
        forwarded=fault.forwarded,
        headers=fault.headers,
        padding=fault.padding,
        pause=fault.pause,
        cut=fault.cut,
        reset=fault.reset,
    )


def _body(request: Request) -> object:
    media_type = request.headers.get("Content-Type", "").partition(";")[0]
    if media_type.strip().lower() != "application/json":
        raise Refused("50006")
    if not request.body:
        raise Refused("50000")
    try:
        return orjson.loads(request.body)
    except orjson.JSONDecodeError:
        raise Refused("50002") from None


def _items(body: object, *, batch: bool) -> tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]:
    """Return the parameters, and the items of a list; each in the form that the endpoint takes."""
    if not batch and isinstance(body, dict):
        return body, ()
    if batch and isinstance(body, list) and all(isinstance(item, dict) for item in body):
        return body[0] if body else {}, body
    raise Refused("50002")


def _query(query: str) -> Mapping[str, Any]:
    if not query:
        return {}
    return dict(reversed(parse_qsl(query, errors="replace")))  # of repeated names the first counts
