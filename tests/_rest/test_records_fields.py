"""The fields of positions and orders that can be read: sizes, ids, words, and records that are listed twice."""

from decimal import Decimal

import pytest

from okx_async._rest.records import orders, positions
from okx_async._rest.responses import parse
from okx_async._words import ListedText
from tests._rest.answers import POSITION, listing


def test_positions() -> None:
    (position,) = positions(listing(POSITION)).positions
    assert position.inst_id == "BTC-USDT-SWAP"
    assert position.inst_type == "SWAP"
    assert position.pos_id == "1725119205811617792"
    assert position.pos == Decimal(-3)
    assert position.pos_side == "net"
    assert position.pos_ccy == ""
    assert position.mgn_mode == "cross"
    assert position.ccy == "USDT"
    assert (position.avg_px, position.mark_px) == (Decimal("60082.2"), Decimal("60087.9"))
    assert position.upl == Decimal("-0.17")
    assert (position.c_time, position.u_time) == (1768519600123, 1768519611456)
    assert position.raw == POSITION
    assert positions(listing()) == ([], [])


@pytest.mark.parametrize(
    ("text", "pos"),
    [
        ("0", 0),
        ("-0", 0),
        ("0.0", 0),
        ("0.015", Decimal("0.015")),
        ("-12.50", Decimal("-12.5")),
        ("1e-7", Decimal("0.0000001")),
        (-3, -3),
        (0.1, Decimal("0.1")),
        ("123456789012345678901234567890.5", Decimal("123456789012345678901234567890.5")),
    ],
)
def test_sizes(text: object, pos: Decimal) -> None:
    assert positions(listing({**POSITION, "pos": text})).positions[0].pos == pos


@pytest.mark.parametrize(
    "text", ["", " ", "3 ", "1_000", "NaN", "sNaN", "Infinity", "٣", "0x10", "1e9999", "--1", None, True, [], {}]
)
def test_a_size_that_is_no_number_is_nan(text: object) -> None:
    record = {**POSITION, "pos": text, "avgPx": text, "markPx": text, "upl": text, "cTime": text, "uTime": text}
    (position,) = positions(listing(record)).positions
    assert position.pos.is_qnan()
    assert (position.avg_px, position.mark_px, position.upl) == (None, None, None)
    assert (position.c_time, position.u_time) == (0, 0)


def test_ids_may_be_numbers() -> None:
    (position,) = positions(listing({"instId": "X", "mgnMode": "cross", "posId": 1752810569801498626})).positions
    assert position.pos_id == "1752810569801498626"
    (order,) = orders(listing({"instId": "X", "ordId": 590908157585625111, "clOrdId": 7, "sz": 2}))
    assert (order.ord_id, order.algo_id, order.cl_ord_id, order.sz) == ("590908157585625111", "", "7", Decimal(2))
    (algo,) = orders(listing({"instId": "X", "algoId": 5, "ordId": 6}))
    assert (algo.ord_id, algo.algo_id) == ("", "5")
    (none,) = orders(listing({"instId": "X", "ordId": True, "algoId": 1.5}))
    assert (none.ord_id, none.algo_id) == ("", "")


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ({}, 1),
        ({"markPx": "7", "upl": "1"}, 1),
        ({"pos": "2"}, 2),
        ({"uTime": "5"}, 2),
        ({"posSide": "short"}, 2),
        ({"posId": "5"}, 2),
    ],
)
def test_a_position_that_is_listed_twice_is_one(fields: dict[str, str], count: int) -> None:
    assert len(positions(listing(POSITION, {**POSITION, **fields}, POSITION)).positions) == count


def test_a_record_may_lack_all_but_its_name() -> None:
    (position,) = positions(listing({"instId": "X", "mgnMode": "isolated"})).positions
    assert position.pos.is_qnan()
    assert (position.pos_side, position.pos_id, position.ccy, position.c_time) == ("net", "", "", 0)


def test_a_size_that_is_two_is_none() -> None:
    (position,) = positions(
        parse(200, b'{"code":"0","msg":"","data":[{"instId":"X","mgnMode":"cross","pos":"0","pos":"3"}]}')
    ).positions
    assert position.pos.is_qnan()
    assert position.raw["pos"] == ("0", "3")


@pytest.mark.parametrize(
    ("name", "key", "text", "typed"),
    [
        ("inst_id", "instId", "龙虾-USDT-SWAP", False),
        ("inst_id", "instId", "kPEPE-USDT-SWAP", False),
        ("inst_id", "instId", "BTC-USDT-SWAP", True),
        ("mgn_mode", "mgnMode", "cash", False),
        ("mgn_mode", "mgnMode", "isolated", True),
        ("pos_side", "posSide", "yes", False),
        ("pos_side", "posSide", "short", True),
        ("ccy", "ccy", "龙虾", False),
        ("ccy", "ccy", "USDT", True),
    ],
)
def test_words_that_no_rule_fits_are_marked_as_listed(name: str, key: str, text: str, typed: bool) -> None:  # noqa: FBT001 - expected
    (position,) = positions(listing({**POSITION, key: text})).positions
    assert getattr(position, name) == text
    assert type(getattr(position, name)) is (str if typed else ListedText)
