"""Faults by name, each observed at exchanges, proxies or networks, for `SimulatedExchange.inject`.

No fault lies: an answer agrees with what the exchange does with the close, or leaves it open. So each fault states
whether its request is executed: always, never, or either, as the option ``executed`` chooses.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final, TypedDict, Unpack

from okx_async.simulator.faults.faults import Fault, Options

CONFIG_PATH: Final = "/api/v5/account/config"
POSITIONS_PATH: Final = "/api/v5/account/positions"
TIME_PATH: Final = "/api/v5/public/time"


@dataclass(frozen=True, slots=True)
class Kind:
    """One fault of the catalogue."""

    executed: bool | None
    """Whether the request is executed; None: either, or it depends on the request."""
    what: Options
    """The fields of the Fault."""
    group: str = ""
    """The heading under which the reference lists it."""


class _Page(TypedDict):
    status: int
    body: str
    content_type: str


def _page(status: int, words: str) -> _Page:
    return {"status": status, "body": f"<html><h1>{status} {words}</h1></html>", "content_type": "text/html"}


def _either(**what: Unpack[Options]) -> Kind:
    """Return a fault of a counted request that is executed or not, as `inject(executed=)` says."""
    return Kind(None, what)


def _never(**what: Unpack[Options]) -> Kind:
    """Return a fault of a request that is counted and never executed."""
    return Kind(executed=False, what=what)


def _early(**what: Unpack[Options]) -> Kind:
    """Return a fault that answers before the exchange counts, as a proxy does; such names end in "early"."""
    return Kind(executed=False, what={"counted": False, **what})


def _always(**what: Unpack[Options]) -> Kind:
    """Return a fault of a request that is executed, whatever the answer says."""
    return Kind(executed=True, what=what)


def _done(**what: Unpack[Options]) -> Kind:
    """Return a fault of a request that is accepted in the words of this answer; refusals stay as they are."""
    return Kind(executed=True, what={"executed": True, "if_done": True, "status": 200, **what})


def _clock(skew: float, after: int = 0) -> Kind:
    return Kind(None, {"skew": skew, "counted": False, "path": None, "times": None, "after": after})


def _time(**what: Unpack[Options]) -> Kind:
    return Kind(None, {"path": TIME_PATH, "times": None, "counted": False, **what})


def _config(**what: Unpack[Options]) -> Kind:
    return Kind(None, {"path": CONFIG_PATH, "times": None, "counted": False, **what})


def _positions(**what: Unpack[Options]) -> Kind:
    return Kind(None, {"path": POSITIONS_PATH, "counted": False, **what})


_ACCEPTED: Final = '{"code":"0","data":[],"msg":""}'
_GATEWAY: Final = '{{"code":{0},"data":{{}},"detailMsg":"","error_code":"{0}","error_message":"{1}","msg":"{1}"}}'
_BUSY: Final[_Page] = {"status": 429, "body": "Too Many Requests", "content_type": "text/plain"}
_GZIP: Final = {"Content-Encoding": "gzip"}

# fmt: off
_GROUPS: Final[dict[str, dict[str, Kind]]] = {
    "says that it does not know": {
        **{code: _either(code=code) for code in ("50004", "50013", "50026", "51054", "51149")},
        "a code of tomorrow": _either(code="59999"),
        "code 1 without an item": _either(code="1"),
        "code 2, items all 0": _either(body='{"code":"2","data":[{"sCode":"0","sMsg":""}],"msg":""}'),
        "code 0 under 500": _either(body=_ACCEPTED, status=500),
    },
    "refuses": {
        **{code: _never(code=code) for code in ("50001", "51030", "51109", "50020", "51032", "51115", "51023")},
        **{code: _never(code=code) for code in ("51000", "50120")},
        "50113": _never(code="50113", counted=False),
        "51023 in an item": _never(code="51023", shape="item", status=200),
        "51023 in an item under code 0": _never(body='{"code":"0","data":[{"sCode":"51023","sMsg":"None."}],"msg":""}'),
        "51023 as a number": _never(code="51023", shape="integer"),
        "51023 without data": _never(code="51023", shape="bare"),
        "51023 with data {}": _never(code="51023", shape="object"),
        "51023 with a byte of no text": _never(body=b'{"code":"51023","data":[],"msg":"\xff"}'),
        "51008 with a sub-code": _never(code="51008", shape="suffix"),
    },
    "refuses for rate": {
        "50011": _never(code="50011"),
        "50011 under 200": _never(code="50011", status=200),
        "50011 without data": _never(code="50011", shape="bare"),
        "50011 with Retry-After": _never(code="50011", headers={"Retry-After": "7"}),
        "50061": _never(code="50061"),
        "51113": _never(code="51113"),
    },
    "accepts in odd words": {
        "accepted without data": _done(body=_ACCEPTED),
        "accepted with data null": _done(body='{"code":"0","data":null,"msg":""}'),
        "accepted as a number": _done(body='{"code":0,"data":{},"msg":""}'),
        "accepted with times": _done(body='{"code":"0","data":[{"posSide":"net"}],"inTime":"7","outTime":"8"}'),
        "accepted with sCode 0": _done(body='{"code":"0","data":[{"sCode":"0","sMsg":""}],"msg":""}'),
        "accepted after much space": _done(body=_ACCEPTED, padding=200_000),
        "accepted after a byte order mark": _done(body=f"\ufeff{_ACCEPTED}"),
        "accepted in unasked gzip": _done(body=zlib.compress(_ACCEPTED.encode(), wbits=31), headers=_GZIP),
    },
    "answers without an envelope": {
        "plain 429": _either(**_BUSY),
        "HTML 429": _either(**_page(429, "Too Many Requests")),
        "HTML 502": _either(**_page(502, "Bad Gateway")),
        "HTML 503": _either(**_page(503, "Unavailable")),
        "HTML 504": _either(**_page(504, "Timed Out")),
        "HTML 520": _either(**_page(520, "Unknown Error")),
        "gateway 500": _either(body=_GATEWAY.format(500, "Internal Server Error"), status=500),
        "cut JSON": _either(body=_ACCEPTED[:20]),
        "empty 200": _either(body=""),
        "204": _either(status=204),
        "no object": _either(body='["0"]'),
    },
    "a proxy answers before the exchange counts": {
        "plain 429 early": _early(**_BUSY),
        "HTML 429 early": _early(**_page(429, "Too Many Requests")),
        "HTML 403 early": _early(**_page(403, "Blocked")),
        "HTML 502 early": _early(**_page(502, "Bad Gateway")),
        "HTML 503 early": _early(**_page(503, "Unavailable")),
        "HTML 520 early": _early(**_page(520, "Unknown Error")),
        "gateway 404 early": _early(body=_GATEWAY.format(404, "Not Found"), status=404),
        "401 early": _early(body='{"error":"unauthorized"}', status=401),
        "302 early": _early(status=302, headers={"Location": "/elsewhere"}),
        "504 early, sent on 3 s later": _always(**_page(504, "Timed Out"), counted=False, forwarded=3.0),
    },
    "the connection is lost": {
        "hang-up": _either(disconnect=True),
        "hang-up early": _early(disconnect=True),
        "reset": _either(disconnect=True, reset=True),
        "reset early": _early(disconnect=True, reset=True),
        "hang-up in the body": _either(body=_ACCEPTED, cut=9),
        "reset in the body": _either(body=_ACCEPTED, cut=9, reset=True),
    },
    "is slow": {  # on both sides of a time-out of 5 s
        "4.8 s": _always(delay=4.8),
        "5.2 s": _always(delay=5.2),
        "12 s": _always(delay=12.0),
        "a refusal after 4.8 s": _never(code="51023", delay=4.8),
        "a refusal after 5.2 s": _never(code="51023", delay=5.2),
        "headers after 2 s, body after 4.8 s": _done(body=_ACCEPTED, delay=2.0, pause=2.8),
        "headers, then nothing": _either(body=_ACCEPTED, pause=60.0),
    },
    "is too long": {
        "20 MB": _either(body=_ACCEPTED, padding=20_000_000),
        "gzip bomb": _either(body=zlib.compress(b" " * 10_000_000, 3, wbits=31), headers=_GZIP),
    },
    "fills in part": {  # with the usual answer
        "half filled": _always(fill=0.5),
        "never filled": _always(fill=0),
    },
    "has another clock": {  # with the usual answer for such a skew
        "5 s ahead": _clock(5.0),
        "5 s behind": _clock(-5.0),
        "29 s ahead": _clock(29.0),
        "29 s behind": _clock(-29.0),
        "31 s ahead": _clock(31.0),
        "31 s behind": _clock(-31.0),
        "1 h ahead": _clock(3600.0),
        "1 h behind": _clock(-3600.0),
        "jumps ahead by 1 h": _clock(3600.0, after=1),
        "jumps back by 31 s": _clock(-31.0, after=1),
    },
    "another endpoint fails": {
        "time down": _time(**_page(503, "Unavailable")),
        "time hangs up": _time(disconnect=True),
        "time slow": _time(delay=8.0),
        "time refused for rate": _time(code="50011"),
        "config down": _config(**_page(502, "Bad Gateway")),
        "config hangs up": _config(disconnect=True),
        "config slow": _config(delay=3.0, times=1),
        "config too slow": _config(delay=12.0),
        "config refused for rate": _config(code="50011"),
        "positions down": _positions(**_page(503, "Unavailable"), times=None),
        "positions hang up": _positions(disconnect=True),
        "positions slow": _positions(delay=8.0),
        "positions cut": _positions(body='{"code":"0","data":[{"instId":"BTC-USDT-SWAP"'),
        "positions refused for rate": _positions(code="50011"),
        "positions empty beside a refusal": _positions(body=f'{_ACCEPTED[:-1]},"error_code":"50011"}}', times=None),
        "positions empty before a list": _positions(body=f'{_ACCEPTED} {{"data":[{{"instId":"X"}}]}}', times=None),
        "positions empty once": _positions(body=_ACCEPTED),  # as from a replica that is behind
        "config without a uid": _config(body='{"code":"0","data":[{"uid":""}],"msg":""}'),
    },
    "the API key is refused": {
        "key revoked": _early(code="50119", path=None, times=None),
        "key revoked in mid-run": _early(code="50119", path=None, times=None, after=2),
        "IP not allowed": _early(code="50110", path=None, times=None),
    },
}
# fmt: on

CATALOGUE: Final[Mapping[str, Kind]] = MappingProxyType(
    {name: replace(kind, group=group) for group, kinds in _GROUPS.items() for name, kind in kinds.items()}
)


def fault_of(kind: str, options: Options) -> Fault:
    """Return a fault of the catalogue with `options` added, or for "" a fault of `options` alone."""
    if not kind:
        return Fault(**options)
    row = CATALOGUE.get(kind)
    if row is None:
        near = "".join(f", near is {name!r}" for name in get_close_matches(kind, CATALOGUE, 1))
        code = f"any code is answered by code={kind!r}, on the command line --code {kind}; " if kind.isdecimal() else ""
        names = "all names: okx_async.simulator.CATALOGUE, `okx-async simulated faults`"
        raise ValueError(f"no fault is called {kind!r}{near}; {code}{names}")
    if row.executed not in {None, options.get("executed", row.executed)}:
        raise ValueError(f"a request that meets {kind!r} is {'always' if row.executed else 'never'} executed")
    what: Options = {"name": kind, **row.what, **options}
    if row.executed is not None:
        # A fault that only delays the usual answer has the request executed by the usual path.
        what["executed"] = row.what.get("executed", False)
    return Fault(**what)
