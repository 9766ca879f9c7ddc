"""The exchange's codes as one table: what became of a close by each of them.

Meanings are OKX's in short, the outcomes are ours; `retry` says which outcome is repeated. A code that is not listed is
UNKNOWN: a new code must never be taken for "not executed". Codes that are answers only to cancelling or looking up
orders (51400 …, 51503, 51603) are left out for that reason.
https://www.okx.com/docs-v5/en/#error-code
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from okx_async._models import Outcome


class Code(NamedTuple):
    """The outcome that a code stands for, and its meaning in short, for answers without words."""

    outcome: Outcome
    meaning: str


# fmt: off
# A row: codes that share outcome and meaning ("51135-51138" is a range, ends included).
_ROWS: Final = (
    (Outcome.RATE, "50011 50040 50061", "too many requests"),
    (Outcome.RATE, "51113", "too many closes at market price"),

    (Outcome.LATER, "50001", "service temporarily unavailable"),
    (Outcome.LATER, "50005", "endpoint inactive or unavailable"),
    (Outcome.LATER, "50023", "frozen while funding fees are settled"),
    (Outcome.LATER, "50046 50062", "feature unavailable for now"),
    (Outcome.LATER, "50064", "borrowing system unavailable"),
    (Outcome.LATER, "51006 51031 51116 51135-51138", "price limit hit"),
    (Outcome.LATER, "51022", "instrument suspended"),
    (Outcome.LATER, "51028", "contract under delivery"),
    (Outcome.LATER, "51029 51030", "being settled"),
    (Outcome.LATER, "51034", "fill rate above the account's own limit"),
    (Outcome.LATER, "51109", "no available offers"),
    (Outcome.LATER, "51110 51124 51196 51197 51507", "only limit orders for now"),
    (Outcome.LATER, "54011", "pre-market: only reducing for now"),
    (Outcome.LATER, "54012", "order book too thin for now"),
    (Outcome.LATER, "54031", "open-interest cap of the platform reached"),
    (Outcome.LATER, "54094", "cool-off period active"),

    (Outcome.FROZEN, "50009", "account frozen by liquidation"),
    (Outcome.FROZEN, "50017-50019", "frozen by auto-deleveraging"),
    (Outcome.FROZEN, "50020-50022", "frozen by liquidation"),

    (Outcome.CLOCK, "50102", "timestamp expired"),

    (Outcome.UNKNOWN, "50004 51054 51149", "timed out inside the exchange"),
    (Outcome.UNKNOWN, "50013", "system busy"),
    (Outcome.UNKNOWN, "50026", "system error"),

    (Outcome.WAIT, "50042", "repeated request"),
    (Outcome.WAIT, "51032 51342", "a close is already running"),
    (Outcome.WAIT, "51038", "an order that reduces risk already exists"),

    (Outcome.FLAT, "51023 51043 51058", "no such position"),
    (Outcome.FLAT, "51027", "contract expired"),
    (Outcome.FLAT, "51169 51170", "no position in this direction"),

    (Outcome.NEEDS, "50071 51016", "cl_ord_id already exists"),
    (Outcome.NEEDS, "51004 51005 51020 51101 51120 51121", "size outside the limits"),
    (Outcome.NEEDS, "51008 51119 51127 51131", "not enough balance or margin"),
    (Outcome.NEEDS, "51025 51102-51107 51174", "too many pending orders or positions"),
    (Outcome.NEEDS, "51037 51209-51214", "account limited to orders that reduce risk"),
    (Outcome.NEEDS, "51066", "no market orders for options"),
    (Outcome.NEEDS, "51108 51207", "too large to close at market price"),
    (Outcome.NEEDS, "51112", "close size exceeds what is available"),
    (Outcome.NEEDS, "51115", "pending close orders"),
    (Outcome.NEEDS, "51117", "too many pending close orders"),
    (Outcome.NEEDS, "51125 51126", "pending orders that reduce the margin position"),
    (Outcome.NEEDS, "51132 51134 51140 51142-51144 51173", "margin position cannot be closed as it is"),
    (Outcome.NEEDS, "51148 51168 51205 51206", "conflict with reduce-only orders"),
    (Outcome.NEEDS, "51162 51163 51167", "open orders or positions in the way"),
    (Outcome.NEEDS, "51185 51201-51203", "market order above the maximum"),
    (Outcome.NEEDS, "54008", "blocked by an active mass-cancel switch"),
    (Outcome.NEEDS, "54024-54028", "a currency must be enabled as collateral"),

    (Outcome.FATAL, "50000 50002 50006", "malformed request"),
    (Outcome.FATAL, "50007 50008 50010 50012", "account blocked, unknown or in an invalid state"),
    (Outcome.FATAL, "50014-50016 50024 50025", "parameters missing or contradictory"),
    (Outcome.FATAL, "50027-50029", "trading restricted by the exchange"),
    (Outcome.FATAL, "50030 50041", "no permission for this endpoint"),
    (Outcome.FATAL, "50032 50033", "currency or instrument blocked in the account settings"),
    (Outcome.FATAL, "50035", "the API key must be bound to an IP address"),
    (Outcome.FATAL, "50036 50037", "request expired by its own expiry time"),
    (Outcome.FATAL, "50038 50053", "not available in this environment"),
    (Outcome.FATAL, "50051 50052 50059 50060 50075 51155 51734 54072 54073", "forbidden by compliance rules"),
    (Outcome.FATAL, "50067 50072", "account setting not supported"),
    (Outcome.FATAL, "50100", "API frozen"),
    (Outcome.FATAL, "50101", "the API key does not match the environment"),
    (Outcome.FATAL, "50103 50104 50106 50107", "authentication header empty"),
    (Outcome.FATAL, "50105", "wrong passphrase"),
    (Outcome.FATAL, "50108 50109 50111 50114", "API key or authorization invalid"),
    (Outcome.FATAL, "50110 50121", "this IP address is not allowed"),
    (Outcome.FATAL, "50112", "timestamp malformed"),
    (Outcome.FATAL, "50113", "invalid signature"),
    (Outcome.FATAL, "50115", "wrong HTTP method"),
    (Outcome.FATAL, "50119", "API key doesn't exist"),
    (Outcome.FATAL, "50120", "the API key lacks permission"),
    (Outcome.FATAL, "51000", "parameter error"),
    (Outcome.FATAL, "51001 51002 51012 51014 51015 51026", "instrument unknown or of another type"),
    (Outcome.FATAL, "51009 51024 51056 51341", "closing blocked by the exchange"),
    (Outcome.FATAL, "51010 51041 51128 51130 54000", "not supported in this account mode or with this ccy"),
    (Outcome.FATAL, "51021 51087", "instrument not listed"),
    (Outcome.FATAL, "51156 51159 51166 51324", "not available to a lead trader"),
    (Outcome.FATAL, "51406", "too many cancels in one request"),
    (Outcome.FATAL, "54092", "disclaimer not accepted"),
)
# fmt: on


def base_code(code: str) -> str:
    """Return a code without its sub-code: 51008 of 51008_1000."""
    return code.partition("_")[0]


def _each(codes: str) -> Iterator[str]:
    for part in codes.split():
        first, _, last = part.partition("-")
        yield from map(str, range(int(first), int(last or first) + 1))


CODES: Final[Mapping[str, Code]] = MappingProxyType(
    {code: Code(outcome, meaning) for outcome, codes, meaning in _ROWS for code in _each(codes)}
)

# Reasons that pass but seldom soon: so many repeats at most, for close, confirm and flatten alike.
FEW_REPEATS: Final[Mapping[str, int]] = MappingProxyType({"50005": 2, "50046": 3, "50062": 3})

# The next step, a sentence for each class …
STEPS: Final[Mapping[Outcome, str]] = MappingProxyType(
    {
        Outcome.RATE: "something else spends this limit: share one limiter among all who use this UID",
        Outcome.LATER: "a passing state, nothing was executed: try later",
        Outcome.FROZEN: "the exchange is reducing the position itself: look at positions first",
        Outcome.CLOCK: "nothing was executed: set this machine's clock",
        Outcome.UNKNOWN: "it may have been executed: look at positions, do not blindly repeat it",
        Outcome.WAIT: "watch positions, do not send another",
        Outcome.FLAT: "look at positions: a wrong mgn_mode or pos_side is answered in the same way",
        Outcome.NEEDS: "nothing was executed: this must be dealt with first",
        Outcome.FATAL: "nothing was executed, and repeating it cannot help",
    }
)

_CANCEL = "cancel them or pass auto_cxl=True"
_SLICE = "close it in slices with orders of your own"
_FIRST = "cancel pending orders first"
_REST = "too little may be left to be closed by an order: look at the position's size"
_LASTING = "nothing was executed, and it does not pass by itself: see OKX's announcements"
_COLLATERAL = "enable the currency that the message names as collateral"
_COPY = "close it by copy trading"

# … and one of its own for the codes that need it.
CODE_STEPS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "50005": _LASTING,
        "50014": "give what the message names: ccy= for a cross MARGIN position, pos_side= in long/short mode",
        "50035": "bind the API key to an IP address in OKX's settings",
        "50046": _LASTING,
        "50062": _LASTING,
        "50071": "look at positions, then use another cl_ord_id",
        "50101": "use demo=True with a demo key only, and a demo key with demo=True only",
        "50105": "check the passphrase: it was chosen when the API key was made",
        "50110": "add this machine's IP address to the API key's list",
        "50111": "check the API key",
        "50112": "this is a bug of okx_async: please report it",
        "50113": "check the secret key",
        "50119": "check region= and base_url first (a key is known to its home only), then if it was revoked",
        "50120": "give the API key the Trade permission",
        "51000": "check pos_side against the account's position mode: none or 'net' in net mode, "
        "'long' or 'short' in long/short mode",
        "51001": "check inst_id; an expired or delisted instrument answers so as well",
        "51004": _SLICE,
        "51005": _SLICE,
        "51008": "add margin, or repay what was borrowed",
        "51016": "look at positions, then use another cl_ord_id",
        "51020": _REST,
        "51025": _FIRST,
        "51066": "close it with a limit order of your own",
        "51101": _SLICE,
        "51102": _FIRST,
        "51103": _FIRST,
        "51104": _FIRST,
        "51105": _FIRST,
        "51106": _FIRST,
        "51107": _FIRST,
        "51108": _SLICE,
        "51112": "pending orders hold it: cancel them or pass auto_cxl=True",
        "51113": "closes are throttled on their own: send fewer at a time",
        "51115": _CANCEL,
        "51117": _CANCEL,
        "51125": _CANCEL,
        "51126": _CANCEL,
        "51120": _REST,
        "51121": _REST,
        "51130": "check ccy",
        "51148": _FIRST,
        "51156": _COPY,
        "51159": _COPY,
        "51162": _FIRST,
        "51166": _COPY,
        "51167": _FIRST,
        "51168": _FIRST,
        "51174": _FIRST,
        "51185": _SLICE,
        "51201": _SLICE,
        "51202": _SLICE,
        "51203": _SLICE,
        "51205": _FIRST,
        "51206": _FIRST,
        "51207": _SLICE,
        "51324": _COPY,
        "54008": "lift the mass-cancel switch, or wait until it has run out",
        "54024": _COLLATERAL,
        "54025": _COLLATERAL,
        "54026": _COLLATERAL,
        "54027": _COLLATERAL,
        "54028": _COLLATERAL,
    }
)

# The steps where there is no code: an HTTP status alone says little.
FOREIGN_STEP: Final = (
    "no answer of OKX itself: check region= and base_url, and if this IP address and country may use it"
)
READ_STEP: Final = "nothing was changed by asking: ask again"
AUTO_CXL_NOTE: Final = "auto_cxl was set: pending orders may have been cancelled"
