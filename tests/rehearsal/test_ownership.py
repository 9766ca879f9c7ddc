"""Whose a position is, by its times, its side and its size."""

from decimal import Decimal
from typing import Any

import orjson
import pytest

from okx_async._models import Position
from okx_async._rest.records import positions
from okx_async._rest.responses import parse
from okx_async.rehearsal.ledger import Opening
from okx_async.rehearsal.ownership import Noted, Whose, is_ended_by, is_gone_by, is_listed, whose

T = 1_768_519_672_000
INST = "BTC-USDT-SWAP"


def noted(begun: int = T, *, side: str = "buy", sz: str = "0.01", pos_side: str = "net", **order: Any) -> Noted:
    opening = Opening("okxrehearsetest001", INST, "cross", pos_side, side, sz, begun / 1000)
    usual = {"state": "filled", "accFillSz": sz, "cTime": str(begun), "uTime": str(begun + 5)}
    return Noted(opening, {**usual, **order})


def position(pos: str = "0.01", c_time: int = T + 5, u_time: int = T + 5, pos_side: str = "net") -> Position:
    record = {"instId": INST, "instType": "SWAP", "mgnMode": "cross", "posSide": pos_side, "posId": "1", "pos": pos,
              "ccy": "USDT", "cTime": str(c_time), "uTime": str(u_time)}  # fmt: skip
    listing = positions(parse(200, orjson.dumps({"code": "0", "msg": "", "data": [record]})))
    assert not listing.unreadable
    return listing.positions[0]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (position(), Whose.OURS),
        (position(c_time=T - 60_000), Whose.OURS),  # opened again under an old cTime
        (position("-0.01", c_time=T - 60_000), Whose.DOUBTFUL),  # the other side
        (position("0.02", c_time=T - 60_000), Whose.DOUBTFUL),  # larger
        (position("0.005", c_time=T - 60_000), Whose.DOUBTFUL),  # smaller
        (position(c_time=T - 60_000, u_time=T + 60_000), Whose.DOUBTFUL),  # changed since
        (position(c_time=T + 60_000, u_time=T + 60_000), Whose.FOREIGN),
        (position("0.02"), Whose.DOUBTFUL),
        (position(c_time=0, u_time=0), Whose.DOUBTFUL),
        (position(pos_side="long"), Whose.FOREIGN),
    ],
)
def test_time_side_and_size_decide(found: Position, expected: Whose) -> None:
    assert whose(found, [noted()]) is expected


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (Noted(noted().opening, {}), Whose.DOUBTFUL),
        (noted(state="live", accFillSz="0"), Whose.DOUBTFUL),
        (noted(state="canceled", accFillSz="0"), Whose.FOREIGN),
        (noted(accFillSz="nonsense"), Whose.FOREIGN),
    ],
)
def test_an_order_that_opened_nothing_owns_nothing(order: Noted, expected: Whose) -> None:
    assert whose(position(), [order]) is expected


def test_a_position_that_was_turned_under_an_old_time_is_ours() -> None:
    orders = [noted(), noted(T + 3_000, side="sell", sz="0.02")]
    assert whose(position("-0.01", T - 60_000, T + 3_005), orders) is Whose.OURS


def test_what_shows_an_order_and_what_shows_that_it_is_gone() -> None:
    order = noted()
    assert is_listed(order, position())
    assert not is_listed(order, position(u_time=T - 1))
    assert not is_listed(order, position("0", u_time=T + 100))
    assert is_gone_by(order, position("0", u_time=T + 100))
    assert not is_gone_by(order, position("0", u_time=T - 1))  # flat before
    assert not is_gone_by(order, position())
    assert is_gone_by(order, position(c_time=T + 60_000, u_time=T + 60_000))
    assert not is_gone_by(order, position("0", u_time=T + 100, pos_side="short"))


@pytest.mark.parametrize(
    ("change", "ended"),
    [({}, True), ({"type": "1"}, False), ({"uTime": str(T)}, False), ({"mgnMode": "isolated"}, False)],
)
def test_a_closed_period_ends_an_order(change: dict[str, str], ended: bool) -> None:  # noqa: FBT001 - a parameter
    period = {"instId": INST, "mgnMode": "cross", "posSide": "net", "direction": "long", "type": "2",
              "uTime": str(T + 100)}  # fmt: skip
    assert is_ended_by(noted(), {**period, **change}) is ended


def test_the_other_side_s_period_ends_nothing() -> None:
    period = {"instId": INST, "mgnMode": "cross", "posSide": "short", "type": "2", "uTime": str(T + 100)}
    assert not is_ended_by(noted(pos_side="long"), period)
    assert is_ended_by(noted(pos_side="short"), period)


def test_sizes_are_exact() -> None:
    assert noted(accFillSz="0.10").filled == Decimal("0.1")
