"""The position of tests that need no more than one, and readings of it."""

from typing import Any

from okx_async import Position
from okx_async._flatten.guard import Reading
from okx_async._rest.records import positions
from okx_async._rest.responses import Answer


def position(**fields: Any) -> Position:
    record = {"instType": "SWAP", "instId": "BTC-USDT-SWAP", "mgnMode": "cross", "posSide": "net", "posId": "7"}
    record |= {"pos": "3", "cTime": "1000", "uTime": "1000", "ccy": "USDT", "posCcy": ""} | fields
    return positions(Answer(200, "0", data=[record], listed=True, envelope=True)).positions[0]


def reading(started: float, *listed: Position, inst_ids: list[str] | None = None) -> Reading:
    return Reading(started, listed, inst_ids)


BEFORE = position()
