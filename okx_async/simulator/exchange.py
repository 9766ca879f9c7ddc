"""The simulated exchange: a judge that shares no code with the client, and a place to try strategies on.

async with SimulatedExchange() as exchange:
    exchange.open_position("BTC-USDT-SWAP", -3)
    ...  # any client, at exchange.base_url, with exchange.credentials
    assert not exchange.positions
    assert exchange.worst_window() <= 20
"""

from __future__ import annotations

import time
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from random import Random
from typing import TYPE_CHECKING, Any

from okx_async.simulator.accounts import Account, Accounts
from okx_async.simulator.arrivals import PER, Arrivals, worst_window
from okx_async.simulator.books import Books
from okx_async.simulator.endpoints import CLOSE_PATH, Venue
from okx_async.simulator.faults import Fault, Faults
from okx_async.simulator.gateway import Gateway, Style
from okx_async.simulator.instruments import Instrument, describe, listing
from okx_async.simulator.server import Front

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from aiohttp import web

    from okx_async._models import Credentials
    from okx_async.simulator.accounts import PosMode
    from okx_async.simulator.arrivals import JournalRow, RateKey, Window
    from okx_async.simulator.books import PendingOrder
    from okx_async.simulator.codes import Shape
    from okx_async.simulator.slots import Holding

__all__ = ["SimulatedExchange"]


