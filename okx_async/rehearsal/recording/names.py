"""Which fields of OKX's records hold what a recording replaces, by their names (pure)."""

import re
from typing import Final, Literal

Kind = Literal["private", "id", "time", ""]
"""private: of a person or a machine, hidden wherever it occurs; id: of an order or position; time: long and no id; "":
kept."""

_KEPT: Final = frozenset({"instId", "instIdCode", "instFamily", "stgyId", "ruleId"})
_TIMES: Final = frozenset({"inTime", "outTime"})  # microseconds, as long as an id
_PRIVATE: Final = re.compile(
    r"(?:.*(?:[uU]id|UID|[aA]ddr|[aA]ddress|[eE]mail|[pP]hone|[tT]oken|[sS]ecret|[pP]assphrase|[pP]assword|apiKey|sign"
    r"|subAcct|signature)|ip|label|name|acct|key)s?"
)
_ID: Final = re.compile(r"(?:.*(?:Id|ID|_id)|id|tag|traceid|traceId|requestid|algoClOrdId)s?")


def kind_of(name: str) -> Kind:
    """Return what a field of this name holds."""
    if name in _KEPT:
        return ""
    if name in _TIMES:
        return "time"
    if _PRIVATE.fullmatch(name):
        return "private"
    return "id" if _ID.fullmatch(name) else ""
