"""The control interface: requests under ``/simulated`` that set and show the books of a simulated exchange (pure).

No other exchange has such a path, and each answer says ``"simulated": "okx_async"``. These requests need no signature,
and are not delayed, not counted and not in the journal. By default only those of this machine are answered.

    GET /simulated            accounts, counts and the exchange's clock
    GET /simulated/positions  the open positions; also orders, journal, faults (the names of the catalogue)
    POST /simulated/price     {"inst_id": "BTC-USDT-SWAP", "px": "60000"}; also position, order, fault, …
"""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import Any, Final

import orjson

from okx_async.simulator.actors import Actors
from okx_async.simulator.api.accounts import Account, Accounts
from okx_async.simulator.api.arguments import address_of
from okx_async.simulator.api.arrivals import JournalRow
from okx_async.simulator.api.codes import Refused
from okx_async.simulator.faults.catalogue import CATALOGUE
from okx_async.simulator.http.messages import Answer, Request, body_of, query_of
from okx_async.simulator.injection import Injection
from okx_async.simulator.market import is_writable

PATH: Final = "/simulated"
NAME: Final = "okx_async"
"""What each answer calls the exchange."""
_STATES: Final = ("live", "suspend", "preopen", "post_only", "settling")
_GREATEST: Final = 1_000_000_000  # seconds, or requests
_LAST: Final = 100  # rows of the journal that are shown unasked
_MOST: Final = 10_000
_INST_ID: Final = re.compile(r"[A-Z0-9]+-[A-Z0-9_]+(-(SWAP|[0-9]{6}(-[0-9.]+-[CP])?))?")
"""What ids of pairs and contracts look like; those of event contracts are any words, and must be listed."""
_CODE: Final = re.compile(r"[0-9]{1,6}")


