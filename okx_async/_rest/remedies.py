"""The next step after a refusal, in one sentence: by the code, the exchange's words and what was asked for.

A step is about what the exchange named, and never recommends what was done already.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final, TypeAlias, cast

from okx_async._models import ClosePosition, MgnMode, Outcome, PosSide
from okx_async._rest.codes import LIFTED_BY_AUTO_CXL, base_code
from okx_async._rest.hosts import REGIONS
from okx_async._words import ListedText

_Step: TypeAlias = str | Callable[[str, ClosePosition | None], str]

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

# The steps where there is no code: an HTTP status alone says little.
FOREIGN_STEP: Final = (
    "no answer of OKX itself: check region= and base_url, and if this IP address and country may use it"
)
PROXY_LOGIN_STEP: Final = (
    "a proxy asks for a login: put the right user name and password into its URL (proxy=, OKX_PROXY or your session's)"
)
NO_SWAPS_STEP: Final = (  # observed in 2026
    "region='eea' has no SWAP ids: its perpetuals are FUTURES, such as BTC-USD_UM_XPERP-310404; take the id as "
    "positions lists it, and check region= if the account is not of the EEA"
)
READ_PERMISSION_STEP: Final = "give the API key the Read permission"
NO_QUESTION_STEP: Final = "the exchange does not take this question of okx_async's: please report it"
READ_STEP: Final = "nothing was changed by asking: ask again"
CANCEL_STEP: Final = "it may have been executed: look at pending orders"
AUTO_CXL_NOTE: Final = "auto_cxl was set: pending orders may have been cancelled"


def next_step(
    outcome: Outcome, code: str, words: str, close: ClosePosition | None = None, *, listed: bool = False
) -> str:
    """Return the next step.

    Args:
        outcome: What became of the request.
        code: The exchange's code, "" if there was none.
        words: The exchange's words.
        close: The close that was asked for; None: another request.
        listed: Whether it names a position in the words of a reading, which are no slip of the user's then.
    """
    if not code and outcome is Outcome.FATAL:
        return FOREIGN_STEP
    if listed and close is not None:
        close = _as_listed(close)
    step = CODE_STEPS.get(base_code(code)) or (_no_such if outcome is Outcome.FLAT else STEPS[outcome])
    return step if isinstance(step, str) else step(words, close)


OWN_LIMITS: Final = "limiter=Limiter(), or OKX_LIMITS=process"
"""How a client, or last a command, has limits that it shares with no other process."""
_OPTION: Final = re.compile(
    r"\b(auto_cxl|mgn_mode|pos_side|cl_ord_id|base_url|max_wait|counts_as|connect_timeout|local_addr"
    r"|prefix(?= must be )|(?:ccy|tag|demo|region|proxy|timeout|deadline)(?==)|(?<=connect_timeout \+ )timeout)"
    r"(?:=True|='(\w+)'|=([\w.:]+)|=)?"
    r"(?: \(--[\w -]+\))?"  # an option that the text names already
)


def by_option(text: str) -> str:
    """Return a text in which arguments are named as the command line names them: auto_cxl=True is --auto-cxl."""
    text = text.replace(OWN_LIMITS, OWN_LIMITS.rpartition(" ")[2])
    return _OPTION.sub(lambda found: " ".join(filter(None, (_option(found[1]), found[2], found[3]))), text)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


# --- parameters that the exchange's words name ---

_NAMES: Final[Mapping[str, re.Pattern[str]]] = {
    name: re.compile(pattern, re.IGNORECASE)
    for name, pattern in {
        "inst_id": r"\binst(?:rument)?[ _-]?id\b",
        "mgn_mode": r"\b(?:mgn|margin|td)[ _-]?mode\b",
        "pos_side": r"\bpos(?:ition)?[ _-]?side\b",
        "ccy": r"\b(?:ccy|currency)\b",
        "auto_cxl": r"\bauto[ _-]?cxl\b",
        "cl_ord_id": r"\bcl(?:ient)?[ _-]?ord(?:er)?[ _-]?id\b",
        "tag": r"\btag\b",
    }.items()
}
_TAKEN_ID: Final = ("50071", "51016")
_LISTED: Final = "as positions lists it"
BY_HAND: Final = f"check the parameters against the position {_LISTED}"


def _named(words: str) -> list[str]:
    """Return the parameters that the exchange's words name, in their order."""
    found = [(match.start(), name) for name, each in _NAMES.items() if (match := each.search(words))]
    return [name for _, name in sorted(found)]


