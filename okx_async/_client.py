"""The client: what to send, when to send it again, and what to tell the caller."""

from __future__ import annotations

import asyncio
import logging
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from threading import get_ident
from types import TracebackType
from typing import Any, Final, Self

import aiohttp

from okx_async._calls.batch import CloseResult, run_batch
from okx_async._calls.caller import Calls
from okx_async._calls.capacity import Gate
from okx_async._calls.exchange_clock import ExchangeClock
from okx_async._calls.identity import Key, identity_of
from okx_async._calls.sender import Job, Sender
from okx_async._calls.uid_lookup import Discovery
from okx_async._credentials import Credentials
from okx_async._errors import InvalidRequestError, OutcomeUnknownError
from okx_async._flatten.confirm import close_and_confirm
from okx_async._flatten.flatten import FlattenRun
from okx_async._flatten.readings import POSITIONS_QUOTA
from okx_async._flatten.report import FlattenReport, FlattenRow
from okx_async._http.transport import Transport
from okx_async._limiter.limiter import default_limiter
from okx_async._limiter.slots import SlotSource
from okx_async._models import Attempt, ClosedPosition, ClosePosition, MgnMode, Position, PosSide
from okx_async._quota import Priority, Quota
from okx_async._rest import responses as _answer
from okx_async._rest import signing as _wire
from okx_async._rest.rate_keys import check_base_url, check_inst_id, environment, region_url
from okx_async._rest.redaction import Secrets
from okx_async._validation import check_callback, check_list, check_priority, check_seconds, check_wait, short_repr

logger = logging.getLogger("okx_async")

# https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-account-configuration: counted by user id
CONFIG_QUOTA: Final = Quota(5, 2.0)

CONFIRM_TIMEOUT: Final = 30.0


