"""The choice of the instrument."""

from pathlib import Path
from typing import Any

import pytest

from okx_async.rehearsal.environment import CannotRehearseError
from okx_async.rehearsal.market import CANDIDATES, Instrument, read_instrument
from tests.rehearsal.world import World, play

QUICK = frozenset({"closing-nothing-is-51023"})
RECORD = {"instId": "X-SWAP", "instType": "SWAP", "minSz": "0.01", "tickSz": "0.1", "ctVal": "0.01", "ctValCcy": "BTC",
          "state": "live"}  # fmt: skip


def chosen(folder: Path, prepare: Any, **options: Any) -> str:
    async def main(world: World) -> Any:
        prepare(world)
        return (await world.rehearse(ids=QUICK, **options)).inst_id

    return str(play(main, folder))


def test_a_suspended_instrument_is_passed_over(tmp_path: Path) -> None:
    def suspend(world: World) -> None:
        world.exchange.list_instrument(CANDIDATES[0], state="suspend")
        world.exchange.delist(CANDIDATES[1])

    assert chosen(tmp_path, suspend) == CANDIDATES[2]


def test_without_any_instrument_every_reason_is_told(tmp_path: Path) -> None:
    def none(world: World) -> None:
        for inst_id in CANDIDATES[1:]:
            world.exchange.list_instrument(inst_id, state="suspend")
        world.exchange.open_position(CANDIDATES[0], 1, account=world.account)

    with pytest.raises(CannotRehearseError, match=r"BTC.* has a position there.*ETH.*its state is suspend"):
        chosen(tmp_path, none)


@pytest.mark.parametrize(
    "given",
    [
        {"ord_type": "trigger", "trigger_px": "50000", "reduce_only": True},
        {"ord_type": "conditional", "sl_trigger_px": "50000"},
    ],
)
def test_an_instrument_with_algo_orders_is_passed_over(tmp_path: Path, given: dict[str, Any]) -> None:
    def add(world: World) -> None:
        world.exchange.add_algo_order(CANDIDATES[0], side="sell", sz="1", account=world.account, **given)

    assert chosen(tmp_path, add) == CANDIDATES[1]


def test_orders_beyond_the_newest_hundred_count(tmp_path: Path) -> None:
    def add(world: World) -> None:
        world.exchange.add_pending_order(CANDIDATES[0], cl_ord_id="oldest", account=world.account)
        for number in range(120):
            world.exchange.add_pending_order("LTC-USDT-SWAP", cl_ord_id=f"m{number}", account=world.account)

    assert chosen(tmp_path, add) == CANDIDATES[1]


def test_where_there_are_no_swaps_an_x_perp_is_used(tmp_path: Path) -> None:
    def eea(world: World) -> None:
        for inst_id in CANDIDATES:
            world.exchange.delist(inst_id)
        for inst_id in ("ETH-USD_UM_XPERP-310404", "BTC-USD_UM_XPERP-310404"):
            world.exchange.list_instrument(inst_id)

    assert chosen(tmp_path, eea) == "BTC-USD_UM_XPERP-310404"


def test_a_whole_rehearsal_goes_on_an_x_perp(tmp_path: Path) -> None:
    async def main(world: World) -> Any:
        world.exchange.list_instrument("BTC-USD_UM_XPERP-310404")
        return await world.rehearse(inst_id="BTC-USD_UM_XPERP-310404")

    report = play(main, tmp_path)
    assert report
    assert report.inst_id == "BTC-USD_UM_XPERP-310404"


def test_the_one_that_was_named_is_used_or_none(tmp_path: Path) -> None:
    assert chosen(tmp_path, bool, inst_id="LTC-USDT-SWAP") == "LTC-USDT-SWAP"
    with pytest.raises(CannotRehearseError, match="NONE-SWAP: not listed"):
        chosen(tmp_path, bool, inst_id="NONE-SWAP")


def test_what_is_open_and_cannot_be_read_stops_it(tmp_path: Path) -> None:
    def broken(world: World) -> None:
        world.exchange.inject("50026", path="/api/v5/trade/orders-pending", times=None)

    with pytest.raises(CannotRehearseError, match=r"cannot be read \(trade/orders-pending answered 50026"):
        chosen(tmp_path, broken)


def test_the_smallest_position_is_told_in_its_currency() -> None:
    instrument = read_instrument(RECORD)
    assert isinstance(instrument, Instrument)
    assert instrument.amount == "0.0001 BTC"


@pytest.mark.parametrize("change", [{"minSz": ""}, {"ctVal": "NaN"}, {"tickSz": "0"}, {"state": "preopen"}])
def test_an_instrument_without_sizes_cannot_be_used(change: dict[str, str]) -> None:
    assert isinstance(read_instrument({**RECORD, **change}), str)