def refused_for_its_own(code: str, words: str, refused: ClosePosition, other: ClosePosition) -> bool:
    """Return whether a close was refused for what another close of the same position does not have.

    Args:
        code: The code of the refusal, by which nothing was executed.
        words: The exchange's words.
        refused: The close that was refused.
        other: The close that was not sent.
    """
    base = base_code(code)
    if base in LIFTED_BY_AUTO_CXL:
        return other.auto_cxl and not refused.auto_cxl
    about = ["cl_ord_id"] if base in _TAKEN_ID else _named(words) if CODE_STEPS.get(base) in _BY_NAME else ()
    return any(getattr(refused, name) != getattr(other, name) for name in about)


def _parameter(words: str, close: ClosePosition | None) -> str:
    return ", and ".join(_ABOUT[name](close) for name in _named(words)) or BY_HAND


def _missing(words: str, close: ClosePosition | None) -> str:
    if _named(words):
        return _parameter(words, close)
    return "give what the message names: ccy= for a cross MARGIN position, pos_side= in long/short mode"


def _as_listed(close: ClosePosition) -> ClosePosition:
    """Return a close whose words are marked as the exchange's own."""
    ccy = None if close.ccy is None else ListedText(close.ccy)
    mgn_mode, pos_side = ListedText(close.mgn_mode), ListedText(close.pos_side or "net")
    return replace(
        close,
        inst_id=ListedText(close.inst_id),
        mgn_mode=cast("MgnMode", mgn_mode),
        pos_side=cast("PosSide", pos_side),
        ccy=ccy,
    )


def _is_listed(close: ClosePosition | None, name: str) -> bool:
    """Return whether a word of a close cannot have been typed."""
    return close is not None and isinstance(getattr(close, name), ListedText)


def _is_whole(close: ClosePosition | None) -> bool:
    """Return whether all that names the position of a close was listed."""
    return all(_is_listed(close, name) for name in ("inst_id", "mgn_mode", "pos_side"))


def _turned(_words: str, close: ClosePosition | None) -> str:
    step = "look at positions: it may have turned since"
    return step if _is_whole(close) else f"{step}, and another pos_side is answered in the same way"


def _refused_here(name: str) -> str:
    return f"the exchange refuses the {name} that it lists itself: {_SUPPORT}"


def _no_such(_words: str, close: ClosePosition | None) -> str:
    if _is_whole(close):
        return f"a reading listed it in these very words: look at positions; if it stays, {_SUPPORT}"
    return STEPS[Outcome.FLAT]


def _word(name: str, what: str, close: ClosePosition | None) -> str:
    if _is_listed(close, name):
        return _refused_here(name)
    return f"check {name}: the {what} of the position {_LISTED}"


def _pos_side(close: ClosePosition | None) -> str:
    if close is None:
        return (
            "check pos_side against the account's position mode: none or 'net' in net mode, "
            "'long' or 'short' in long/short mode"
        )
    if _is_listed(close, "pos_side"):
        return _refused_here("pos_side")
    if close.pos_side in {"long", "short"}:
        return "check the account's position mode: in net mode leave pos_side out"
    return "check the account's position mode: in long/short mode pass pos_side='long' or pos_side='short'"


def _ccy(close: ClosePosition | None) -> str:
    given = close is not None and close.ccy is not None
    if _is_listed(close, "ccy"):
        return _refused_here("ccy")
    if not given and _is_whole(close):
        return "positions lists it without a margin currency: close it alone, with ccy="
    return f"{'check ccy:' if given else 'pass ccy=,'} the margin currency of the position {_LISTED}"


def _cl_ord_id(close: ClosePosition | None) -> str:
    if close is not None and close.cl_ord_id is None:
        return "it names an id that was not sent: look at positions, then try again"
    return "use another cl_ord_id, of 1 to 32 ASCII letters and digits"


def _tag(close: ClosePosition | None) -> str:
    if close is not None and close.tag is None:
        return "it names a tag that was not sent: look at positions, then try again"
    return "use another tag, of 1 to 16 ASCII letters and digits, or none"


def _auto_cxl(close: ClosePosition | None) -> str:
    if close is not None and not close.auto_cxl:
        return "cancel pending orders by yourself"
    return "leave auto_cxl out, and cancel pending orders by yourself"


_ABOUT: Final[Mapping[str, Callable[[ClosePosition | None], str]]] = {
    "inst_id": lambda close: _word("inst_id", "id", close),
    "mgn_mode": lambda close: _word("mgn_mode", "margin mode", close),
    "pos_side": _pos_side,
    "ccy": _ccy,
    "auto_cxl": _auto_cxl,
    "cl_ord_id": _cl_ord_id,
    "tag": _tag,
}


# --- steps of single codes ---

_LEFT: Final = (
    "some are still pending all the same: look at pending orders, at algo orders (TP/SL) too, and cancel them"
)


def _cancel(_words: str, close: ClosePosition | None) -> str:
    return _LEFT if close is not None and close.auto_cxl else "cancel them or pass auto_cxl=True"


def _held(_words: str, close: ClosePosition | None) -> str:
    held = "pending orders hold it: "
    return f"{held}{_LEFT}" if close is not None and close.auto_cxl else f"{held}cancel them or pass auto_cxl=True"