class Mistake(Exception):  # noqa: N818 - becomes an answer, never leaves this module
    """A request that cannot be carried out: its HTTP status, and what is wrong."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Operation:
    """What a POST does: the method that it calls, with these fields as arguments."""

    call: Callable[..., object]
    needed: Mapping[str, Callable[[str, object], object]]
    optional: Mapping[str, Callable[[str, object], object]]

    def run(self, given: object) -> object:
        """Check the fields of a request and carry it out."""
        if not isinstance(given, dict):
            raise Mistake(400, "the body must be a JSON object")
        known = {**self.needed, **self.optional}
        if wrong := [name for name in given if name not in known]:
            raise Mistake(400, f"no field is called {wrong[0]!r}: there are {', '.join(known)}")
        if missing := [name for name in self.needed if name not in given]:
            raise Mistake(400, f"the field {missing[0]} is missing")
        try:
            return self.call(**{name: known[name](name, value) for name, value in given.items()})
        except (TypeError, ValueError) as error:  # the exchange refused a value
            raise Mistake(400, str(error)) from error


class Control:
    """Answers the requests that steer an exchange.

    Args:
        market: The books.
        injection: The faults.
        accounts: The accounts; fields ``user_id`` name one, by default the first.
        journal: Returns the rows of the journal.
        worst_window: Returns the largest number of closes of one key in 2 s.
        clock: The exchange's clock, in seconds.
        everywhere: Whether other machines may steer, too; by default this one alone.
    """

    def __init__(
        self,
        market: Actors,
        injection: Injection,
        accounts: Accounts,
        *,
        journal: Callable[[], Sequence[JournalRow]],
        worst_window: Callable[[], int],
        clock: Callable[[], float],
        everywhere: bool = False,
    ) -> None:
        self._market = market
        self._injection = injection
        self._accounts = accounts
        self._journal = journal
        self._worst_window = worst_window
        self._clock = clock
        self._everywhere = everywhere
        self._shows: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "": self._about,
            "positions": lambda _: {"positions": [_record(one) for one in market.positions]},
            "orders": lambda _: {
                "orders": [_record(one) for one in market.pending_orders],
                "algo_orders": [_record(one) for one in market.algo_orders],
            },
            "journal": self._rows,
            "faults": lambda _: {"faults": list(CATALOGUE)},
        }
        self._does = self._operations()

    def answer(self, request: Request) -> Answer | None:
        """Return the answer to a request of this interface, None for one of the exchange's own."""
        if not request.raw_path.startswith(PATH):  # all but a few
            return None
        path, _, query = request.raw_path.partition("?")
        if path != PATH and not path.startswith(f"{PATH}/"):
            return None
        try:
            return _answer(200, self._carry_out(request, path[len(PATH) + 1 :], query))
        except Mistake as mistake:
            return _answer(mistake.status, {"error": str(mistake)})

    def _carry_out(self, request: Request, name: str, query: str) -> dict[str, Any]:
        if not (self._everywhere or _is_here(request.ip)):
            raise Mistake(
                403, f"only this machine may steer it, not {request.ip}, unless it was started with --control"
            )
        if request.broken:
            raise Mistake(request.broken, "the body cannot be read")
        if request.method in {"GET", "HEAD"} and name in self._shows:
            return self._shows[name](query_of(query))
        if request.method == "POST" and name in self._does:
            try:
                given = body_of(request)
            except Refused as refused:
                raise Mistake(400, refused.message or "the body must be JSON") from None
            return {"done": name, "result": _record(self._does[name].run(given))}
        if name in self._shows or name in self._does:
            raise Mistake(405, f"{PATH}/{name} takes {'GET' if name in self._shows else 'POST'}")
        shows = ", ".join(filter(None, self._shows))
        raise Mistake(404, f"no such path: GET {PATH}, or {shows} below it; POST {', '.join(self._does)}")

    def _about(self, _: Mapping[str, Any]) -> dict[str, Any]:
        rows = self._journal()
        accounts = [{"user_id": one.user_id, "pos_mode": one.pos_mode, "demo": one.demo} for one in self._accounts.all]
        return {
            "now": self._clock(),
            "accounts": accounts,
            "positions": len(self._market.positions),
            "requests": len(rows),
            "rejections": sum(1 for row in rows if row.key and row.code == "50011" and not row.fault),
            "worst_window": self._worst_window(),
        }

    def _rows(self, query: Mapping[str, Any]) -> dict[str, Any]:
        last = query.get("last", str(_LAST))
        if not (last.isascii() and last.isdecimal() and int(last) <= _MOST):
            raise Mistake(400, f"last must be a number of rows, {_MOST} at most, got {last!r}")
        rows = self._journal()
        shown = islice(rows, max(0, len(rows) - int(last)), None)
        return {"now": self._clock(), "requests": len(rows), "rows": [_record(row) for row in shown]}

    def _operations(self) -> dict[str, Operation]:
        market, injection = self._market, self._injection
        where = {"mgn_mode": _text, "pos_side": _text}
        whose = {**where, "user_id": _text}
        when = {"after": _number, "on_close": _whole}
        inst_id = {"inst_id": self._inst_id}
        sized = {**inst_id, "pos": _amount}
        return {
            "price": Operation(market.set_price, {**inst_id, "px": _size}, {}),
            "position": Operation(self._of(market.open_position), sized, {**whose, "ccy": _text}),
            "reopen": Operation(self._of(market.reopen), sized, {**whose, "ccy": _text, **when}),
            "liquidation": Operation(
                self._of(market.force_close),
                inst_id,
                {**whose, "kind": _text, "code": _code, "seconds": _number, "part": _amount, **when},
            ),
            "order": Operation(
                self._of(market.add_pending_order),
                inst_id,
                {**whose, "side": _text, "ord_type": _text, "px": _size, "sz": _size, "reduce_only": _flag},
            ),
            "instrument": Operation(market.list_instrument, inst_id, {"state": _state, "market_orders": _flag}),
            "fault": Operation(
                self._inject,
                {},
                {
                    "name": _text,
                    "code": _code,
                    "times": _whole_or_none,
                    "after": _whole,
                    "executed": _flag,
                    "delay": _number,
                    **inst_id,
                    "user_id": _text,
                    "cl_ord_id": _text,
                },
            ),
            "clear-faults": Operation(injection.clear_faults, {}, {}),
            "crowd": Operation(self._crowd, {"scope": self._inst_id, "requests": _number}, {"user_id": _text}),
        }

    def _of(self, call: Callable[..., object]) -> Callable[..., object]:
        """Return `call` with the account that ``user_id`` names."""

        def run(*, user_id: str | None = None, **values: Any) -> object:
            return call(**values, account=self._account(user_id))

        return run

    def _inst_id(self, name: str, value: object) -> str:
        """Return the id of an instrument (or a family): one that is listed, or could be."""
        text = _text(name, value)
        if text in self._market.instruments or _INST_ID.fullmatch(text):
            return text
        like = "such as BTC-USDT, BTC-USDT-SWAP, BTC-USDT-261225 or BTC-USD-261225-60000-C"
        raise Mistake(400, f"{text!r} is no instrument id: upper-case words with dashes, {like}")

    def _inject(self, *, name: str = "", **options: Any) -> object:
        if bool(name) is ("code" in options):
            raise Mistake(400, "a fault has a name of the catalogue, or a code of the exchange: give one of them")
        if "user_id" in options:
            self._account(options["user_id"])
        fault = self._injection.inject(name, **options)
        return {"name": fault.name, "times": fault.times, "executed": fault.executed}

    def _crowd(self, *, scope: str, requests: float, user_id: str | None = None) -> None:
        self._injection.crowd(self._account(user_id).user_id, scope, requests)

    def _account(self, user_id: str | None) -> Account:
        accounts = self._accounts.all
        found = [one for one in accounts if user_id in {None, one.user_id}]
        if not found:
            raise Mistake(400, f"no account {user_id}: there are {', '.join(one.user_id for one in accounts)}")
        return found[0]


