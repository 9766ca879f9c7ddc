"""The settings of the simulated exchange: each is a behaviour that OKX does not document, or that trials can settle.

The defaults are what the simulator assumes. A recording of the real exchange holds values under the same names.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from math import inf
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, TypedDict, get_args

from okx_async.simulator.api.arrivals import WINDOWS, Window
from okx_async.simulator.api.codes import SHAPES, Shape

Seconds: TypeAlias = float | tuple[float, float]
"""A number of seconds, or (least, most) of which each is drawn."""

ListsFlat: TypeAlias = Literal["named", "never", "always"]

AUTH_CHECKS = ("headers", "timestamp", "key", "environment", "passphrase", "ip", "signature")
_OF_THE_KEY = AUTH_CHECKS[3:]
CLOSE_CHECKS = (
    "instId",
    "mgnMode",
    "ids",
    "autoCxl",
    "instrument",
    "posSide",
    "ccy",
    "account",
    "position",
    "frozen",
    "running",
    "orders",
)
_CODE = re.compile(r"[A-Za-z0-9_]{1,16}", re.ASCII)
_LEAST_HEAD = 1024  # bytes that every usual request needs
_MOST_PADDING = 65536  # bytes of an answer's head


@dataclass(frozen=True, slots=True)
class Refusal:
    """How the exchange refuses in one situation."""

    code: str
    """The code, 16 letters, digits and underscores at most."""
    status: int | None = None
    """The HTTP status; None: the code's."""
    shape: Shape | None = None
    """The shape of the body; None: the usual one."""

    def __post_init__(self) -> None:
        code: Any = self.code
        if not (isinstance(code, str) and _CODE.fullmatch(code)):
            raise ValueError(f"a code is of at most 16 letters, digits and underscores, got {code!r}")
        if self.status is not None and not (type(self.status) is int and 200 <= self.status <= 599):  # noqa: PLR2004 - HTTP's
            raise ValueError(f"status must be an HTTP status, got {self.status!r}")
        if self.shape is not None and self.shape not in SHAPES:
            raise ValueError(f"shape must be one of {', '.join(SHAPES)}, got {self.shape!r}")


