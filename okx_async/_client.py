"""The public client: it checks arguments and calls down."""

import time
import warnings
from collections.abc import Callable, Iterable
from ssl import SSLContext
from typing import Any, Literal, NoReturn, Self

import aiohttp
from aiohttp.abc import AbstractResolver

from okx_async._calls.batch import CloseResult, run_batch
from okx_async._calls.identity import Key
from okx_async._calls.loop_binding import LoopBinding
from okx_async._calls.reports import LimitEvent
from okx_async._calls.wiring import wire_caller
from okx_async._credentials import Credentials
from okx_async._errors import OkxError, hides_arguments, without_frames
from okx_async._flatten.arguments import FlattenArguments
from okx_async._flatten.closing import CONFIRM_TIMEOUT, Closer
from okx_async._flatten.flatten import FlattenRun
from okx_async._flatten.readings import read_positions
from okx_async._flatten.report import FlattenReport, FlattenRow
from okx_async._http.route import NetworkOptions, make_route
from okx_async._limiter.slots import SlotSource
from okx_async._models import Attempt, ClosedPosition, ClosePosition, MgnMode, OpenOrder, Position, PosSide
from okx_async._quota import Priority
from okx_async._rest.hosts import host_of
from okx_async._validation import (
    check_bool,
    check_callback,
    check_count,
    check_list,
    check_priority,
    check_seconds,
    check_wait,
)


