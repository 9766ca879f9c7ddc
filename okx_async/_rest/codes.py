"""The exchange's codes as one table: what became of a close by each of them.

Meanings are OKX's in short, the outcomes are ours; `retry` says which outcome is repeated. A code that is not listed is
UNKNOWN: a new code must never be taken for "not executed". Codes that are answers only to cancelling or looking up
orders (51400 …, 51503, 51603) are left out for that reason.
https://www.okx.com/docs-v5/en/#error-code
"""

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
    (Outcome.RATE, "50011", "too many requests"),
    (Outcome.RATE, "50040", "too frequent operations"),
    (Outcome.RATE, "50061", "too many orders of this account"),
    (Outcome.RATE, "51113", "too many closes at market price"),

    (Outcome.LATER, "50001", "service temporarily unavailable"),
    (Outcome.LATER, "50005", "endpoint inactive or unavailable"),
    (Outcome.LATER, "50023", "frozen while funding fees are settled"),
    (Outcome.LATER, "50046 50062", "feature unavailable for now"),
    (Outcome.LATER, "50064", "borrowing system unavailable"),
    (Outcome.LATER, "51006 51031 51116 51135-51138", "price limit hit"),
    (Outcome.LATER, "51022", "instrument suspended"),
    (Outcome.LATER, "51028", "contract under delivery"),
    (Outcome.LATER, "51029", "contract being settled"),
    (Outcome.LATER, "51030", "funding fee being settled"),
    (Outcome.LATER, "51034", "fill rate above the account's own limit"),
    (Outcome.LATER, "51109", "no available offers"),
    (Outcome.LATER, "51110 51124", "only limit orders during the call auction"),
    (Outcome.LATER, "51196 51197", "only limit orders around the pre-quote phase"),
    (Outcome.LATER, "51507", "only limit orders shortly after listing"),
    (Outcome.LATER, "54011", "pre-market: only reducing for now"),
    (Outcome.LATER, "54012", "order book too thin for now"),
    (Outcome.LATER, "54031", "open-interest cap of the platform reached"),
    (Outcome.LATER, "54094", "cool-off period active"),

    (Outcome.FROZEN, "50009", "account frozen by liquidation"),
    (Outcome.FROZEN, "50017", "position frozen by auto-deleveraging"),
    (Outcome.FROZEN, "50018", "currency frozen by auto-deleveraging"),
    (Outcome.FROZEN, "50019", "account frozen by auto-deleveraging"),
    (Outcome.FROZEN, "50020", "position frozen by liquidation"),
    (Outcome.FROZEN, "50021", "currency frozen by liquidation"),
    (Outcome.FROZEN, "50022", "account frozen by liquidation"),

    (Outcome.CLOCK, "50102", "timestamp expired"),

    (Outcome.UNKNOWN, "50004 51054", "timed out inside the exchange"),
    (Outcome.UNKNOWN, "51149", "order timed out inside the exchange"),
    (Outcome.UNKNOWN, "50013", "system busy"),
    (Outcome.UNKNOWN, "50026", "system error"),

    (Outcome.WAIT, "50042", "repeated request"),
    (Outcome.WAIT, "51032", "a close at market price is already running"),
    (Outcome.WAIT, "51038", "an order that reduces risk already exists"),
    (Outcome.WAIT, "51342", "a closing order already exists"),

    (Outcome.FLAT, "51023", "no such position"),
    (Outcome.FLAT, "51043", "no such isolated position"),
    (Outcome.FLAT, "51058", "no position for this order"),
    (Outcome.FLAT, "51169", "no position in this direction"),
    (Outcome.FLAT, "51170", "the position is in the other direction"),

    (Outcome.NEEDS, "50071", "already exists"),
    (Outcome.NEEDS, "51016", "cl_ord_id already exists"),
    (Outcome.NEEDS, "51004", "size above the limit of the leverage or tier"),
    (Outcome.NEEDS, "51005 51101 51203", "size above the maximum of an order"),
    (Outcome.NEEDS, "51008 51119 51131", "not enough balance or margin"),
    (Outcome.NEEDS, "51020 51120", "size below the minimum of an order"),
    (Outcome.NEEDS, "51025 51102 51103 51174", "too many pending orders"),
    (Outcome.NEEDS, "51027", "contract expired"),
    (Outcome.NEEDS, "51037", "account limited to orders that reduce risk at once"),
    (Outcome.NEEDS, "51066", "no market orders for options"),
    (Outcome.NEEDS, "51104", "pending orders too large in sum"),
    (Outcome.NEEDS, "51105-51107", "position and pending orders too large in sum"),
    (Outcome.NEEDS, "51108 51207", "too large to close at market price"),
    (Outcome.NEEDS, "51112", "close size exceeds what is available"),
    (Outcome.NEEDS, "51115", "pending close orders"),
    (Outcome.NEEDS, "51117", "too many pending close orders"),
    (Outcome.NEEDS, "51121", "size is no multiple of the lot size"),
    (Outcome.NEEDS, "51125", "pending orders that reduce or reverse the margin position"),
    (Outcome.NEEDS, "51126", "pending reduce-only orders of the margin position"),
    (Outcome.NEEDS, "51127", "the available balance is 0"),
    (Outcome.NEEDS, "51132", "position below the minimum of an order"),
    (Outcome.NEEDS, "51134", "closing failed for holdings or pending orders"),
    (Outcome.NEEDS, "51140", "not enough sell orders in the book"),
    (Outcome.NEEDS, "51142", "no valid quotation in the market"),
    (Outcome.NEEDS, "51143", "amount too small to convert"),
    (Outcome.NEEDS, "51144", "to be closed with another currency"),
    (Outcome.NEEDS, "51148", "it could reverse the position together with pending orders"),
    (Outcome.NEEDS, "51162", "open orders in the way"),
    (Outcome.NEEDS, "51163", "open positions in the way"),
    (Outcome.NEEDS, "51167", "open block orders in the way"),
    (Outcome.NEEDS, "51168 51206", "reduce-only orders in the way"),
    (Outcome.NEEDS, "51173", "the position has no liabilities"),
    (Outcome.NEEDS, "51185 51201", "value of a market order above the maximum"),
    (Outcome.NEEDS, "51202", "size of a market order above the maximum"),
    (Outcome.NEEDS, "51205", "reduce-only is not available"),
    (Outcome.NEEDS, "51209-51214", "account limited to orders that reduce its delta"),
    (Outcome.NEEDS, "54008", "blocked by an active mass-cancel switch"),
    (Outcome.NEEDS, "54024-54028", "a currency must be enabled as collateral"),

    (Outcome.FATAL, "50000", "empty request"),
    (Outcome.FATAL, "50002", "malformed JSON"),
    (Outcome.FATAL, "50006", "wrong Content-Type"),
    (Outcome.FATAL, "50007", "account blocked"),
    (Outcome.FATAL, "50008 50010", "account unknown"),
    (Outcome.FATAL, "50012", "account in an invalid state"),
    (Outcome.FATAL, "50014", "a parameter is missing"),
    (Outcome.FATAL, "50015", "one of two parameters is needed"),
    (Outcome.FATAL, "50016", "two parameters do not match"),
    (Outcome.FATAL, "50024", "two parameters exclude each other"),
    (Outcome.FATAL, "50025", "too many values in a parameter"),
    (Outcome.FATAL, "50027", "account restricted from trading"),
    (Outcome.FATAL, "50028", "the account cannot take the order"),
    (Outcome.FATAL, "50029", "account under risk control"),
    (Outcome.FATAL, "50030", "no permission for this endpoint"),
    (Outcome.FATAL, "50032", "currency blocked in the account settings"),
    (Outcome.FATAL, "50033", "instrument blocked in the account settings"),
    (Outcome.FATAL, "50035", "the API key must be bound to an IP address"),
    (Outcome.FATAL, "50036 50037", "request expired by its own expiry time"),
    (Outcome.FATAL, "50038", "not available in demo trading"),
    (Outcome.FATAL, "50041", "not on the list of those allowed here"),
    (Outcome.FATAL, "50051 50052 50059 50060 50075", "forbidden by compliance rules"),
    (Outcome.FATAL, "50053", "available in demo trading only"),
    (Outcome.FATAL, "50067", "cross-site trading is not supported"),
    (Outcome.FATAL, "50072", "isolated mode is not supported"),
    (Outcome.FATAL, "50100", "API frozen"),
    (Outcome.FATAL, "50101", "the API key does not match the environment"),
    (Outcome.FATAL, "50103", "the header with the API key is empty"),
    (Outcome.FATAL, "50104", "the header with the passphrase is empty"),
    (Outcome.FATAL, "50105", "wrong passphrase"),
    (Outcome.FATAL, "50106", "the header with the signature is empty"),
    (Outcome.FATAL, "50107", "the header with the timestamp is empty"),
    (Outcome.FATAL, "50108", "exchange id invalid"),
    (Outcome.FATAL, "50109", "exchange domain invalid"),
    (Outcome.FATAL, "50110", "this IP address is not on the API key's list"),
    (Outcome.FATAL, "50111", "API key invalid"),
    (Outcome.FATAL, "50112", "timestamp malformed"),
    (Outcome.FATAL, "50113", "invalid signature"),
    (Outcome.FATAL, "50114", "authorization invalid"),
    (Outcome.FATAL, "50115", "wrong HTTP method"),
    (Outcome.FATAL, "50119", "API key doesn't exist"),
    (Outcome.FATAL, "50120", "the API key lacks permission"),
    (Outcome.FATAL, "50121", "no service for this IP address"),
    (Outcome.FATAL, "51000", "parameter error"),
    (Outcome.FATAL, "51001", "instrument unknown"),
    (Outcome.FATAL, "51002", "instrument of another underlying"),
    (Outcome.FATAL, "51009", "placing orders is blocked"),
    (Outcome.FATAL, "51010", "not possible in this account mode"),
    (Outcome.FATAL, "51012", "token unknown"),
    (Outcome.FATAL, "51014", "index unknown"),
    (Outcome.FATAL, "51015 51026", "instrument of another type"),
    (Outcome.FATAL, "51021", "instrument not listed yet"),
    (Outcome.FATAL, "51024", "account blocked"),
    (Outcome.FATAL, "51041", "a portfolio-margin account has net positions only"),
    (Outcome.FATAL, "51056", "action not allowed"),
    (Outcome.FATAL, "51087", "listing cancelled"),
    (Outcome.FATAL, "51128", "no cross margin trading in multi-currency mode"),
    (Outcome.FATAL, "51130", "wrong margin currency"),
    (Outcome.FATAL, "51155", "forbidden by local compliance rules"),
    (Outcome.FATAL, "51156", "this endpoint is not for lead traders in long/short mode"),
    (Outcome.FATAL, "51159", "this endpoint is not for lead traders in this direction"),
    (Outcome.FATAL, "51166", "instrument not available to a lead trader"),
    (Outcome.FATAL, "51324", "a lead trader closes in the available amount only"),
    (Outcome.FATAL, "51341", "closing positions is not allowed"),
    (Outcome.FATAL, "51406", "too many cancels in one request"),
    (Outcome.FATAL, "51734", "country of the account's owner not supported"),
    (Outcome.FATAL, "54000", "margin trading not supported"),
    (Outcome.FATAL, "54072", "contract can be viewed only"),
    (Outcome.FATAL, "54073", "a currency is at risk of losing its peg"),
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

NO_PERMISSION: Final = "50120"
"""The API key lacks a permission: one that may not read may close all the same, and the other way round."""

# Passing reasons that seldom pass soon: so many repeats at most, for close, confirm and flatten alike. The codes share
# one count for each call, or for each position between closes that were taken. This says nothing of the step that their
# text names.
FEW_REPEATS: Final[Mapping[str, int]] = MappingProxyType({"50005": 2, "50046": 3, "50062": 3})

# Refusals because of pending orders. A close with auto_cxl has the exchange cancel these: "not cancelled yet".
LIFTED_BY_AUTO_CXL: Final = frozenset({"51112", "51115", "51117", "51125", "51126", "51148", "51168", "51205", "51206"})
