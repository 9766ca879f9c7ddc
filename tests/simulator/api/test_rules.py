import orjson
import pytest

from tests.simulator.conftest import Desk

SWAP = "BTC-USDT-SWAP"


@pytest.mark.parametrize(
    ("state", "market_orders", "by_market", "by_limit"),
    [
        ("live", True, "0", "0"),
        ("live", False, "51066", "0"),
        ("post_only", True, "51110", "0"),
        ("suspend", True, "51022", "51022"),
        ("preopen", True, "51021", "51021"),
        ("settling", True, "51029", "51029"),
    ],
)
def test_what_an_instrument_allows(
    desk: Desk, state: str, by_market: str, by_limit: str, *, market_orders: bool
) -> None:
    desk.exchange.list_instrument(SWAP, state=state, market_orders=market_orders)
    codes = []
    for more in ({"ordType": "market"}, {"ordType": "limit", "px": "1"}):
        body = {"instId": SWAP, "tdMode": "cross", "side": "buy", "sz": "1", **more}
        codes.append(desk.post(orjson.dumps(body), "/api/v5/trade/order").data[0]["sCode"])
    assert codes == [by_market, by_limit]