def _is_here(ip: str) -> bool:
    address = address_of(ip)
    return address is not None and address.is_loopback


def _answer(status: int, record: Mapping[str, Any]) -> Answer:
    body = orjson.dumps({"simulated": NAME, **record}, default=_plain)
    return Answer(status, body, "", headers={"X-Simulated": NAME})


def _record(value: object) -> object:
    """Return a record of the books as JSON has it."""
    return value._asdict() if isinstance(value, tuple) and hasattr(value, "_asdict") else value


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return f"{value:f}"
    raise TypeError(type(value).__name__)


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise Mistake(400, f"{name} must be a text, got {value!r}")
    return value


def _state(name: str, value: object) -> str:
    if value not in _STATES:
        raise Mistake(400, f"{name} must be {', '.join(_STATES[:-1])} or {_STATES[-1]}, got {value!r}")
    return str(value)


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise Mistake(400, f"{name} must be true or false, got {value!r}")
    return value


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _GREATEST:
        raise Mistake(400, f"{name} must be a number, {_GREATEST:,} at most, got {value!r}")
    return float(value)


def _whole(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise Mistake(400, f"{name} must be a whole number, 0 or more, got {value!r}")
    return value


def _whole_or_none(name: str, value: object) -> int | None:
    return None if value is None else _whole(name, value)


def _code(name: str, value: object) -> str:
    if not _CODE.fullmatch(_text(name, value)):
        raise Mistake(400, f"{name} must be a code of the exchange, such as 51108, got {value!r}")
    return str(value)


def _amount(name: str, value: object) -> Decimal:
    """Return an amount: a text or a number, a text to be exact."""
    if not isinstance(value, str):
        _number(name, value)
    with suppress(InvalidOperation):
        if is_writable(amount := Decimal(str(value))):
            return amount
    raise Mistake(400, f"{name} must be a number, got {value!r}")


def _size(name: str, value: object) -> str:
    """Return the text of an amount above 0."""
    if _amount(name, value) <= 0:
        raise Mistake(400, f"{name} must be above 0, got {value!r}")
    return str(value)
