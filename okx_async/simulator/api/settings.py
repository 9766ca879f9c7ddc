"""The endpoint that changes an account's position mode."""

from typing import Any

from okx_async.simulator.api.accounts import PosMode
from okx_async.simulator.api.calls import Call, Venue, parameter_error
from okx_async.simulator.api.codes import Refused

_MODES: dict[str, PosMode] = {"net_mode": "net_mode", "long_short_mode": "long_short_mode"}


def set_position_mode(venue: Venue, call: Call) -> list[Any]:
    """Switch the position mode, only while flat and without orders; later positions have a new ``posId``.

    https://www.okx.com/docs-v5/en/#trading-account-rest-api-set-position-mode
    """
    mode = _MODES.get(call.need("posMode"))
    if mode is None:
        raise parameter_error("posMode")
    account = call.key.account
    if mode != account.pos_mode:
        held = any(position.pos for position, _ in venue.books.shown(call.user_id, call.now, call.ms))
        if held or venue.orders.pending(call.user_id) or venue.orders.algos(call.user_id):
            raise Refused("59000")
        account.pos_mode = mode
        venue.books.forget(call.user_id)
        call.executed = True
    return [{"posMode": mode}]
