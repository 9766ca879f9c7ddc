import orjson
import pytest

from tests.simulator.conftest import Desk, Reply

SWAP = "BTC-USDT-SWAP"


def switch(desk: Desk, mode: str) -> Reply:
    return desk.post(orjson.dumps({"posMode": mode}), "/api/v5/account/set-position-mode")


def test_the_mode_is_switched_and_positions_are_new(desk: Desk) -> None:
    old = desk.exchange.open_position(SWAP, 3)
    assert desk.close().code == "0"
    assert switch(desk, "long_short_mode").data == [{"posMode": "long_short_mode"}]
    assert desk.get("account/config").data[0]["posMode"] == desk.exchange.account.pos_mode == "long_short_mode"
    assert desk.get(f"account/positions?instId={SWAP}").data == []
    assert desk.close().code == "51000"  # posSide is needed now
    desk.exchange.open_position(SWAP, 3, pos_side="short")
    assert desk.close(posSide="short").code == "0"
    assert switch(desk, "net_mode").code == "0"
    assert desk.exchange.open_position(SWAP, 3).pos_id != old.pos_id


@pytest.mark.parametrize("obstacle", ["open_position", "add_pending_order", "add_algo_order"])
def test_only_while_flat_and_without_orders(desk: Desk, obstacle: str) -> None:
    getattr(desk.exchange, obstacle)(SWAP, *([1] if obstacle == "open_position" else []))
    assert switch(desk, "net_mode").code == "0"  # it is that already
    assert switch(desk, "long_short_mode").code == "59000"
    assert desk.exchange.account.pos_mode == "net_mode"


def test_a_mode_that_does_not_exist(desk: Desk) -> None:
    assert switch(desk, "both").code == "51000"
    assert switch(desk, "").code == "50014"
