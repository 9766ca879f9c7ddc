"""The moves of which trials are made."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from okx_async.rehearsal.stage import NotTriedError, Observation
from tests.rehearsal.world import INST, World, play, stage_of


def test_an_opening_is_noted_before_it_is_sent(tmp_path: Path) -> None:
    async def main(world: World) -> Any:
        async with stage_of(world) as stage:
            noted: list[int] = []
            world.exchange.listen(
                lambda request, _answer, _row: (
                    noted.append(len(stage.ledger.openings)) if request.raw_path == "/api/v5/trade/order" else None
                )
            )
            opened = await stage.open()
            return noted, opened, await stage.held(), stage.flat

    noted, opened, here, flat = play(main, tmp_path)
    assert noted == [1]
    assert opened.record["accFillSz"] == "0.01"
    assert [(one.inst_id, one.pos, one.mgn_mode) for one in here] == [(INST, Decimal("0.01"), "cross")]
    assert not flat


@pytest.mark.parametrize(
    ("code", "words"),
    [("51008", "no money"), ("51024", "order was not accepted"), ("51010", "not accepted")],
)
def test_an_opening_that_is_refused_is_no_trial(tmp_path: Path, code: str, words: str) -> None:
    async def main(world: World) -> None:
        world.exchange.inject(path="/api/v5/trade/order", code=code, shape="item", status=200)
        async with stage_of(world) as stage:
            await stage.open()

    with pytest.raises(NotTriedError, match=words):
        play(main, tmp_path)


def test_an_order_expires_soon(tmp_path: Path) -> None:
    """An order that is lost on its way may not open anything much later."""

    async def main(world: World) -> Any:
        heads: list[Any] = []
        world.exchange.listen(lambda request, _answer, _row: heads.append((request.raw_path, request.headers)))
        async with stage_of(world) as stage:
            await stage.open()
        return next(headers for path, headers in heads if path == "/api/v5/trade/order"), world.wall()

    headers, now = play(main, tmp_path)
    assert 0 < int(headers["expTime"]) / 1000 - now < 6


def test_an_order_that_expired_is_noted_as_any_other_and_its_note_goes(tmp_path: Path) -> None:
    async def main(world: World) -> Any:
        noted: list[int] = []
        async with stage_of(world) as stage:
            world.exchange.listen(
                lambda request, _answer, _row: (
                    noted.append(len(stage.ledger.openings)) if request.raw_path == "/api/v5/trade/order" else None
                )
            )
            _, reply = await stage.place("buy", expires=-10.0)
            return noted, reply.code, stage.ledger.openings, stage.flat

    assert play(main, tmp_path) == ([1], "50036", [], True)


def test_a_resting_order_reduces_only(tmp_path: Path) -> None:
    async def main(world: World) -> Any:
        async with stage_of(world) as stage:
            await stage.open()
            cl_ord_id = await stage.rest("70000")
            return cl_ord_id, world.exchange.pending_orders

    cl_ord_id, (order,) = play(main, tmp_path)
    assert (order.cl_ord_id, order.reduce_only, order.side) == (cl_ord_id, True, "sell")


def test_a_close_that_takes_too_long_is_told(tmp_path: Path) -> None:
    async def main(world: World) -> None:
        async with stage_of(world) as stage:
            await stage.open()
            await stage.close_and_prove()

    with pytest.raises(NotTriedError, match="not gone within 10 s"):
        play(main, tmp_path, fill_delay=20.0)


def test_observations_say_whether_they_confirm() -> None:
    assert Observation.confirms("seen").held
    assert not Observation.against("seen", {"a": 1}).held
