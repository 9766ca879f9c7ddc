"""The simulated exchange as the recorded one was at the beginning."""

from decimal import Decimal
from typing import Any

import pytest

from okx_async.rehearsal.recording.document import Recording
from okx_async.rehearsal.recording.entry import Entry, Login
from okx_async.rehearsal.recording.scene import follow, stage_of
from okx_async.simulator.api.behaviour import Settings

SWAP = "BTC-USDT-SWAP"
LOGIN = Login("own", "own", "right", 0.0, demo=True)


def answered(path: str, *rows: Any, at: float = 0.0, code: str = "0", demo: bool = True) -> Entry:
    login = LOGIN if demo else None
    answer = {"json": {"code": code, "data": list(rows), "msg": ""}}
    return Entry(trial="t", at=at, took=0, method="GET", path=f"/api/v5/{path}", login=login, status=200, answer=answer)


def ordered(inst_id: str, at: float) -> Entry:
    sent = {"json": {"instId": inst_id}}
    return Entry(trial="t", at=at, took=0, method="POST", path="/api/v5/trade/order", sent=sent, status=200)


def held(pos: str = "-3", inst_id: str = SWAP, **more: str) -> dict[str, str]:
    return {
        "instId": inst_id,
        "mgnMode": "isolated",
        "posSide": "net",
        "pos": pos,
        "ccy": "USDT",
        "markPx": "5",
        **more,
    }


def test_the_account_is_that_of_the_configuration() -> None:
    config = {"posMode": "long_short_mode", "acctLv": "3", "perm": "read_only"}
    stage, account = stage_of(Recording(1e9, (answered("account/config", config),)), Settings(window="fixed"))
    assert (account.pos_mode, account.acct_lv, account.demo) == ("long_short_mode", "3", True)
    assert stage.behaviour.window == "fixed"
    _, usual = stage_of(Recording(1e9, (answered("account/config", {"acctLv": "9"}, demo=False),)), Settings())
    assert (usual.pos_mode, usual.acct_lv, usual.demo) == ("net_mode", "2", False)


def test_instruments_and_prices_are_those_of_the_recording() -> None:
    listed = {"instId": "NEW-USDT-SWAP", "lotSz": "5", "tickSz": "0.5", "ctVal": "2", "state": "suspend"}
    entries = answered("public/instruments?instType=SWAP", listed), answered("account/positions", held(markPx="777"))
    stage, _ = stage_of(Recording(1e9, entries), Settings())
    instrument = stage.list_instrument("NEW-USDT-SWAP", state="suspend")
    assert (instrument.lot_sz, instrument.tick_sz, instrument.ct_val, instrument.state) == (
        "5",
        "0.5",
        Decimal(2),
        "suspend",
    )
    assert stage.list_instrument(SWAP).price == Decimal(777)


def test_positions_of_readings_before_the_first_order_are_there() -> None:
    entries = (
        answered("account/positions", held(), held("0", "ETH-USDT-SWAP")),
        ordered("SOL-USDT-SWAP", 1.0),
        answered("account/positions", held("9", "SOL-USDT-SWAP"), held("4"), at=2.0),
    )
    stage, account = stage_of(Recording(1e9, entries), Settings())
    (holding,) = stage.positions
    assert (holding.user_id, holding.inst_id, holding.pos, holding.mgn_mode) == (
        account.user_id,
        SWAP,
        Decimal(-3),
        "isolated",
    )
    assert {trade.after.inst_id for trade in stage.trades} == {SWAP, "ETH-USDT-SWAP"}


def test_an_instrument_can_follow_a_reading() -> None:
    stage, account = stage_of(Recording(1e9, ()), Settings())
    reading = answered("account/positions?instId=" + SWAP, held("2"))
    assert follow(stage, account, reading, SWAP)
    assert [holding.pos for holding in stage.positions] == [2]
    assert follow(stage, account, answered("account/positions"), SWAP)
    assert stage.positions == ()
    assert not follow(stage, account, answered("account/positions?instId=A-USDT-SWAP"), SWAP)


def test_closes_take_as_long_as_wanted_within_the_setting() -> None:
    stage, _ = stage_of(Recording(1e9, ()), Settings(fill_delay=(0.1, 0.4), positions_lag=(0.2, 0.3)))
    draw = stage._venue.fill_delay
    for wanted, drawn in ((0.0, 0.1), (0.25, 0.25), (9.0, 0.4)):
        stage.wanted = wanted
        assert draw() == drawn


@pytest.mark.parametrize(
    "odd",
    [
        held("1e999999"),
        held("x", "no id"),
        held("1", "A" * 300),
        held(mgnMode="both"),
        held(posSide="long"),
        {"instId": SWAP, "lotSz": "1e-9999", "tickSz": "-1", "ctVal": "NaN", "state": "?", "last": "0"},
        {},
    ],
    ids=str,
)
def test_odd_records_of_a_stranger_s_recording(odd: dict[str, str]) -> None:
    entries = answered("public/instruments", odd), answered("account/positions", odd), answered("account/config", odd)
    stage_of(Recording(1e9, entries), Settings())
