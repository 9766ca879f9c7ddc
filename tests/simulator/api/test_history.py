from collections.abc import Callable
from typing import Any

import orjson
import pytest

from tests.simulator.conftest import Desk

SWAP = "BTC-USDT-SWAP"


def history(desk: Desk, query: str = "") -> list[dict[str, str]]:
    desk.advance(0.25)
    data: list[dict[str, str]] = desk.get(f"account/positions-history{query}").data
    return data


def order(desk: Desk, side: str, sz: str) -> None:
    body = {"instId": SWAP, "tdMode": "cross", "side": side, "ordType": "market", "sz": sz}
    assert desk.post(orjson.dumps(body), "/api/v5/trade/order").code == "0"


def test_a_row_for_each_holding_period(desk: Desk) -> None:
    first = desk.exchange.open_position(SWAP, 3)
    assert history(desk) == []
    desk.close()
    desk.advance(1)
    second = desk.exchange.open_position(SWAP, -2)
    desk.advance(1)
    desk.close()
    rows = history(desk)
    assert [(row["posId"], int(row["cTime"]), row["type"], row["direction"]) for row in rows] == [
        (first.pos_id, second.c_time, "2", "short"),
        (first.pos_id, first.c_time, "2", "long"),
    ]
    assert int(rows[0]["uTime"]) == second.c_time + 1000
    assert all(isinstance(value, str) for row in rows for value in row.values())


def test_sizes_prices_and_profit_of_a_period(desk: Desk) -> None:
    for px, side, sz in (("100", "buy", "2"), ("200", "buy", "2"), ("300", "sell", "1"), ("400", "sell", "3")):
        desk.exchange.set_price(SWAP, px)
        order(desk, side, sz)
        desk.advance(0.1)
    (row,) = history(desk)
    assert (row["openAvgPx"], row["closeAvgPx"], row["openMaxPos"], row["closeTotalPos"], row["type"]) == (
        *("150", "375", "4", "4"),
        "2",
    )
    assert row["realizedPnl"] == "9"  # (1 x 150 + 3 x 250) x 0.01


def test_a_flip_ends_one_period_and_begins_another(desk: Desk) -> None:
    order(desk, "buy", "2")
    desk.advance(1)
    order(desk, "sell", "5")
    (row,) = history(desk)
    assert (row["type"], row["direction"], row["openMaxPos"], row["closeTotalPos"]) == ("2", "long", "2", "2")


@pytest.mark.parametrize(
    ("kind", "part", "expected"),
    [("liquidation", 1, "3"), ("liquidation", 0.5, "4"), ("adl", 0.5, "5"), ("adl", 1, "6")],
)
def test_the_type_tells_who_closed(desk: Desk, kind: Any, part: float, expected: str) -> None:
    desk.exchange.open_position(SWAP, 3)
    desk.exchange.force_close(SWAP, kind=kind, part=part, seconds=0.5)
    desk.advance(0.5)
    assert [row["type"] for row in history(desk)] == [expected]


def test_a_close_in_part(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(fill=0.5)
    desk.exchange.open_position(SWAP, 3)
    desk.close()
    (row,) = history(desk)
    assert (row["type"], row["openMaxPos"], row["closeTotalPos"]) == ("1", "3", "1.5")


def test_filters_and_pages(desk: Desk) -> None:
    for inst_id in (SWAP, "ETH-USDT-SWAP", "SOL-USDT-SWAP"):
        desk.exchange.open_position(inst_id, 1, "isolated")
        desk.advance(1)
        desk.close(inst_id, "isolated")
    desk.exchange.open_position(SWAP, 1, account=desk.exchange.add_account())
    third, second, first = history(desk)
    assert [row["instId"][:3] for row in (first, second, third)] == ["BTC", "ETH", "SOL"]
    assert history(desk, "?limit=1") == [third]
    assert history(desk, f"?after={second['uTime']}") == [first]
    assert history(desk, f"?before={second['uTime']}") == [third]
    assert history(desk, f"?posId={second['posId']}&mgnMode=isolated&instType=SWAP&type=2") == [second]
    assert history(desk, "?mgnMode=cross") == history(desk, "?type=3") == []
    assert desk.get("account/positions-history?limit=101").code == "51000"
