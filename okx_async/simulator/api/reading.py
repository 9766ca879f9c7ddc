"""The endpoints that read: positions, account, time, instruments and currencies."""

from typing import Any

from okx_async.simulator.api.calls import Call, Venue, comma_list, inst_type_of
from okx_async.simulator.api.codes import Refused

_MAX_INST_IDS = 10
_MAX_POS_IDS = 20


def positions(venue: Venue, call: Call) -> list[Any]:
    """List positions; flat ones usually only if asked for by instId or posId."""
    inst_type = inst_type_of(call)
    inst_ids = comma_list(call, "instId", _MAX_INST_IDS)
    pos_ids = comma_list(call, "posId", _MAX_POS_IDS)
    for inst_id in inst_ids:
        instrument = venue.instruments.get(inst_id)
        if inst_type and instrument and instrument.inst_type != inst_type:
            raise Refused("51015")
    named = bool(inst_ids or pos_ids)
    flat_too = {"named": named, "never": False, "always": True}[venue.behaviour.lists_flat]
    listed: list[Any] = [
        position.row(state, [order.attached() for order in venue.orders.attached(position) if order.close_fraction])
        for position, state in venue.books.shown(call.user_id, call.now, call.ms)
        if (state.pos or (flat_too and state.c_time))
        and (not inst_type or position.instrument.inst_type == inst_type)
        and (not inst_ids or position.instrument.inst_id in inst_ids)
        and (not pos_ids or position.pos_id in pos_ids)
    ]
    odd = venue.odd_records
    return listed + [one for one in odd if not (inst_ids and isinstance(one, dict)) or one.get("instId") in inst_ids]


def config(_venue: Venue, call: Call) -> list[Any]:
    """Return the account's configuration and that of the API key."""
    account = call.key.account
    return [
        {
            "uid": account.user_id,
            "mainUid": account.main_user_id or account.user_id,
            "acctLv": account.acct_lv,
            "posMode": account.pos_mode,
            "perm": call.key.perm,
            "ip": call.key.ip,
            "kycLv": "2",
            "label": "simulated",
            "type": "1" if account.main_user_id else "0",
            "level": "Lv1",
            "ctIsoMode": "automatic",
            "mgnIsoMode": "automatic",
            "roleType": account.role_type,
            "opAuth": "1",
            "acctStpMode": "cancel_maker",
            "autoLoan": False,
            "enableSpotBorrow": False,
            "traderInsts": account.trader_insts,
            "settleCcy": "USDC",
            "settleCcyList": ["USD", "USDC", "USDG"],
        }
    ]


def public_time(_venue: Venue, call: Call) -> list[Any]:
    """Return the server's time in Unix milliseconds."""
    return [{"ts": str(call.ms)}]


def public_instruments(venue: Venue, call: Call) -> list[Any]:
    """List instruments of one type; options of one family only."""
    call.need("instType")
    inst_type = inst_type_of(call)
    family = call.text("instFamily") or call.text("uly")
    if inst_type == "OPTION" and not family:
        raise Refused("50015", "Either parameter instFamily or uly is required.")
    inst_id = call.text("instId")
    if inst_id and inst_id not in venue.instruments:
        raise Refused("51001")
    return [
        instrument.row(10459 + number, inst_type)
        for number, instrument in enumerate(venue.instruments.values())
        if instrument.inst_type == ("MARGIN" if inst_type == "SPOT" else inst_type)
        and (not family or instrument.inst_family == family)
        and (not inst_id or instrument.inst_id == inst_id)
    ]


def currencies(venue: Venue, call: Call) -> list[Any]:
    """List the currencies of all instruments, each with one made-up chain; some clients read it at their start."""
    wanted = set(filter(None, call.text("ccy").split(",")))
    known = {
        ccy
        for one in venue.instruments.values()
        for ccy in (one.base_ccy, one.quote_ccy, one.settle_ccy)
        if ccy and ccy != "USD" and "_" not in ccy
    }
    return [
        {
            "ccy": ccy,
            "name": ccy,
            "logoLink": "",
            "mainNet": True,
            "chain": f"{ccy}-Simulated",
            "ctAddr": "",
            "canDep": False,
            "canWd": False,
            "canInternal": False,
            "needTag": False,
            "fee": "0",
            "minFee": "0",
            "maxFee": "0",
            "minDep": "0",
            "minWd": "0",
            "maxWd": "0",
            "wdTickSz": "8",
            "wdQuota": "0",
            "usedWdQuota": "0",
        }
        for ccy in sorted(known)
        if not wanted or ccy in wanted
    ]