class SimulatedExchange:
    """An exchange on a loopback socket, with one live account; times are seconds.

    ``latency``: mean way, each way; ``jitter``: up to so much more, each way, uniform; ``window``: how arrivals are
    counted, ``"sliding"`` or ``"fixed"``; ``fill_delay``: from accepting a close to the flat position, a number or
    (least, most); ``fill``: the part of the position that a close fills; ``pos_mode``: of the default account;
    ``seed``: of everything that is random here.

    ``count_rejected``: whether requests refused for rate use up the limit; ``body_first``, ``rate_first``: the order
    of checks, see `gateway`; ``lenient_booleans``: take ``"true"`` for ``true``; ``journal_cap``: rows kept, None
    for all. ``clock`` measures, ``wall_clock`` is the server's time (Unix seconds): a skewed one is a skewed server.
    """

    def __init__(
        self,
        *,
        latency: float = 0.0,
        jitter: float = 0.0,
        window: Window = "sliding",
        fill_delay: float | tuple[float, float] = 0.0,
        fill: Decimal | float = 1,
        pos_mode: PosMode = "net_mode",
        seed: int | str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        count_rejected: bool = True,
        body_first: bool = True,
        rate_first: bool = False,
        lenient_booleans: bool = False,
        journal_cap: int | None = 1_000_000,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        least, most = fill_delay if isinstance(fill_delay, tuple) else (fill_delay, fill_delay)
        if latency < 0 or jitter < 0 or not 0 <= least <= most:
            raise ValueError("latency, jitter and fill_delay must not be negative")
        if not 0 <= fill <= 1:
            raise ValueError(f"fill must be from 0 to 1, got {fill}")
        self._latency, self._jitter = latency, jitter
        self._host, self._port = host, port
        self._clock, self._wall_clock = clock, wall_clock
        self._random = Random(seed)
        self._books = Books()
        self._faults = Faults()
        self._accounts = Accounts()
        self._account = self._accounts.add(pos_mode=pos_mode)
        self._venue = Venue(
            listing(self._ms()),
            self._books,
            lambda: self._random.uniform(least, most),
            lenient_booleans,
            Decimal(str(fill)),
        )
        self._gateway = Gateway(
            self._venue,
            self._accounts,
            Arrivals(window, count_rejected=count_rejected),
            self._faults,
            body_first=body_first,
            rate_first=rate_first,
            journal_cap=journal_cap,
        )
        self._front = Front(self._gateway, clock=clock, wall_clock=wall_clock, way=self._way)
        self._origin = ""

    # --- being reachable ---

    async def __aenter__(self) -> Self:
        if self._origin:
            raise RuntimeError("the exchange is running already")
        port = await self._front.start(self._host, self._port)
        host = f"[{self._host}]" if ":" in self._host else self._host
        self._origin = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._origin = ""
        await self._front.stop()

    @property
    def base_url(self) -> str:
        """Where it listens: ``http://127.0.0.1:PORT``."""
        if not self._origin:
            raise RuntimeError("the exchange is not running: use `async with SimulatedExchange() as exchange`")
        return self._origin

    def factory(self) -> web.Server:
        """Return a protocol factory of the running loop, to serve this exchange on a network of your own.

        ``await factory.shutdown(timeout)`` when done.
        """
        return self._front.factory()

    # --- who may trade ---

    @property
    def account(self) -> Account:
        """The default account."""
        return self._account

    @property
    def credentials(self) -> Credentials:
        """The API key of the default account."""
        return self._account.credentials

    @property
    def user_id(self) -> str:
        """The UID of the default account."""
        return self._account.user_id

    def add_account(
        self,
        *,
        pos_mode: PosMode = "net_mode",
        acct_lv: str = "2",
        perm: str = "read_only,trade",
        demo: bool = False,
        ip: str = "",
        credentials: Credentials | None = None,
        user_id: str | None = None,
    ) -> Account:
        """Open another account: its own UID, limits and books.

        ``acct_lv``: "1" Spot, "2" Futures, "3" Multi-currency, "4" Portfolio; ``perm`` and ``ip``: of its first key,
        comma lists, ip "" = not bound; ``demo``: its keys work with ``x-simulated-trading: 1`` only.
        """
        return self._accounts.add(
            pos_mode=pos_mode,
            acct_lv=acct_lv,
            perm=perm,
            demo=demo,
            ip=ip,
            credentials=credentials,
            user_id=user_id,
        )

    def add_key(
        self,
        account: Account | None = None,
        *,
        perm: str = "read_only,trade",
        ip: str = "",
        credentials: Credentials | None = None,
    ) -> Credentials:
        """Make one more API key of an account; all keys of a UID share its limits."""
        return self._accounts.add_key(account or self._account, perm=perm, ip=ip, credentials=credentials)

    def revoke(self, credentials: Credentials) -> None:
        """Delete an API key: from now on it is answered 50119."""
        self._accounts.revoke(credentials)

    # --- what there is to close ---

    def open_position(
        self,
        inst_id: str,
        pos: int | str | Decimal,
        mgn_mode: str = "cross",
        pos_side: str = "net",
        ccy: str | None = None,
        *,
        account: Account | None = None,
    ) -> Holding:
        """Set a position, as if traded at this moment; 0 makes it flat, as if someone else had closed it.

        ``pos``: contracts, or base currency for MARGIN; negative is short. With ``pos_side`` "long" or "short"
        (long/short mode) it is not negative. ``ccy``: margin currency, by default the natural one. A well-formed id
        that is not listed is listed.
        """
        account = account or self._account
        instrument = self._listed(inst_id)
        _check_side(account, instrument, pos_side)
        amount = _amount(pos)
        if pos_side != "net" and amount < 0:
            raise ValueError(f"{inst_id}: pos of a {pos_side} position is not negative, got {pos}")
        if mgn_mode not in {"cross", "isolated"}:
            raise ValueError(f'mgn_mode must be "cross" or "isolated", got {mgn_mode!r}')
        if not ccy:
            ccy = instrument.settle_ccy if instrument.contract else instrument.quote_ccy
        if pos_side == "short":
            amount = -amount
        return self._books.open(
            account.user_id,
            instrument,
            amount,
            mgn_mode=mgn_mode,
            pos_side=pos_side,
            ccy=ccy,
            now=self._clock(),
            ms=self._ms(),
        )

    def add_pending_order(
        self,
        inst_id: str,
        *,
        side: str | None = None,
        mgn_mode: str = "cross",
        pos_side: str = "net",
        ord_type: str = "limit",
        px: str | None = None,
        sz: str = "1",
        reduce_only: bool = True,
        cl_ord_id: str = "",
        account: Account | None = None,
    ) -> PendingOrder:
        """Put a limit order on the book that never fills; ``side`` "buy" or "sell", by default the closing one.

        A closing order (reduce-only, or against a long or short side) makes a close of the same instrument, margin
        mode and side answer 51115, unless the close asks to cancel it.
        """
        account = account or self._account
        instrument = self._listed(inst_id)
        _check_side(account, instrument, pos_side)
        if side is None:
            slot = self._books.find(account.user_id, inst_id, mgn_mode, pos_side)
            short = slot.pos < 0 if slot else pos_side == "short"
            side = "buy" if short else "sell"
        return self._books.add_order(
            account.user_id,
            instrument,
            mgn_mode=mgn_mode,
            pos_side=pos_side,
            side=side,
            ord_type=ord_type,
            px=px or str(instrument.price),
            sz=sz,
            reduce_only=reduce_only,
            cl_ord_id=cl_ord_id,
            ms=self._ms(),
        )

    def list_instrument(self, inst_id: str, *, state: str = "live", market_orders: bool = True) -> Instrument:
        """List an instrument, or change what is allowed on it.

        A close is answered by ``state``: suspend 51022, preopen 51021, post_only 51110, settling 51029; without
        ``market_orders`` 51066.
        """
        instrument = replace(self._listed(inst_id), state=state, market_orders=market_orders)
        self._venue.instruments[inst_id] = instrument
        return instrument

    def delist(self, inst_id: str) -> None:
        """Take an instrument off the list: a close is answered 51001."""
        del self._venue.instruments[inst_id]

    @property
    def instruments(self) -> tuple[str, ...]:
        """The ids that are listed."""
        return tuple(self._venue.instruments)

    @property
    def positions(self) -> tuple[Holding, ...]:
        """What is open in the books now, of all accounts; flat slots are not shown."""
        return self._books.holdings(self._clock())

    @property
    def pending_orders(self) -> tuple[PendingOrder, ...]:
        """The live orders of all accounts, newest first."""
        return tuple(self._books.orders())

    # --- what goes wrong ---

    def inject(
        self,
        *,
        times: int = 1,
        path: str | None = CLOSE_PATH,
        inst_id: str | None = None,
        user_id: str | None = None,
        code: str = "",
        status: int | None = None,
        message: str = "",
        shape: Shape | None = None,
        body: bytes | str | None = None,
        content_type: str = "application/json",
        executed: bool = False,
        counted: bool = True,
        delay: float = 0.0,
        disconnect: bool = False,
        fill: Decimal | float = 1,
        forwarded: float | None = None,
        name: str = "",
    ) -> Fault:
        """Answer the next `times` requests that match (`path` None: any) with a fault.

        What is answered: ``code`` in its usual body, or ``body`` as it stands, under ``status`` (by default the
        code's), or nothing with ``disconnect``; each `delay` s late. With none of these the usual answer comes, late.

        ``executed``: the request does its work all the same. ``counted``: it strikes after authentication and the
        count of arrivals (a request refused there does not use it up); False: before anything is looked at.
        ``fill``: the part of the position that an executed close fills. ``forwarded``: s after an uncounted answer at
        which the request reaches the exchange all the same, as behind a proxy that has given up on it.
        """
        fault = Fault(
            name=name or code or ("disconnect" if disconnect else "fault"),
            times=times,
            path=path,
            inst_id=inst_id,
            user_id=user_id,
            code=code,
            status=status,
            message=message,
            shape=shape,
            body=body.encode() if isinstance(body, str) else body,
            content_type=content_type,
            executed=executed,
            counted=counted,
            delay=delay,
            disconnect=disconnect,
            fill=Decimal(str(fill)),
            forwarded=forwarded,
        )
        self._faults.add(fault)
        return fault

    def clear_faults(self) -> None:
        """Forget the injected faults that have not struck yet."""
        self._faults.clear()

    def restyle(self, code: str, *, to: str | None = None, shape: Shape | None = None) -> None:
        """Answer a refusal under another code (``restyle("51032", to="51342")``) or in another shape of body."""
        self._gateway.styles[code] = Style(to or code, shape)

    # --- what was seen ---

    @property
    def journal(self) -> list[JournalRow]:
        """Every request, in the order of the count."""
        return list(self._gateway.journal)

    @property
    def rejections(self) -> list[JournalRow]:
        """The requests that this exchange's own count refused; injected 50011s are not among them."""
        return [row for row in self._gateway.journal if row.key and row.code == "50011" and not row.fault]

    def worst_window(self, key: RateKey | None = None, *, per: float = PER) -> int:
        """Return the most requests in any window [t, t + `per`) s, refused ones included.

        Of `key`, or of the worst key of all closes. Computed from the journal's times, not from the count.
        """
        times: dict[RateKey, list[float]] = {}
        for row in self._gateway.journal:
            if row.key and (row.key == key if key else row.path.partition("?")[0] == CLOSE_PATH):
                times.setdefault(row.key, []).append(row.at)
        return max((worst_window(of_key, per) for of_key in times.values()), default=0)

    # --- inside ---

    def _way(self) -> float:
        if not (self._latency or self._jitter):
            return 0.0
        return self._latency + self._random.uniform(0, self._jitter)

    def _ms(self) -> int:
        return int(self._wall_clock() * 1000)

    def _listed(self, inst_id: str) -> Instrument:
        instrument = self._venue.instruments.get(inst_id) or describe(inst_id)
        if instrument is None:
            raise ValueError(f"{inst_id!r} is no instrument id: upper case, digits, '_', '.', single inner dashes")
        return self._venue.instruments.setdefault(inst_id, instrument)


def _check_side(account: Account, instrument: Instrument, pos_side: str) -> None:
    two_sided = account.pos_mode == "long_short_mode" and instrument.inst_type in {"FUTURES", "SWAP"}
    allowed = ("long", "short") if two_sided else ("net",)
    if pos_side not in allowed:
        raise ValueError(
            f"{instrument.inst_id}: pos_side must be {' or '.join(allowed)} in {account.pos_mode}, got {pos_side!r}"
        )


def _amount(pos: Any) -> Decimal:
    if not isinstance(pos, int | str | Decimal) or isinstance(pos, bool):
        raise TypeError(f"pos must be an int, a str or a Decimal, got {pos!r}")
    try:
        amount = Decimal(pos)
    except InvalidOperation:
        raise ValueError(f"pos must be a number, got {pos!r}") from None
    if not amount.is_finite():
        raise ValueError(f"pos must be finite, got {pos!r}")
    return amount
