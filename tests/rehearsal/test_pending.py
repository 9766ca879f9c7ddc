"""The lists of pending orders: every page and every kind, or an error."""

from pathlib import Path
from typing import Any

import pytest

from okx_async import OkxError
from okx_async._flatten import open_orders
from okx_async.rehearsal.pending import pending_orders
from tests.rehearsal.world import INST, World, play, stage_of


def listed(folder: Path, prepare: Any, inst_id: str | None = None) -> list[str]:
    async def main(world: World) -> Any:
        async with stage_of(world) as stage:
            prepare(world)
            return [order.cl_ord_id or order.ord_type for order in await pending_orders(stage.wire, inst_id)]

    found: list[str] = play(main, folder)
    return found


def many(world: World) -> None:
    for number in range(250):
        world.exchange.add_pending_order(INST, cl_ord_id=f"m{number}", account=world.account)


def test_every_page_is_read(tmp_path: Path) -> None:
    assert sorted(listed(tmp_path, many)) == sorted(f"m{number}" for number in range(250))
    assert listed(tmp_path, many, "ETH-USDT-SWAP") == []


def test_algo_orders_of_each_kind_are_read(tmp_path: Path) -> None:
    def prepare(world: World) -> None:
        add = world.exchange.add_algo_order
        add(INST, "trigger", side="sell", sz="1", trigger_px="50000", account=world.account)
        add(INST, "conditional", side="sell", sz="1", sl_trigger_px="50000", account=world.account)

    assert sorted(listed(tmp_path, prepare)) == ["conditional", "trigger"]


def test_a_kind_that_the_exchange_does_not_know_is_no_obstacle(tmp_path: Path) -> None:
    def prepare(world: World) -> None:
        world.exchange.inject("51000", path="/api/v5/trade/orders-algo-pending", times=None)

    assert listed(tmp_path, prepare) == []


@pytest.mark.parametrize("code", ["50026", "51000"])
def test_a_list_that_is_refused_is_an_error(tmp_path: Path, code: str) -> None:
    def prepare(world: World) -> None:
        world.exchange.inject(code, path="/api/v5/trade/orders-pending", times=None)

    with pytest.raises(OkxError, match=code):
        listed(tmp_path, prepare)


def test_more_pages_than_are_read_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_orders, "MOST_PAGES", 2)
    with pytest.raises(OkxError, match="more than 200 orders"):
        listed(tmp_path, many)