class Client:
    """Closes positions, for any number of awaiting callers in one event loop.

    `credentials`: of the API key, with Trade permission. `user_id`: the UID that the exchange counts limits by; None:
    asked of account/config on first need. `demo`: demo trading. `region`: the account's home, "global", "eea", "us" or
    "tr". `base_url` overrides it; `http://` only for loopback addresses unless `allow_plain_http`. `limiter`: None:
    the one that all clients of this process share. `session`: an aiohttp.ClientSession that you own and close.
    `connect_timeout`: seconds to a usable connection. `timeout`: seconds from there to the complete answer, for each
    attempt (with your own session: from the call). `max_connections`: requests on the wire at once. `keepalive`:
    seconds an idle connection is kept. `on_attempt`: a plain function, called with an Attempt
    after each; what it raises is logged.

    Needs no running loop and does no I/O before the first call; belongs to the loop of its first call.
    Raises InvalidRequestError for arguments that cannot work.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        user_id: str | None = None,
        demo: bool = False,
        region: str = "global",
        base_url: str | None = None,
        allow_plain_http: bool = False,
        limiter: SlotSource | None = None,
        session: aiohttp.ClientSession | None = None,
        connect_timeout: float = 2.0,
        timeout: float = 5.0,
        max_connections: int = 256,
        keepalive: float = 15.0,
        on_attempt: Callable[[Attempt], object] | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        if not isinstance(credentials, Credentials):
            raise InvalidRequestError(f"credentials must be Credentials, got {type(credentials).__name__}")
        check_seconds(connect_timeout=connect_timeout, timeout=timeout, keepalive=keepalive)
        if type(max_connections) is not int or max_connections < 1:
            raise InvalidRequestError(f"max_connections must be an integer ≥ 1, got {short_repr(max_connections)}")
        check_callback("on_attempt", on_attempt)
        home = region_url(region)
        base = home if base_url is None else check_base_url(base_url, allow_plain_http=allow_plain_http)
        if limiter is not None and (isinstance(limiter, type) or not callable(getattr(limiter, "slot", None))):
            raise InvalidRequestError(f"limiter must be a SlotSource, such as a Limiter, got {short_repr(limiter)}")
        if not callable(wall_clock):
            raise InvalidRequestError(f"wall_clock must be callable, got {short_repr(wall_clock)}")
        self._transport = Transport(base, session=session, connect_timeout=connect_timeout, keepalive=keepalive)
        self._identity = identity_of(environment(base, demo=demo), credentials.api_key, user_id)
        self._limiter = default_limiter() if limiter is None else limiter
        self._gate = Gate(max_connections)
        clock = ExchangeClock(wall_clock)
        self._sender = Sender(
            limiter=self._limiter,
            identity=self._identity,
            signer=_wire.Signer(credentials, demo=demo),
            secrets=Secrets(credentials),
            transport=self._transport,
            gate=self._gate,
            timeout=timeout,
            wall_clock=wall_clock,
            clock=clock,
        )
        self._discovery = Discovery(self._identity, self._ask_user_id)
        self._calls = Calls(self._sender, self._limiter, self._discovery, clock, on_attempt)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    @property
    def limiter(self) -> SlotSource:
        """The limiter that grants this client its slots."""
        return self._limiter

    def limiter_key(self, inst_id: str) -> Key:
        """Return the limiter's key of `inst_id`, as the next close would use it: ("live", user id, scope).

        Until the user id is known, a name made from the API key stands in its place.
        """
        return self._identity.key(inst_id)

    async def close_position(
        self,
        inst_id: str,
        mgn_mode: MgnMode,
        *,
        pos_side: PosSide | None = None,
        ccy: str | None = None,
        auto_cxl: bool = False,
        cl_ord_id: str | None = None,
        tag: str | None = None,
        priority: Priority = Priority.NORMAL,
        max_wait: float | None = None,
        confirm: bool = False,
        confirm_timeout: float = CONFIRM_TIMEOUT,
    ) -> ClosedPosition:
        """Close the whole position of one instrument (and side) at market.

        Returns once the exchange has *accepted* the close, which is no proof that the position is gone.
        `max_wait`: seconds from this call to the last send; SlotTimeoutError at once when that is impossible.

        With `confirm` it reads the position first, and returns once the exchange no longer lists it (``closed.flat``);
        as in `flatten`, the close is repeated only if a reading lists the very same position. Not proven within
        `confirm_timeout` seconds of the first answer: OutcomeUnknownError; another position in its place:
        RejectedError that says so.

        Raises InvalidRequestError (nothing sent), NotSentError (nothing sent), RejectedError (refused, nothing
        executed) or OutcomeUnknownError (may have been executed: ask positions). A refusal for rate is repeated after
        its window, at most 5 times. Cancelling may leave the close executed: then the CancelledError has a note.
        Two overlapping closes of one position are both sent, with `confirm` too.

        https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-close-positions
        """
        # `_bind`, without a word where it has none to say: a loop knows the thread it runs in, None at rest.
        # (get_running_loop costs 200 ns more until Python 3.12, and uvloop's do not tell.)
        if self._closed or getattr(self._loop, "_thread_id", None) != get_ident():
            self._bind()
        if max_wait is not None:
            check_wait(max_wait)
        request = ClosePosition(inst_id, mgn_mode, pos_side, ccy, auto_cxl, cl_ord_id, tag)
        lane = priority if type(priority) is Priority else check_priority(priority)
        if confirm or confirm_timeout != CONFIRM_TIMEOUT:
            check_seconds(confirm_timeout=confirm_timeout)
        if confirm:
            return await close_and_confirm(self._calls, request, lane, max_wait, confirm_timeout)
        # `_close`, written out: a coroutine less.
        job = Job("POST", _wire.CLOSE_PATH, _wire.close_body(request), inst_id)
        answer, attempts = await self._calls.call(job, lane, max_wait, request)
        return _answer.closed_position(answer, request, attempts)

    async def close_positions(
        self,
        requests: Iterable[ClosePosition],
        *,
        priority: Priority = Priority.NORMAL,
        max_wait: float | None = None,
        on_result: Callable[[CloseResult], object] | None = None,
    ) -> list[CloseResult]:
        """Close many positions at once; the results are in the order of `requests`.

        A leg's failure is in its result: it neither raises nor stops another leg. `on_result` is called with each
        result as it arrives; what it raises is logged. If this call is cancelled, `on_result` has been told of every
        leg that was decided.
        """
        self._bind()
        check_wait(max_wait)
        lane = check_priority(priority)
        legs = check_list("requests", requests, ClosePosition)
        check_callback("on_result", on_result)

        return await run_batch(legs, lambda leg: self._close(leg, lane, max_wait), on_result)

    async def flatten(
        self,
        inst_ids: Iterable[str] | None = None,
        *,
        where: Callable[[Position], object] | None = None,
        auto_cxl: bool = True,
        deadline: float = 30.0,
        priority: Priority = Priority.PANIC,
        on_progress: Callable[[FlattenRow], object] | None = None,
    ) -> FlattenReport:
        """Close every position, of all instruments or of `inst_ids`, and prove that the exchange lists them no more.

        `where`: only those positions for which it is true. `auto_cxl`: cancel the pending orders that stand in the way.
        `deadline`: seconds from this call to the last close; what is on the wire by then is awaited. `on_progress`:
        called with a position's row whenever it changes, and at the end; what it raises is logged.

        Each position has one close in flight. It is closed again only if a reading at most 1 s old lists the very same
        position: one that was opened meanwhile is left alone. Raises what the first reading of positions raises, as
        `positions` does, and what `where` raises in it; nothing was sent then. All else is in the report.
        """
        self._bind()
        check_seconds(deadline=deadline)
        lane = check_priority(priority)
        check_callback("where", where)
        check_callback("on_progress", on_progress)
        if not isinstance(auto_cxl, bool):
            raise InvalidRequestError(f"auto_cxl must be True or False, got {short_repr(auto_cxl)}")
        wanted: list[str] | None = None
        if inst_ids is not None:
            wanted = list(dict.fromkeys(check_list("inst_ids", inst_ids, str)))
            if not wanted:
                raise InvalidRequestError(
                    "inst_ids is empty: nothing would be closed and nothing proven; None means all"
                )
            for inst_id in wanted:
                check_inst_id(inst_id)
        return await FlattenRun(
            self._calls,
            inst_ids=wanted,
            where=where,
            auto_cxl=auto_cxl,
            deadline=deadline,
            priority=lane,
            on_progress=on_progress,
        ).run()

    async def positions(self, inst_ids: Iterable[str] | None = None) -> list[Position]:
        """Return the open positions, of all instruments or of `inst_ids`.

        Records that the exchange lists as flat are left out. Raises as `close_position` does; OutcomeUnknownError
        if there was no answer that can be read.

        https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-positions
        """
        self._bind()
        paths = [_wire.positions_path(None)]
        if inst_ids is not None:
            wanted: Sequence[str] = list(dict.fromkeys(check_list("inst_ids", inst_ids, str)))
            size = _wire.MAX_POSITIONS_IDS
            paths = [_wire.positions_path(wanted[i : i + size]) for i in range(0, len(wanted), size)]
        found: list[Position] = []
        for path in paths:
            job = Job("GET", path, b"", "account/positions", POSITIONS_QUOTA)
            answer, _ = await self._calls.call(job, Priority.NORMAL, None)
            found += [position for position in _answer.positions(answer) if position.pos != 0]
        return found

    async def warm_up(self, connections: int) -> int:
        """Open so many connections, learn the user id, and return how many connections stand ready.

        Spends no quota of close-position. Never more than `max_connections`, with those on the wire; they close after
        `keepalive` seconds without use, and called again it replaces what has grown old. Raises AuthenticationError if
        the key is refused; what else goes wrong is logged.
        """
        self._bind()
        if type(connections) is not int or connections < 0:
            raise InvalidRequestError(f"connections must be an integer ≥ 0, got {short_repr(connections)}")
        await self._discovery.known(None)
        self._bind()  # closed meanwhile: nothing would close what is opened now
        bound = self._gate.bound
        wanted = min(connections, bound - self._gate.taken)
        opened = await self._transport.open(wanted, bound)
        if opened < wanted:
            logger.warning("warm_up: only %d of %d connections could be opened", opened, wanted)
        return opened

    async def aclose(self) -> None:
        """End queued calls in NotSentError, await those on the wire up to `timeout`, close the connections."""
        if self._closed:
            return
        if self._loop is None:
            self._closed = True
            return
        self._bind()
        self._closed = True
        self._sender.close()
        try:
            await self._discovery.aclose()
            await self._sender.aclose()
        finally:  # cancelled too: no connection is left open
            await self._transport.aclose()

    async def __aenter__(self) -> Self:
        self._bind()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<Client {self._identity!r}{' closed' if self._closed else ''}>"

    def __del__(self, _warn: Callable[..., Any] = warnings.warn) -> None:
        transport = getattr(self, "_transport", None)  # not there if __init__ refused its arguments
        if transport is not None and transport.opened and not self._closed:
            _warn(f"unclosed {self!r}: use it as `async with`, or await aclose()", ResourceWarning, source=self)

    def _bind(self) -> None:
        if self._closed:
            raise RuntimeError("this client is closed")
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            raise RuntimeError("this client belongs to another event loop: make one for each")

    async def _close(self, request: ClosePosition, priority: Priority, max_wait: float | None) -> ClosedPosition:
        job = Job("POST", _wire.CLOSE_PATH, _wire.close_body(request), request.inst_id)
        answer, attempts = await self._calls.call(job, priority, max_wait, request)
        return _answer.closed_position(answer, request, attempts)

    async def _ask_user_id(self) -> str:
        job = Job("GET", _wire.CONFIG_PATH, b"", "account/config", CONFIG_QUOTA, anonymous=True)
        answer, _ = await self._calls.call(job, Priority.PANIC, None, once=True)  # discovery repeats at its own pace
        user_id = _answer.uid(answer)
        if user_id is None:
            raise OutcomeUnknownError("account/config: the answer names no uid", status=answer.status)
        return user_id
