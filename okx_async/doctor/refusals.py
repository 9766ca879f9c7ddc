"""Findings for missing answers and refusals, with their remedies (pure).

A refused key is not tried again, and never at another host: repeated failures may get an address blocked, and a key
belongs to one home.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from okx_async._errors import NotSentError, SlotTimeoutError
from okx_async._models import Outcome
from okx_async._rest.codes import CODES
from okx_async._rest.hosts import REGIONS
from okx_async._rest.outcomes import classify
from okx_async._rest.remedies import FOREIGN_STEP, READ_STEP, next_step
from okx_async._rest.responses import Answer, one_line
from okx_async.doctor.finding import Finding, Level

_HOMES: Final = ", ".join(f"{name} {url.removeprefix('https://')}" for name, url in REGIONS.items())
_WRONG_HOME: Final = (
    f"first check the account's home (region= or --region: {_HOMES}): a key is known to its own only. "
    "Then look in OKX's settings if the key was deleted or has expired"
)
_REMEDIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "50102": "let the machine set its clock by NTP",
        "50105": "check OKX_PASSPHRASE: it was chosen when the key was made, and is not your login password",
        "50108": _WRONG_HOME,
        "50109": _WRONG_HOME,
        "50111": f"check OKX_API_KEY for what is missing or too much; {_WRONG_HOME}",
        "50113": "check OKX_SECRET_KEY: it belongs to this OKX_API_KEY and is shown once, when the key is made",
        "50114": _WRONG_HOME,
        "50119": _WRONG_HOME,
        "50120": "give the key the Read and Trade permissions in OKX's settings",
    }
)
_OTHER_ENVIRONMENT: Final[Mapping[bool, str]] = MappingProxyType(
    {
        False: "if this key was made for demo trading, pass demo=True (--demo); else make a key of live trading",
        True: "if this is a key of live trading, leave demo=True (--demo) out; else make a key for demo trading",
    }
)


_OWN_REMEDY: Final = (
    "the certificate of ",
    "the proxy ",
    "the SOCKS proxy ",
    "the server asks ",
    "the server refuses ",
)  # so begin reasons that end in a step

_CUT_OFF: Final = re.compile("reset by peer|Server disconnected|the connection had ended|_ALERT_")

OF_THE_OTHER: Final = frozenset({"50101", "50038", "50053"})
"""Codes of a key that is of the other environment: of demo trading, or of live trading."""


def environment_finding(counted: str, *, demo: bool) -> Finding:
    """Return the finding that a key belongs to its environment; `counted`: what its limits are counted under."""
    name = "demo" if demo else "live"
    text = f"{name} trading, as the key is"
    if counted == name:
        return Finding("environment", Level.OK, text)
    text += f"; limits are counted for {counted} alone"
    if "//127.0.0.1" in counted:
        return Finding("environment", Level.OK, text)
    remedy = f"if it leads to OKX, pass counts_as='{name}' (--counts-as {name}): its limit is one for all hosts"
    return Finding("environment", Level.WARN, text, remedy)


def no_answer(check: str, what: str, reason: str, *, proxies: bool) -> Finding:
    """Return the finding for a request without an answer; `proxies`: whether the environment names a proxy."""
    said, ends, step = reason.partition("): ")
    if ends and reason.startswith(_OWN_REMEDY):
        return Finding(check, Level.FAIL, f"{what}: no answer: {said})", step)
    remedy = "check the host's name, the network and the firewall"
    if _CUT_OFF.search(reason):  # it may end the connection without a word of why
        remedy += ", and whether a gateway asks for a client certificate (ssl=)"
    if proxies:
        remedy += "; the environment's proxy is not used unless asked for: proxy='env' (--proxy env)"
    return Finding(check, Level.FAIL, f"{what}: no answer: {reason}", remedy)


def not_asked(check: str, what: str, error: NotSentError) -> Finding:
    """Return the finding for a request that had no slot: the way to the host was not tried."""
    level = Level.WARN if isinstance(error, SlotTimeoutError) else Level.FAIL
    return Finding(check, level, f"{what}: not asked: {one_line(str(error))}", "see what is said of the limits")


def refusal(check: str, answer: Answer, what: str, *, demo: bool = False) -> Finding:
    """Return the finding for an unusable `answer` to the request named `what`."""
    code = answer.code.partition("_")[0]
    known = CODES.get(code)
    outcome = classify(answer)
    if outcome is Outcome.ACCEPTED:
        return Finding(check, Level.WARN, f"{what}: the answer says nothing", READ_STEP)
    words = answer.message.rstrip(" .;") or (known.meaning if known else "no reason given")
    # A page of something between here and OKX: a login, another server. A gateway's own error may pass.
    strange = outcome is Outcome.UNKNOWN and not answer.envelope and answer.status < HTTPStatus.INTERNAL_SERVER_ERROR
    if strange:
        remedy = FOREIGN_STEP
    elif outcome is Outcome.UNKNOWN:
        remedy = READ_STEP
    elif code in OF_THE_OTHER:
        remedy = _OTHER_ENVIRONMENT[demo]
    else:
        remedy = _REMEDIES.get(code) or next_step(outcome, code, words)
    passing = not strange and outcome in {Outcome.RATE, Outcome.LATER, Outcome.FROZEN, Outcome.UNKNOWN}
    text = f"{what}: {answer.code or f'HTTP {answer.status}'}: {words}"
    return Finding(check, Level.WARN if passing else Level.FAIL, text, remedy)