class Client:
    """A client of OKX's REST API that closes positions, for any number of tasks of one event loop.

    It needs no running loop and does no I/O before the first call, and belongs to the loop of its first call.

    Args:
        credentials: The API key, with Trade permission.
        user_id: The UID that the exchange counts limits by. None: it is asked of account/config on first need.
        demo: Whether to use demo trading.
        region: The account's home: "global", "eea", "us", "app" (the US, too), "au" or "tr".
        base_url: The REST host, in place of that of `region`.
        counts_as: "live" ("demo" with `demo`), if `base_url` leads to OKX by another name: one UID has one limit then.
        allow_plain_http: Whether `http://` is allowed for hosts other than loopback addresses.
        limiter: Grants the slots. None: the limiter that all clients of this process share.
        session: An aiohttp.ClientSession that you own and close. None: one of the client's own.
        proxy: ``http://user:password@host:port`` or https, for all connections; "env": as HTTPS_PROXY and NO_PROXY say.
        ssl: The SSLContext that decides which certificates are trusted. None: SSL_CERT_FILE, else this system's.
        local_addr: The address of this machine that connections leave from.
        family: socket.AF_INET or AF_INET6, for connections by IPv4 or IPv6 only.
        resolver: Looks up host names, an aiohttp.abc.AbstractResolver that you own and close.
        connect_timeout: Seconds to a usable connection, for each attempt; above 0.
        timeout: Seconds, above 0, from there to the complete answer; with your own session, from the call.
        max_connections: Most requests on the wire at once, at least 1.
        keepalive: Seconds, at least 0, for which an idle connection is kept. 0: each request has one of its own.
        join: Whether closes of one position are joined, unless a call says otherwise: see `close_position`.
        on_attempt: A plain function, called with an `Attempt` after each attempt of a close. What it raises is logged.
        on_limit: Likewise, called with a `LimitEvent` after each wait for a slot, and when a key pauses.
        wall_clock: The time in Unix seconds, for signatures and records.

    Raises:
        InvalidRequestError: An argument cannot work.
    """

    @hides_arguments
    def __init__(
        self,
        credentials: Credentials,
        *,
        user_id: str | None = None,
        demo: bool = False,
        region: str = "global",
        base_url: str | None = None,
        counts_as: Literal["live", "demo"] | None = None,
        allow_plain_http: bool = False,
        limiter: SlotSource | None = None,
        session: aiohttp.ClientSession | None = None,
        proxy: str | None = None,
        ssl: SSLContext | None = None,
        local_addr: str | tuple[str, int] | None = None,
        family: int = 0,
        resolver: AbstractResolver | None = None,
        connect_timeout: float = 2.0,
        timeout: float = 5.0,
        max_connections: int = 256,
        keepalive: float = 15.0,
        join: bool = False,
        on_attempt: Callable[[Attempt], object] | None = None,
        on_limit: Callable[[LimitEvent], object] | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        base = host_of(region, base_url, allow_plain_http=allow_plain_http)
        own = NetworkOptions(proxy, ssl, local_addr, family, resolver)
        self._wiring = wire_caller(
            credentials,
            base,
            user_id=user_id,
            demo=demo,
            limiter=limiter,
            session=session,
            connect_timeout=connect_timeout,
            timeout=timeout,
            max_connections=max_connections,
            keepalive=keepalive,
            route=make_route(base, own, session),
            counts_as=counts_as,
            on_attempt=on_attempt,
            on_limit=on_limit,
            wall_clock=wall_clock,
        )
        self._caller = self._wiring.caller
        self._closer = Closer(self._caller, join=check_bool("join", join))
        self._binding = LoopBinding()

    @property
    def closed(self) -> bool:
        """Whether the client was closed, so that nothing more is sent."""
        return self._binding.closed

    @property
    def limiter(self) -> SlotSource:
        """The limiter that grants this client its slots."""
        return self._wiring.limiter

    def limiter_key(self, inst_id: str) -> Key:
        """Return the limiter's key of `inst_id`, as the next close would use it: ("live", user id, scope).

        Until the user id is known, a name made from the API key stands in its place.

        Args:
            inst_id: The instrument, such as "BTC-USDT-SWAP".
        """
        return self._wiring.identity.key(inst_id)

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
        join: bool | None = None,
    ) -> ClosedPosition:
        """Close the whole position of one instrument (and side) at market.

        Returns once the exchange has *accepted* the close, which is no proof that the position is gone. A refusal for
        rate is repeated after its window, at most 5 times. Without `join` two overlapping closes are both sent.
        Cancelling may leave the close executed: then the CancelledError has a note.

        Args:
            inst_id: The instrument, such as "BTC-USDT-SWAP".
            mgn_mode: "cross" or "isolated".
            pos_side: "long" or "short" in long/short mode, else None or "net".
            ccy: The margin currency, needed for a cross MARGIN position.
            auto_cxl: Whether the exchange shall cancel pending orders that are in the way. A refusal because of them is
                repeated then, at most 3 times.
            cl_ord_id: Your own id of the order: 1 to 32 ASCII letters and digits.
            tag: Your own tag of the order: 1 to 16 ASCII letters and digits.
            priority: The lane in which it waits for its slot. PANIC goes ahead of every NORMAL waiter of its key.
            max_wait: Seconds, at least 0, from this call to the last send; SlotTimeoutError at once if that cannot be.
                0: it waits for no slot, only for a connection (`connect_timeout`). None: no bound on the first send,
                30 s from there for repeats.
            confirm: Whether to return only once the exchange no longer lists the position (``closed.flat``). It is
                read first; as in `flatten`, the close is repeated only if a reading lists the very same position.
            confirm_timeout: Seconds from the first answer within which that must be proven; above 0.
            join: Whether to await a close of the same position (`inst_id`, `mgn_mode`, `pos_side`, `ccy`) in flight by
                `join` or a flatten of this client, and return its result; `max_wait` and cancellation stay the caller's
                own. With `confirm` a plain close is awaited, then confirmed. None: as the client's.

        Raises:
            InvalidRequestError: A parameter is wrong; nothing was sent.
            NotSentError: Nothing was sent.
            RejectedError: Refused, nothing was executed; with `confirm` also if another position stands in its place.
            OutcomeUnknownError: It may have been executed, or is not proven in time: ask positions.

        https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-close-positions
        """
        self._binding.use()
        check_wait(max_wait)
        close = ClosePosition(inst_id, mgn_mode, pos_side, ccy, auto_cxl, cl_ord_id, tag)
        check_priority(priority)
        check_bool("join", join, or_none=True)
        if check_bool("confirm", confirm) or confirm_timeout != CONFIRM_TIMEOUT:
            check_seconds(confirm_timeout=confirm_timeout)
        try:
            if confirm:
                return await self._closer.confirm(close, priority, max_wait, confirm_timeout, join=join)
            return await self._closer.close(close, priority, max_wait, join=join)
        except OkxError as error:
            raise without_frames(error) from None

    async def close_positions(
        self,
        requests: Iterable[ClosePosition],
        *,
        priority: Priority = Priority.NORMAL,
        max_wait: float | None = None,
        on_result: Callable[[CloseResult], object] | None = None,
        join: bool | None = None,
    ) -> list[CloseResult]:
        """Close many positions at once; the results are in the order of `requests`.

        A leg's failure is in its result and stops no other. Cancelling may leave closes executed: then the
        CancelledError has a note for each.

        Args:
            requests: The positions to close.
            priority: The lane in which they wait.
            max_wait: Seconds from this call to the last send of each leg, at least 0; None: as in `close_position`.
            on_result: A plain function, called with each result as it arrives. What it raises is logged.
            join: As in `close_position`, for each leg; legs of one position have one result.
        """
        self._binding.use()
        check_wait(max_wait)
        check_priority(priority)
        legs = check_list("requests", requests, ClosePosition)
        check_callback("on_result", on_result)
        check_bool("join", join, or_none=True)
        return await run_batch(legs, lambda leg: self._closer.close(leg, priority, max_wait, join=join), on_result)

    async def flatten(
        self,
        inst_ids: Iterable[str] | None = None,
        *,
        where: Callable[[Position], object] | None = None,
        auto_cxl: bool = True,
        tag: str | None = None,
        deadline: float = 30.0,
        priority: Priority = Priority.PANIC,
        on_progress: Callable[[FlattenRow], object] | None = None,
        unread: Literal["close", "leave"] = "close",
        cancel_orders: Literal["entries"] | Callable[[OpenOrder], object] | None = None,
        look_again: float = 2.0,
    ) -> FlattenReport:
        """Close every position and prove that the exchange lists none of them any more.

        Each position has one close in flight. It is closed again only if a reading at most 1 s old lists the very same
        position: one that was opened meanwhile is left alone.

        Args:
            inst_ids: Instruments to close. None: all.
            where: A plain function of a Position; only positions for which it is true are closed.
            auto_cxl: Whether the exchange shall cancel pending orders that are in the way.
            tag: Your own tag of each close, as in `close_position`.
            deadline: Seconds from this call to the last close, above 0. What is on the wire by then is awaited.
            priority: The lane in which closes and readings wait.
            on_progress: A plain function, called with each row that changes, and at the end; its errors are logged.
            unread: A first close whose reading is old, with none to be had: "close" sends it, "leave" waits for one.
            cancel_orders: "entries": orders that could open a position or add to one are cancelled at once, algo orders
                included, on `inst_ids` (with `where`: beside its positions); protective ones after all is proven flat.
                A plain function of an OpenOrder: only those for which it is true. None: only what `auto_cxl` does.
            look_again: With `cancel_orders`: seconds, at least 0, to a second look for what opened meanwhile. 0: none.

        Raises:
            OkxError: The first reading or `where` in it failed; nothing was sent. All else is in the report.
        """
        self._binding.use()
        arguments = FlattenArguments(
            inst_ids, where, auto_cxl, tag, deadline, priority, on_progress, unread, cancel_orders, look_again
        )
        try:
            return await FlattenRun(self._caller, arguments).run()
        except OkxError as error:
            raise without_frames(error) from None

    async def positions(self, inst_ids: Iterable[str] | None = None) -> list[Position]:
        """Return the open positions, without records that the exchange lists as flat.

        Args:
            inst_ids: Instruments to ask for. None: all.

        Raises:
            OkxError: As `close_position`; OutcomeUnknownError if no answer could be read.

        https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-positions
        """
        self._binding.use()
        wanted = None if inst_ids is None else list(dict.fromkeys(check_list("inst_ids", inst_ids, str)))
        try:
            return await read_positions(self._caller, wanted)
        except OkxError as error:
            raise without_frames(error) from None

    async def warm_up(self, connections: int) -> int:
        """Open connections, learn the user id, and return how many connections stand ready.

        It spends no quota of close-position and never exceeds `max_connections`, counting connections in use. Idle
        connections close after `keepalive` seconds; call again to replace them. Failures are logged.

        Args:
            connections: How many are to stand ready, at least 0.

        Raises:
            AuthenticationError: The exchange refuses the API key.
        """
        self._binding.use()
        check_count("connections", connections)
        await self._wiring.uid_lookup.known(None, checked=True)
        self._binding.use()  # closed meanwhile: nothing would close what is opened now
        return await self._wiring.open(connections)

    async def aclose(self) -> None:
        """End waiting calls in NotSentError, await those on the wire up to `timeout`, close the connections."""
        if self._binding.close():
            await self._wiring.aclose()  # called again, it waits as the first call does

    async def __aenter__(self) -> Self:
        self._binding.use()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Client cannot be pickled or copied: make one in each process, from its Credentials")

    def __repr__(self) -> str:
        return f"<Client {self._wiring.identity!r}{' closed' if self.closed else ''}>"

    def __del__(self, _warn: Callable[..., Any] = warnings.warn) -> None:
        wiring = getattr(self, "_wiring", None)  # not there if __init__ refused its arguments
        if wiring is not None and wiring.transport.opened and not self.closed:
            _warn(f"unclosed {self!r}: use it as `async with`, or await aclose()", ResourceWarning, source=self)
