"""The gateway: takes each request through all checks, to one answer and one row of the journal (pure).

    1. skew; injected fault, uncounted    6. signature over raw path and raw bytes
    2. method, Content-Type, body, JSON   7. permission
    3. headers present                    8. rate; expTime of orders; then injected fault, counted
    4. timestamp                          9. parameters, instrument, side, currency, position, orders: `endpoints`
    5. key, environment, passphrase, IP

The exchange documents no order. With ``body_first=False`` the body's form is checked after authentication (between 6
and 7), with ``rate_first=True`` the request is counted before its signature is checked (between 5 and 6), with
``form_first=True`` after the form of a close's parameters, and the order of 3 to 6 is that of ``auth_checks``.
"""

from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from okx_async.simulator.api.accounts import Accounts
from okx_async.simulator.api.arrivals import Arrivals, JournalRow, RateKey
from okx_async.simulator.api.behaviour import Refusal
from okx_async.simulator.api.calls import Call, Route, Venue
from okx_async.simulator.api.closing import check_form
from okx_async.simulator.api.codes import Refused, error_body, http_error_body, status_of
from okx_async.simulator.api.endpoints import CLOSE_PATH, PATHS, ROUTES
from okx_async.simulator.faults.faults import Fault, Faults, RequestTraits
from okx_async.simulator.http.messages import Answer, Request, accepted, body_of, items_of, query_of

_DIGITS = 18
"""Of a time that is no plausible one any more."""


