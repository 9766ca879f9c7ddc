"""Findings from the answer of account/config (pure).

No finding holds the label or an IP address of the account's record.
https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-account-configuration
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from okx_async._rest.responses import one_line
from okx_async.doctor.finding import Finding, Level

_LEVELS = MappingProxyType({"1": "Spot", "2": "Futures", "3": "Multi-currency margin", "4": "Portfolio margin"})
_ROLES = MappingProxyType({"0": "none", "1": "lead trader", "2": "copy trader"})


def account_findings(record: Mapping[str, Any], user_id: str | None = None, *, demo: bool = False) -> list[Finding]:
    """Return what `record` means for closes; `user_id`: the UID that clients are given, compared if not None."""

    def text(name: str) -> str:
        value = record.get(name)
        return one_line(value) if isinstance(value, str) else ""

    return [
        *_user(text("uid"), text("mainUid"), text("type"), user_id),
        *_permissions(text("perm")),
        _addresses(record.get("ip"), demo=demo),
        _level(text("acctLv")),
        _position_mode(text("posMode")),
        _role(text("roleType")),
        _self_trade(text("acctStpMode")),
    ]


def _not_told(check: str, field: str) -> Finding:
    return Finding(check, Level.SKIP, f"account/config does not say ({field})")


def _user(uid: str, main: str, kind: str, given: str | None) -> Iterator[Finding]:
    if not uid:
        yield _not_told("user id", "uid")
        return
    if given is not None and given != uid:
        yield Finding(
            "user id",
            Level.FAIL,
            f"{given} was given, but the exchange counts this key under {uid}: limits would not be shared",
            f'user_id="{uid}", or leave it out',
        )
    else:
        yield Finding("user id", Level.OK, f"{uid}{'' if given is None else ', as given'}")
    if not main:
        yield _not_told("account", "mainUid")
    elif main == uid:
        yield Finding("account", Level.OK, "main account")
    else:
        managed = "" if kind in {"", "1"} else f" (type {kind}: managed or in custody, others may bound what it trades)"
        yield Finding("account", Level.OK, f"sub-account of {main}, with limits of its own{managed}")


def _permissions(text: str) -> Iterator[Finding]:
    if not text:
        yield _not_told("permission", "perm")
        return
    held = {one.strip() for one in text.split(",")}
    if "trade" in held:
        yield Finding("permission", Level.OK, "the key may trade")
    else:
        yield Finding(
            "permission",
            Level.FAIL,
            f"the key may not trade ({text}): closes would be refused (50120)",
            "give the key the Trade permission in OKX's settings",
        )
    if "withdraw" in held:
        yield Finding(
            "withdrawal",
            Level.WARN,
            "the key may withdraw, which no close needs",
            "use a key with Read and Trade only",
        )


def _addresses(bound: object, *, demo: bool) -> Finding:
    if not isinstance(bound, str):
        return _not_told("ip list", "ip")
    count = sum(1 for one in bound.split(",") if one.strip())  # the addresses themselves stay private
    if count:
        return Finding("ip list", Level.OK, f"the key is bound to {count} address{'es' if count > 1 else ''}")
    if demo:
        return Finding("ip list", Level.OK, "the key is bound to no address; of demo trading, it needs none")
    return Finding(
        "ip list",
        Level.WARN,
        "the key is bound to no address: any host that has it may use it, and OKX deletes it after 14 days without use",
        "bind it to this machine's address in OKX's settings",
    )


def _level(acct_lv: str) -> Finding:
    if acct_lv == "1":
        return Finding(
            "account mode",
            Level.WARN,
            "Spot: it can hold no positions, so there is nothing to close",
            "look if this is the account you mean; OKX's settings have the other modes",
        )
    if acct_lv not in _LEVELS:
        return _not_told("account mode", f"acctLv {acct_lv}".strip())
    needs = "; a cross MARGIN position is closed with its ccy=" if acct_lv == "2" else ""
    if acct_lv in {"3", "4"}:
        needs = "; flat does not cover spot holdings and borrowed currency, which carry risk in this mode"
    return Finding("account mode", Level.OK, f"{_LEVELS[acct_lv]}{needs}")


def _position_mode(pos_mode: str) -> Finding:
    match pos_mode:
        case "net_mode":
            return Finding("position mode", Level.OK, "net: leave pos_side= out")
        case "long_short_mode":
            return Finding("position mode", Level.OK, "long/short: SWAP and FUTURES need pos_side=")
        case _:
            return _not_told("position mode", f"posMode {pos_mode}".strip())


def _role(role: str) -> Finding:
    if role == "1":
        return Finding(
            "copy trading",
            Level.WARN,
            "a lead trader: positions of lead trading cannot be closed this way (51156)",
            "close those by copy trading, in OKX's app or its own API",
        )
    return Finding("copy trading", Level.OK, _ROLES[role]) if role in _ROLES else _not_told("copy trading", "roleType")


def _self_trade(mode: str) -> Finding:
    if mode in {"cancel_taker", "cancel_both"}:
        return Finding(
            "self-trade",
            Level.WARN,
            f"{mode}: a close that meets an order of your own is cut off there, and the rest stays open",
            "look at positions after each close, or set the prevention mode to cancel_maker",
        )
    return Finding("self-trade", Level.OK, mode) if mode else _not_told("self-trade", "acctStpMode")