def _reduce_only(_words: str, close: ClosePosition | None) -> str:
    return _LEFT if close is not None and close.auto_cxl else f"{_FIRST}, or pass auto_cxl=True"


def _mode(words: str, close: ClosePosition | None) -> str:
    return _parameter(words, close) if _named(words) else _MODE


def _exists(_words: str, close: ClosePosition | None) -> str:
    again = "" if close is not None and close.cl_ord_id is None else ", then use another cl_ord_id"
    return f"look at positions{again}"


def _instrument(_words: str, close: ClosePosition | None) -> str:
    return _word("inst_id", "id", close)


def _unknown(words: str, close: ClosePosition | None) -> str:
    return f"{_instrument(words, close)}; an expired or delisted instrument answers so as well"


def _net_only(_words: str, close: ClosePosition | None) -> str:
    sided = close is None or close.pos_side in {"long", "short"}
    return f"check the account mode{': it has net positions only, leave pos_side out' if sided else ''}"


_SLICE: Final = "close it in slices with orders of your own"
_OWN_ORDER: Final = "close it with an order of your own"
_FIRST: Final = "cancel pending orders first"
_REST: Final = "too little may be left to be closed by an order: look at the position's size"
_LASTING: Final = "nothing was executed, and it does not pass by itself: see OKX's announcements"
_SETTLED: Final = "the exchange settles it by itself: look at positions, and at the account's bills"
_MODE: Final = "check the account mode (acctLv of account/config), and which positions and margin modes it allows"
_SUPPORT: Final = "look into OKX's app, which may still close it, or ask OKX's support"
_COLLATERAL: Final = "enable the currency that the message names as collateral"
_COPY: Final = "close it by copy trading"

_BY_STEP: Final[tuple[tuple[str, _Step], ...]] = (
    ("50005 50046 50062", _LASTING),
    ("50014", _missing),
    ("50015 50016 50024 51000", _parameter),
    ("50032 50033", "allow it in the account's settings at OKX"),
    ("50035", "bind the API key to an IP address in OKX's settings"),
    ("50038", "leave demo=True out, with an API key of live trading"),
    ("50053", "pass demo=True, with an API key of demo trading"),
    ("50040", "send fewer requests at a time"),
    ("50061", "all orders of the account count together: place fewer at a time"),
    (" ".join(_TAKEN_ID), _exists),
    ("50101", "use demo=True with a demo key only, and a demo key with demo=True only"),
    ("50105", "check the passphrase: it was chosen when the API key was made"),
    ("50110", "add this machine's IP address to the API key's list"),
    ("50111", "check the API key"),
    ("50112", "this is a bug of okx_async: please report it"),
    ("50113", "check the secret key"),
    (
        "50119",
        f"check region= ({', '.join(REGIONS)}) and base_url first (a key has one home), then if it was revoked",
    ),
    ("50120", "give the API key the Trade permission"),
    ("51001", _unknown),
    ("51002 51012 51014 51015 51026", _instrument),
    ("51004 51005 51101 51108 51185 51201 51202 51203 51207", _SLICE),
    ("51008 51119 51127 51131", "add margin, or repay what was borrowed"),
    ("51009 51024 51056 51341", _SUPPORT),
    ("51010 51128 54000", _mode),
    ("51020 51120 51121 51132", _REST),
    ("51025 51102 51103 51104 51105 51106 51107 51162 51174", _FIRST),
    ("51027 51028", _SETTLED),
    ("51041", _net_only),
    ("51066", "close it with a limit order of your own"),
    ("51112", _held),
    ("51113", "closes are throttled on their own: send fewer at a time"),
    ("51115 51117 51125 51126", _cancel),
    ("51130", lambda _words, close: _ccy(close)),
    ("51134", "look at holdings, and cancel pending orders first"),
    ("51140 51142", "nothing was executed: try later"),
    ("51143 51173", _OWN_ORDER),
    ("51144", "pass ccy= of the currency that the message names"),
    ("51148 51168 51205 51206", _reduce_only),
    ("51156 51159 51166", _COPY),
    ("51163", "close the positions that the message names first"),
    ("51167", "cancel pending block orders first"),
    ("51169 51170", _turned),
    ("51324", f"{_COPY}, in the available amount"),
    ("54008", "lift the mass-cancel switch, or wait until it has run out"),
    ("54024 54025 54026 54027 54028", _COLLATERAL),
    ("54092", "accept the disclaimer in OKX's app"),
)

CODE_STEPS: Final[Mapping[str, _Step]] = MappingProxyType(
    {code: step for codes, step in _BY_STEP for code in codes.split()}
)
"""The codes that have a step of their own, in place of their outcome's."""
_BY_NAME: Final = (_missing, _parameter)