class Gateway:
    """Decides every request, in the order given above; `journal_cap`: rows of the journal that are kept."""

    def __init__(
        self,
        venue: Venue,
        accounts: Accounts,
        arrivals: Arrivals,
        faults: Faults,
        *,
        journal_cap: int | None = None,
    ) -> None:
        self._venue = venue
        self._accounts = accounts
        self._arrivals = arrivals
        self._faults = faults
        self._behaviour = behaviour = venue.behaviour
        self._body_first = behaviour.body_first
        self._rate_first = behaviour.rate_first
        self._form_first = behaviour.form_first
        self._bare_refusal = False
        self.styles: dict[str, Refusal] = {}
        """Other forms of refusals, by their usual code; they go before those of `Behaviour.refusals`."""
        self.journal: deque[JournalRow] = deque(maxlen=journal_cap)
        self.listeners: list[Callable[[Request, Answer, JournalRow], object]] = []
        """Called with each request, its answer and its row of the journal."""

    def crowd(self, key: RateKey, requests: float) -> None:
        """Let another program use a rate limit too; see `Arrivals.crowd`. Raises ValueError for an unknown user id."""
        if key[0] not in {account.user_id for account in self._accounts.all}:
            raise ValueError(f"no account has the user id {key[0]!r}")
        self._arrivals.crowd(key, requests)

    def decide(self, request: Request, now: float, ms: int, *, forwarded: bool = False) -> Answer:
        """Return the answer to a request, and add its row to the journal.

        Args:
            request: The request.
            now: The exchange's clock, in seconds.
            ms: The server's time, in milliseconds.
            forwarded: Whether a proxy, which has answered already, sends it on; the journal calls that a fault.
        """
        call = Call(
            now,
            ms,
            request.ip,
            part=self._venue.fill,
            fault="forwarded" if forwarded else "",
            by_family=self._behaviour.options_by_family,
            empty_is_absent=self._behaviour.empty_is_absent,
        )
        answer = self._answer(request, call, forwarded=forwarded)
        if self._venue.books.watching and request.raw_path == CLOSE_PATH and not forwarded:
            traits = self._peek(request, CLOSE_PATH, "")  # a fault may have answered before the request was read
            self._venue.books.count_close(traits.user_id, traits.inst_id, now, ms)
        row = JournalRow(
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
        self.journal.append(row)
        for tell in self.listeners:
            tell(request, answer, row)
        return answer

    def _answer(self, request: Request, call: Call, *, forwarded: bool) -> Answer:
        path, _, query = request.raw_path.partition("?")
        fault = None
        if self._faults:
            traits = self._peek(request, path, query) if self._faults.selective else RequestTraits(path)
            for skew in self._faults.skews(traits):
                call.ms += round(1000 * skew.skew)
                call.fault = skew.name
            fault = None if forwarded else self._faults.take(traits, counted=False)
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
        return answer if fault is None else answer._replace(delay=answer.delay + fault.delay)

    def _peek(self, request: Request, path: str, query: str) -> RequestTraits:
        """Return the traits of a request as they stand in its text, without any check."""
        params: Mapping[str, Any] = query_of(query)
        if request.body:
            with suppress(Refused):
                body = body_of(request)
                params, _ = items_of(body, batch=isinstance(body, list))
        user_id = self._accounts.owner(request.headers.get("OK-ACCESS-KEY", ""))
        return RequestTraits(path, user_id, str(params.get("instId", "")), str(params.get("clOrdId", "")))

    def _serve(self, request: Request, call: Call, path: str, query: str) -> Answer:
        route = ROUTES.get((request.method, path))
        if route is None:
            raise Refused("50115")
        malformed: Refused | None = None
        try:
            if route.method == "POST":
                call.params, call.items = items_of(body_of(request), batch=route.batch)
            else:
                call.params = query_of(query)
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
        if call.rate_key is None:  # else it was counted before its signature was checked
            self._count_in_turn(route, call)
        if route.expires and self._behaviour.heeds_exp_time:
            _check_expiry(request.headers.get("expTime", ""), call.ms)
        return self._act(route, call)

    def _authenticate(self, route: Route, request: Request, call: Call) -> None:
        headers = request.headers
        key = call.api_key = self._accounts.identify(headers, call.ms, request.ip)
        if self._rate_first:
            self._count(route, call)
        self._accounts.verify(
            key, headers, request.method, request.raw_path, request.body, server_ms=call.ms, ip=request.ip
        )

    def _count_in_turn(self, route: Route, call: Call) -> None:
        if self._form_first and route.path == CLOSE_PATH:
            check_form(self._venue, call)
        self._count(route, call)

    def _count(self, route: Route, call: Call) -> None:
        if route.alone and len(call.items) == 1:
            route = ROUTES[route.method, route.alone]
        call.rate_key = key = (call.user_id or call.ip, route.scope(call))
        limits = self._behaviour.limits
        limit = limits.get(route.path.removeprefix("/api/v5/"), route.limit) if limits else route.limit
        for _ in call.items or (None,):
            if not self._arrivals.admit(key, limit, call.now, call.ms, route.per):
                raise Refused("50011")

    def _act(self, route: Route, call: Call) -> Answer:
        fault = None
        if self._faults:
            fault = self._faults.take(
                RequestTraits(route.path, call.user_id, call.inst_id, call.cl_ord_id), counted=True
            )
        if fault is None:
            return accepted(route.act(self._venue, call), call.ms)
        call.fault, call.part = fault.name, fault.part
        if fault.answers:
            if fault.executed:
                try:
                    route.act(self._venue, call)
                except Refused as refused:  # nothing could be executed, and the journal says so
                    if fault.if_done:
                        return self._refuse(refused)
            return _faulty(fault)
        try:
            answer = accepted(route.act(self._venue, call), call.ms)
        except Refused as refused:
            answer = self._refuse(refused)
        return answer._replace(delay=fault.delay)

    def _refuse(self, refused: Refused) -> Answer:
        style = self.styles.get(refused.code) or self._behaviour.refusals.get(refused.situation)
        style = style or Refusal(refused.code)
        code, shape, status = style.code, style.shape, style.status
        message = refused.message if code == refused.code else ""
        if status is None:
            status = 200 if shape == "item" else status_of(code)
        if code == "50011" and style.status is None and shape is None:
            # Both were observed: HTTP 429 without `data`, and HTTP 200 with the full body.
            self._bare_refusal = not self._bare_refusal
            status, shape = (429, "bare") if self._bare_refusal else (200, "full")
        return Answer(status, error_body(code, message, shape), code, situation=refused.situation)


def _check_expiry(exp_time: str, ms: int) -> None:
    """Raise Refused if an expTime, in Unix milliseconds, is earlier than the server's time."""
    if exp_time.isascii() and exp_time.isdecimal() and int(exp_time[:_DIGITS]) < ms:
        raise Refused("50036")


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
