"""The simulated exchange: an HTTP server that shares no code with the client, to test clients and strategies on.

async with SimulatedExchange() as exchange:
    exchange.open_position("BTC-USDT-SWAP", -3)
    ...  # any client, at exchange.base_url, with exchange.credentials
    assert not exchange.positions
    assert exchange.worst_window() <= 20
"""

import time
from collections.abc import Callable
from decimal import Decimal
from os import PathLike
from random import Random
from types import TracebackType
from typing import Any, Literal, Self, Unpack

from okx_async._credentials import Credentials
from okx_async.simulator.actors import Actors
from okx_async.simulator.api.accounts import Account, Accounts, PosMode
from okx_async.simulator.api.arguments import check_memory, check_place, check_way
from okx_async.simulator.api.arrivals import PER, Arrivals, JournalRow, RateKey, worst_window
from okx_async.simulator.api.behaviour import Behaviour, Seconds, Settings
from okx_async.simulator.api.calls import Venue
from okx_async.simulator.api.endpoints import CLOSE_PATH
from okx_async.simulator.books.books import Books
from okx_async.simulator.books.instruments import listing
from okx_async.simulator.books.orders import Orders
from okx_async.simulator.control import Control
from okx_async.simulator.faults.faults import Faults
from okx_async.simulator.gateway import Gateway
from okx_async.simulator.http.connections import Connections
from okx_async.simulator.http.frontend import HttpFrontend
from okx_async.simulator.http.messages import Answer, Request
from okx_async.simulator.injection import Injection
from okx_async.simulator.recorded import read_settings

_NEAR = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}  # noqa: S104 - only if asked for


