from decimal import Decimal

import pytest

from okx_async.simulator.books.instruments import describe
from okx_async.simulator.books.positions import Position

MS = 1768519600000


def position_of(
    inst_id: str = "BTC-USDT-SWAP", pos: str = "3", mgn_mode: str = "cross", pos_side: str = "net"
) -> Position:
    instrument = describe(inst_id)
    assert instrument is not None
    position = Position("1", instrument, mgn_mode, pos_side, "USDT", "1725119205811617792")
    position.trade(Decimal(pos), MS)
    return position


def times(position: Position) -> tuple[int, int]:
    return position.state.c_time, position.state.u_time


def test_times_of_a_holding_period() -> None:
    position = position_of()
    seen = [times(position)]
    for after, pos in ((10, 5), (20, 0), (30, 2), (40, -2)):
        position.trade(Decimal(pos), MS + after)
        seen.append(times(position))
    assert [(c - MS, u - MS) for c, u in seen] == [(0, 0), (0, 10), (0, 20), (30, 30), (40, 40)]


def test_times_move_even_if_the_clock_does_not() -> None:
    position = position_of()
    seen = [times(position)]
    for pos in (0, 3, -3):
        position.trade(Decimal(pos), MS - 5)
        seen.append(times(position))
    c_times, u_times = ([pair[n] for pair in seen] for n in (0, 1))
    assert u_times == sorted(set(u_times))
    assert c_times[0] == c_times[1] < c_times[2] < c_times[3]


@pytest.mark.parametrize(("flip_is_new", "moved"), [(True, 10), (False, 0)])
def test_what_a_flip_does_to_the_time_of_creation_can_be_chosen(moved: int, *, flip_is_new: bool) -> None:
    position = position_of()
    position.trade(Decimal(-3), MS + 10, flip_is_new=flip_is_new)
    assert times(position) == (MS + moved, MS + 10)
    position.trade(Decimal(0), MS + 20, flip_is_new=flip_is_new)
    position.trade(Decimal(3), MS + 30, flip_is_new=flip_is_new)
    assert times(position) == (MS + 30, MS + 30)  # from flat it is new in any case


def test_the_entry_price_is_the_mean_of_what_was_added() -> None:
    position = position_of(pos="0")
    prices = []
    for pos, px in ((2, 100), (6, 200), (3, 900), (-1, 50)):
        position.trade(Decimal(pos), MS, Decimal(px))
        prices.append(position.state.avg_px)
    assert prices == [100, Decimal(1000) / 6, Decimal(1000) / 6, 50]


@pytest.mark.parametrize(
    ("inst_id", "pos", "part", "lots"),
    [
        ("BTC-USD-SWAP", "7", "0.5", "3"),
        ("BTC-USD-SWAP", "-7", "0.5", "-3"),
        ("BTC-USDT-SWAP", "1", "0.499", "0.49"),
        ("BTC-USDT-SWAP", "0.005", "1", "0.005"),  # all of it, dust too
        ("BTC-USDT-SWAP", "0.005", "0.9", "0"),
    ],
)
def test_a_part_is_of_whole_lots(inst_id: str, pos: str, part: str, lots: str) -> None:
    assert position_of(inst_id, pos).lots(Decimal(part)) == Decimal(lots)


def test_a_forced_trade_has_no_number() -> None:
    position = position_of()
    position.trade(Decimal(1), MS, forced=True)
    assert position.state.trade_id == 1


def test_a_change_is_seen_when_it_is_time_and_in_order() -> None:
    position = position_of()
    position.show(0.0, 0.0)
    for pos, at in ((2, 5.0), (1, 3.0), (0, 8.0)):
        position.trade(Decimal(pos), MS)
        position.show(at, 0.0)
    assert [position.seen(at).pos for at in (0.0, 4.9, 5.0, 7.9, 8.0)] == [3, 3, 1, 1, 0]


FIELDS = (
    "instType instId mgnMode posId posSide pos availPos avgPx markPx last upl lever liqPx imr margin mgnRatio mmr ccy "
    "posCcy liab liabCcy interest notionalUsd adl tradeId closeOrderAlgo pendingCloseOrdLiabVal realizedPnl pnl fee "
    "fundingFee liqPenalty cTime uTime"
)


@pytest.mark.parametrize("pos", ["-3", "0"])
@pytest.mark.parametrize("inst_id", ["BTC-USDT-SWAP", "BTC-USD-SWAP", "BTC-USD-260327-60000-C", "BTC-USDT"])
def test_a_record_has_every_field_as_text(inst_id: str, pos: str) -> None:
    position = position_of(inst_id)
    position.trade(Decimal(pos), MS)
    row = position.row(position.state)
    assert " ".join(row) == FIELDS
    assert row.pop("closeOrderAlgo") == []
    assert all(isinstance(value, str) for value in row.values())


def test_a_pair_shows_its_side_by_currency_and_the_amount_without_sign() -> None:
    position = position_of("ETH-USDT")
    shown = []
    for pos in ("0.5", "-0.5", "0"):
        position.trade(Decimal(pos), MS)
        row = position.row(position.state)
        shown.append((row["pos"], row["availPos"], row["posCcy"], row["liabCcy"], row["liab"]))
    assert shown == [
        ("0.5", "0.5", "ETH", "USDT", "-1206.175"),
        ("0.5", "0.5", "USDT", "ETH", "-0.5"),
        ("0", "0", "", "", ""),
    ]


@pytest.mark.parametrize(
    ("pos_side", "pos", "shown"), [("short", "-2", "2"), ("long", "2", "2"), ("net", "-2.50", "-2.5")]
)
def test_sides_are_shown_without_sign_net_positions_with(pos_side: str, pos: str, shown: str) -> None:
    position = position_of(pos=pos, pos_side=pos_side)
    assert position.row(position.state)["pos"] == shown


@pytest.mark.parametrize(
    ("inst_id", "pos", "upl"),
    [("BTC-USDT-SWAP", "3", "3.606"), ("BTC-USDT-SWAP", "-3", "-3.606"), ("BTC-USD-SWAP", "3", "0.00001001")],
)
def test_a_position_shows_profit_or_loss(inst_id: str, pos: str, upl: str) -> None:
    position = position_of(inst_id, pos)
    assert position.row(position.state)["upl"] == upl
    position.trade(Decimal(0), MS)
    assert position.row(position.state)["upl"] == ""


@pytest.mark.parametrize(("mgn_mode", "imr", "margin"), [("cross", "600.879", ""), ("isolated", "", "600.879")])
def test_margin_is_shown_by_mode(mgn_mode: str, imr: str, margin: str) -> None:
    position = position_of(mgn_mode=mgn_mode)
    row = position.row(position.state)
    assert (row["mgnMode"], row["imr"], row["margin"]) == (mgn_mode, imr, margin)