class Settings(TypedDict, total=False):
    """The fields of a Behaviour, for keyword arguments."""

    window: Window
    count_rejected: bool
    limits: Mapping[str, int]
    options_by_family: bool
    body_first: bool
    rate_first: bool
    form_first: bool
    auth_checks: tuple[str, ...]
    close_checks: tuple[str, ...]
    max_age: float
    empty_is_absent: bool
    lenient_booleans: bool
    pos_side_echo: str
    heeds_exp_time: bool
    cl_ord_id_kept: bool
    cl_ord_id_reusable: bool
    auto_cxl_algos: bool
    fill_delay: Seconds
    positions_lag: Seconds
    opening_lag: Seconds
    history_lag: float
    lists_flat: ListsFlat
    flip_keeps_c_time: bool
    reopen_keeps_c_time: bool
    reopen_keeps_pos_id: bool
    refusals: Mapping[str, Refusal]
    keepalive: float
    max_head: int
    answer_head: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """The behaviours of the exchange that a recording can settle. Times are in seconds.

    Raises:
        TypeError: If there is no setting of such a name, or its value is of another type.
        ValueError: If a value is not possible.
    """

    window: Window = "sliding"
    """How arrivals are counted: "sliding" or "fixed"."""
    count_rejected: bool = True
    """Whether requests refused for rate use up the limit."""
    limits: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """Requests in a window, by endpoint ("trade/close-position"); of those not named here, the documented ones."""
    options_by_family: bool = True
    """Whether closes and orders of options are counted by family, or each instrument for itself."""
    body_first: bool = True
    """Whether the body's form is checked before authentication, or after it."""
    rate_first: bool = False
    """Whether a request is counted before its signature is checked, or after it."""
    form_first: bool = False
    """Whether a close's parameters are checked for their form before the request is counted, or after it."""
    auth_checks: tuple[str, ...] = AUTH_CHECKS
    """The order of the checks of authentication; "headers": whether one is missing."""
    close_checks: tuple[str, ...] = CLOSE_CHECKS
    """The order of the checks of a close."""
    max_age: float = 30.0
    """Seconds by which a timestamp may differ from the server's time, either way."""
    empty_is_absent: bool = True
    """Whether an empty parameter counts as absent; if not, it is refused."""
    lenient_booleans: bool = True
    """Whether ``autoCxl`` may be the text ``"true"`` or ``"false"``, as a client of the exchange's own sends it."""
    pos_side_echo: str = "net"
    """The ``posSide`` of the answer to a close that named none."""
    heeds_exp_time: bool = True
    """Whether an order that arrives after its ``expTime`` is refused."""
    cl_ord_id_kept: bool = True
    """Whether the order that a close makes has the close's ``clOrdId``."""
    cl_ord_id_reusable: bool = True
    """Whether a close may have the ``clOrdId`` of an order that has ended; if not, it is refused with 51016."""
    auto_cxl_algos: bool = False
    """Whether ``autoCxl`` cancels algo orders as well as limit orders."""
    fill_delay: Seconds = 0.0
    """Seconds from the acceptance of a close to the flat position; `math.inf`: it never ends."""
    positions_lag: Seconds = 0.0
    """Seconds from a change of a position to its appearance in account/positions."""
    opening_lag: Seconds = 0.0
    """The same seconds for a position at an address that never had one."""
    history_lag: float = 0.0
    """Seconds from a change of a position to its appearance in account/positions-history."""
    lists_flat: ListsFlat = "named"
    """Whether account/positions lists flat positions: if "named" by instId or posId, "never" or "always"."""
    flip_keeps_c_time: bool = False
    """Whether a net position that changes sign in one trade keeps its ``cTime``."""
    reopen_keeps_c_time: bool = False
    """Whether a position that is opened anew keeps its ``cTime``."""
    reopen_keeps_pos_id: bool = True
    """Whether a position that is opened anew keeps its ``posId``."""
    refusals: Mapping[str, Refusal] = field(default_factory=lambda: MappingProxyType({}))
    """How it refuses, by situation ("no position", "wrong posSide"); of those not named here, the usual codes."""
    keepalive: float = 75.0
    """Seconds after which an idle connection is closed."""
    max_head: int = 32 * 1024
    """Bytes that the first line and the headers of a request may have."""
    answer_head: int = 0
    """Bytes that the head of an answer has at least: padding makes up what it lacks."""

    def __post_init__(self) -> None:
        for each in fields(self):
            _CHECKS.get(each.name, _check_boolean)(each.name, getattr(self, each.name))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_boolean(name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be true or false, got {value!r}")


def _check_window(name: str, value: Any) -> None:
    if value not in WINDOWS:
        raise ValueError(f'{name} must be "sliding" or "fixed", got {value!r}')


def _check_flat(name: str, value: Any) -> None:
    if value not in get_args(ListsFlat):
        raise ValueError(f'{name} must be "named", "never" or "always", got {value!r}')


def _check_lag(name: str, value: Any) -> None:
    if not (_is_number(value) and 0 <= value < inf):
        raise ValueError(f"{name} must be a number of seconds and not negative, got {value!r}")


def _check_delay(name: str, value: Any) -> None:
    """Check a number of seconds or (least, most); a fill may take for ever."""
    least, most = value if isinstance(value, tuple) and len(value) == 2 else (value, value)  # noqa: PLR2004 - a pair
    if not (_is_number(least) and _is_number(most)):
        raise TypeError(f"{name} must be a number of seconds or (least, most), got {value!r}")
    never = name == "fill_delay" and least == most == inf
    if not (0 <= least <= most < inf or never):
        raise ValueError(f"{name} must be finite and not negative, nor its least above its most: {value}")


def _check_time(name: str, value: Any) -> None:
    if not (_is_number(value) and 0 < value < inf):
        raise ValueError(f"{name} must be a positive number of seconds, got {value!r}")


def _check_head(name: str, value: Any) -> None:
    if not (_is_number(value) and isinstance(value, int) and value >= _LEAST_HEAD):
        raise ValueError(f"{name} must be at least {_LEAST_HEAD} bytes, got {value!r}")


def _check_padding(name: str, value: Any) -> None:
    if not (_is_number(value) and isinstance(value, int) and 0 <= value <= _MOST_PADDING):
        raise ValueError(f"{name} must be from 0 to {_MOST_PADDING} bytes, got {value!r}")


def _check_side(name: str, value: Any) -> None:
    if value not in {"net", "long", "short", ""}:
        raise ValueError(f'{name} must be "net", "long", "short" or "", got {value!r}')


def _check_limits(name: str, value: Any) -> None:
    if not all(isinstance(path, str) and type(limit) is int and limit > 0 for path, limit in value.items()):
        raise ValueError(f"{name} must be positive whole numbers by endpoint, got {dict(value)!r}")


def _check_refusals(name: str, value: Any) -> None:
    if not all(isinstance(situation, str) and isinstance(one, Refusal) for situation, one in value.items()):
        raise TypeError(f"{name} must be Refusals by situation")


def _check_order(name: str, value: Any) -> None:
    known = AUTH_CHECKS if name == "auth_checks" else CLOSE_CHECKS
    if not (isinstance(value, tuple) and len(value) == len(known) and set(value) == set(known)):
        raise ValueError(f"{name} must be an order of {', '.join(known)}, got {value!r}")
    if name == "auth_checks" and any(value.index("key") > value.index(later) for later in _OF_THE_KEY):
        raise ValueError(f"{name}: only headers and timestamp can be checked before the key, got {value!r}")


_CHECKS: dict[str, Callable[[str, Any], None]] = {
    "window": _check_window,
    "limits": _check_limits,
    "auth_checks": _check_order,
    "close_checks": _check_order,
    "max_age": _check_time,
    "pos_side_echo": _check_side,
    "fill_delay": _check_delay,
    "positions_lag": _check_delay,
    "opening_lag": _check_delay,
    "history_lag": _check_lag,
    "lists_flat": _check_flat,
    "refusals": _check_refusals,
    "keepalive": _check_time,
    "max_head": _check_head,
    "answer_head": _check_padding,
}
"""By field; the others are booleans."""