class SimulatedExchange(Actors, Injection):
    """An exchange on a loopback socket, with one live account; times are in seconds.

    Args:
        latency: Seconds each way, at least; by default 0.
        jitter: Seconds each way, more at most, uniform; by default 0.
        fill: The part of the position that a close fills, from 0 to 1; by default 1.
        pos_mode: The position mode of the default account, "net_mode" (by default) or "long_short_mode".
        seed: Decides everything random.
        host: Where it listens; by default "127.0.0.1".
        port: Where it listens; 0 (by default): any free port.
        control: From where it may be steered by HTTP, under ``/simulated``: "here" (by default), from this machine
            alone, "everywhere" or "nowhere".
        journal_cap: Rows and trades that are kept, by default 1,000,000; None: all.
        clock: Measures, in seconds; by default `time.monotonic`.
        wall_clock: The server's time in Unix seconds; by default `time.time`. A skewed clock makes a skewed server.
        settings: What OKX does not document, and a recording can settle: the fields of `Behaviour`, by default its own.

            Limits: ``window``, "sliding" or "fixed"; ``count_rejected``: whether requests refused for rate use up the
            limit; ``limits`` by endpoint; ``options_by_family``.

            Checks: ``body_first``: whether the body's form is checked before authentication, or after it;
            ``rate_first``: whether a request is counted before its signature is checked, or after it; ``form_first``:
            whether a close is counted after the form of its parameters is checked; the orders ``auth_checks`` and
            ``close_checks``; ``max_age`` of a timestamp; ``empty_is_absent``; ``refusals`` by situation.

            Orders: ``heeds_exp_time``.

            Closes: ``lenient_booleans``: whether ``autoCxl`` may be a text; ``pos_side_echo``;
            ``cl_ord_id_kept`` and ``cl_ord_id_reusable``; ``auto_cxl_algos``: whether ``autoCxl`` cancels algo orders
            as well as limit orders; ``fill_delay``: from the acceptance of a close to the flat position, a number,
            (least, most), or `math.inf` for a close that never ends.

            Positions: ``positions_lag``, ``opening_lag`` and ``history_lag``: from a change to its appearance;
            ``lists_flat``;
            ``flip_keeps_c_time``: whether a net position that changes sign in one trade keeps its ``cTime``;
            ``reopen_keeps_c_time`` and ``reopen_keeps_pos_id``.

            Connections: ``keepalive``, ``max_head``, ``answer_head``.

    Raises:
        TypeError: If a setting has another name or type.
        ValueError: If a value is not possible.
    """

    def __init__(
        self,
        *,
        latency: float = 0.0,
        jitter: float = 0.0,
        fill: Decimal | float = 1,
        pos_mode: PosMode = "net_mode",
        seed: int | str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        control: Literal["here", "everywhere", "nowhere"] = "here",
        journal_cap: int | None = 1_000_000,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        **settings: Unpack[Settings],
    ) -> None:
        check_way(latency, jitter, fill)
        check_place(host, port, control)
        check_memory(journal_cap, clock=clock, wall_clock=wall_clock)
        self._latency, self._jitter = latency, jitter
        self._host, self._port = host, port
        self._wall_clock = wall_clock
        self._random = Random(seed)
        self._behaviour = behaviour = Behaviour(**settings)
        self._accounts = Accounts(behaviour)
        venue = Venue(
            listing(self._ms()),
            Books(
                self._drawn("positions_lag", behaviour.positions_lag),
                self._drawn("opening_lag", behaviour.opening_lag),
                flip_is_new=not behaviour.flip_keeps_c_time,
                reopening_is_new=not behaviour.reopen_keeps_c_time,
                keeps_pos_id=behaviour.reopen_keeps_pos_id,
                trades_cap=journal_cap,
            ),
            Orders(),
            self._drawn("fill_delay", behaviour.fill_delay),
            behaviour,
            Decimal(str(fill)),
        )
        faults = Faults()
        gateway = Gateway(
            venue,
            self._accounts,
            Arrivals(behaviour.window, count_rejected=behaviour.count_rejected),
            faults,
            journal_cap=journal_cap,
        )
        Actors.__init__(self, venue, self._accounts.add(pos_mode=pos_mode), clock=clock, wall_ms=self._ms)
        Injection.__init__(self, faults, gateway)
        steering = Control(
            self,
            self,
            self._accounts,
            journal=lambda: gateway.journal,
            worst_window=self.worst_window,
            clock=clock,
            everywhere=control == "everywhere",
        )
        self._frontend = HttpFrontend(
            gateway,
            clock=clock,
            wall_clock=wall_clock,
            latency=self._one_way,
            keepalive=behaviour.keepalive,
            max_head=behaviour.max_head,
            answer_head=behaviour.answer_head,
            control=None if control == "nowhere" else steering.answer,
        )
        self._origin = ""

    @classmethod
    def from_recording(cls, path: str | PathLike[str], **options: Any) -> Self:
        """Return an exchange with the settings that a recording of the real one has settled.

        Args:
            path: The file, written by `okx-async rehearse --record`.
            options: Arguments of `SimulatedExchange`; they go before what the recording says.

        Raises:
            OSError: If the file cannot be read.
            RecordingError: If it is no recording, or one of a newer version.
        """
        return cls(**{**read_settings(path), **options})

    # --- addresses ---

    async def __aenter__(self) -> Self:
        if self._origin:
            raise RuntimeError("the exchange is running already")
        port = await self._frontend.start(self._host, self._port)
        host = _NEAR.get(self._host, self._host)  # the wildcard address includes this one
        host = f"[{host}]" if ":" in host else host
        self._origin = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._origin = ""
        await self._frontend.stop()

    @property
    def base_url(self) -> str:
        """The URL at which it listens: ``http://127.0.0.1:PORT``."""
        if not self._origin:
            raise RuntimeError("the exchange is not running: use `async with SimulatedExchange() as exchange`")
        return self._origin

    def factory(self) -> Connections:
        """Return a protocol factory of the running loop, to serve this exchange on a network of your own.

        ``await factory.shutdown(timeout)`` when done.
        """
        return self._frontend.factory()

    def decide(self, request: Request, at: float, ms: int) -> Answer:
        """Answer one request without a connection, and add its row to the journal.

        Args:
            request: The request as it arrives.
            at: The exchange's clock, in seconds; never earlier than at the request before.
            ms: The server's time, Unix milliseconds.
        """
        return self._gateway.decide(request, at, ms)

    # --- accounts ---

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
        main: Account | None = None,
    ) -> Account:
        """Open another account, with its own UID, limits and books.

        Args:
            pos_mode: "net_mode" (by default) or "long_short_mode".
            acct_lv: "1" Spot, "2" Futures (by default), "3" Multi-currency, "4" Portfolio.
            perm: Permissions of its first key, a comma list; by default "read_only,trade".
            demo: Whether its keys work with ``x-simulated-trading: 1`` only; by default not.
            ip: Addresses that its first key is bound to, a comma list; "" (by default): not bound.
            credentials: Its first key; by default one is made up.
            user_id: Its UID; by default one is made up.
            main: The main account of which it is a sub-account; by default none.
        """
        return self._accounts.add(
            pos_mode=pos_mode,
            acct_lv=acct_lv,
            perm=perm,
            demo=demo,
            ip=ip,
            credentials=credentials,
            user_id=user_id,
            main=main,
        )

    def add_key(
        self,
        account: Account | None = None,
        *,
        perm: str = "read_only,trade",
        ip: str = "",
        credentials: Credentials | None = None,
    ) -> Credentials:
        """Make another API key of an account; all keys of a UID share its limits.

        Args:
            account: The account; by default the first.
            perm: Permissions, a comma list; by default "read_only,trade".
            ip: Addresses that it is bound to, a comma list; "" (by default): not bound.
            credentials: The key; by default one is made up.
        """
        return self._accounts.add_key(self._account_of(account), perm=perm, ip=ip, credentials=credentials)

    def revoke(self, credentials: Credentials) -> None:
        """Delete an API key: from now on its requests are answered 50119.

        Args:
            credentials: The key.
        """
        self._accounts.revoke(credentials)

    @property
    def behaviour(self) -> Behaviour:
        """The settings."""
        return self._behaviour

    # --- the journal ---

    @property
    def odd_records(self) -> list[Any]:
        """What account/positions lists beside the positions, as it stands: JSON values, to add to and to remove."""
        return self._venue.odd_records

    @property
    def journal(self) -> list[JournalRow]:
        """Every request, in the order in which they were counted."""
        return list(self._gateway.journal)

    def listen(self, tell: Callable[[Request, Answer, JournalRow], object]) -> None:
        """Call `tell` with each request that is decided, its answer and its row of the journal.

        Args:
            tell: A plain function of the three.
        """
        self._gateway.listeners.append(tell)

    @property
    def rejections(self) -> list[JournalRow]:
        """The requests that were refused for rate by this exchange's own count, without injected 50011s."""
        return [row for row in self._gateway.journal if row.key and row.code == "50011" and not row.fault]

    def worst_window(self, key: RateKey | None = None, *, per: float = PER) -> int:
        """Return the largest number of requests in any window, refused ones included, from the journal's times.

        Args:
            key: The rate limit that is looked at; by default the worst of all closes.
            per: Seconds of the window; by default 2.
        """
        times: dict[RateKey, list[float]] = {}
        for row in self._gateway.journal:
            if row.key and (row.key == key if key else row.path.partition("?")[0] == CLOSE_PATH):
                times.setdefault(row.key, []).append(row.at)
        return max((worst_window(of_key, per) for of_key in times.values()), default=0)

    # --- inside ---

    def _one_way(self) -> float:
        if not (self._latency or self._jitter):
            return 0.0
        return self._latency + self._random.uniform(0, self._jitter)

    def _drawn(self, _name: str, seconds: Seconds) -> Callable[[], float]:
        """Return what draws the seconds of a setting, each time anew."""
        least, most = seconds if isinstance(seconds, tuple) else (seconds, seconds)
        return (lambda: least) if least == most else (lambda: self._random.uniform(least, most))

    def _ms(self) -> int:
        return int(self._wall_clock() * 1000)
