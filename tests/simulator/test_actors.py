from collections.abc import Callable
from typing import Any

import pytest

from tests.simulator.conftest import Desk

SWAP = "BTC-USDT-SWAP"


def record(desk: Desk, inst_id: str = SWAP) -> tuple[str, str, int]:
    """Return posId, pos and cTime, as account/positions tells."""
    desk.advance(0.25)
    (row,) = desk.get(f"account/positions?instId={inst_id}").data
    return row["posId"], row["pos"], int(row["cTime"])


def test_another_program_reopens_between_two_attempts(desk: Desk) -> None:
    first = desk.exchange.open_position(SWAP, 3)
    desk.exchange.reopen(SWAP, 3, on_close=1, after=0.5)
    desk.exchange.inject(code="50026")  # the first attempt does nothing, as far as its sender is told
    assert desk.close().code == "50026"
    assert record(desk) == (first.pos_id, "3", first.c_time)
    desk.advance(0.25)
    assert record(desk) == (first.pos_id, "3", first.c_time + 500)
    assert [trade.cause for trade in desk.exchange.trades] == ["hand", "actor", "actor"]


@pytest.mark.parametrize("fault", ["HTML 502 early", "hang-up early", "504 early, sent on 3 s later", "50011", "reset"])
def test_a_request_counts_whatever_its_answer(desk: Desk, fault: str) -> None:
    desk.exchange.open_position(SWAP, 3)
    desk.exchange.reopen(SWAP, 7, on_close=1)
    desk.exchange.inject(fault)
    desk.close("ETH-USDT-SWAP")  # takes the fault
    assert [trade.cause for trade in desk.exchange.trades] == ["hand"]
    desk.exchange.inject(fault)
    desk.close()
    assert [(trade.cause, int(trade.after.pos)) for trade in desk.exchange.trades][-1] == ("actor", 7)


def test_another_program_reopens_after_the_second_close(desk: Desk) -> None:
    first = desk.exchange.open_position(SWAP, 3)
    desk.exchange.reopen(SWAP, -2, on_close=2)
    assert [desk.close().code for _ in range(3)] == ["0", "51023", "0"]
    assert {trade.after.pos_id for trade in desk.exchange.trades} == {first.pos_id}
    assert [int(trade.after.pos) for trade in desk.exchange.trades] == [3, 0, -2, 0]


def test_another_program_opens_something_new_at_a_time(desk: Desk) -> None:
    desk.exchange.reopen("ETH-USDT-SWAP", 1, "isolated", after=1.0)
    desk.advance(0.5)
    assert desk.pos() == {}
    desk.advance(0.5)
    assert desk.pos() == {"ETH-USDT-SWAP/isolated/net": "1"}


def test_another_program_closes_first(desk: Desk) -> None:
    desk.exchange.open_position(SWAP, 3)
    desk.exchange.reopen(SWAP, 0, after=1.0)
    desk.advance(1.0)
    assert desk.close().code == "51023"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({}, "50020"),
        ({"kind": "adl"}, "50017"),
        ({"code": "50009"}, "50009"),
        ({"kind": "adl", "code": "50019"}, "50019"),
    ],
)
def test_the_exchange_closes_first(desk: Desk, options: dict[str, Any], code: str) -> None:
    for inst_id in (SWAP, "ETH-USDT-SWAP"):
        desk.exchange.open_position(inst_id, 3)
    before = desk.get(f"account/positions?instId={SWAP}").data[0]
    desk.exchange.force_close(SWAP, after=1.0, seconds=2.0, **options)
    desk.advance(1.0)
    whole_account = code in {"50009", "50019"}
    assert (desk.close().code, desk.close("ETH-USDT-SWAP").code) == (code, code if whole_account else "0")
    desk.advance(1.75)
    assert record(desk)[1] == "0"
    assert desk.close().code == "51023"
    after = desk.get(f"account/positions?instId={SWAP}").data[0]
    assert after["tradeId"] == before["tradeId"]
    assert desk.exchange.trades[-1].cause == options.get("kind", "liquidation")
    assert desk.close("ETH-USDT-SWAP").code == ("0" if whole_account else "51023")


def test_the_exchange_takes_a_part_when_a_close_was_sent(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(fill=0)
    desk.exchange.open_position(SWAP, -4)
    desk.exchange.force_close(SWAP, kind="adl", part=0.75, on_close=1)
    assert desk.close().code == "0"
    assert desk.close().code == "50017"
    desk.advance(1.0)
    assert [holding.pos for holding in desk.exchange.positions] == [-1]


def test_what_was_refused_before_a_liquidation_is_refused_after_it(desk: Desk) -> None:
    desk.exchange.open_position(SWAP, 3)
    desk.exchange.account.refusal = "51024"
    desk.exchange.force_close(SWAP, code="50009")
    assert desk.close().code == "50009"
    desk.advance(1.0)
    assert desk.close().code == "51024"


def test_there_may_be_nothing_left_to_take(desk: Desk) -> None:
    desk.exchange.open_position(SWAP, 3)
    desk.exchange.force_close(SWAP, after=1.0)
    assert desk.close().code == "0"
    desk.advance(5.0)
    assert desk.close().code == "51023"
    assert [trade.cause for trade in desk.exchange.trades] == ["hand", "close"]


@pytest.mark.parametrize(
    ("act", "args", "options", "rule"),
    [
        ("reopen", (SWAP, 3, "crossed"), {}, "mgn_mode"),
        ("reopen", (SWAP, 3), {"after": -1}, "negative"),
        ("force_close", (SWAP,), {"kind": "theft"}, "kind"),
        ("force_close", (SWAP,), {"mgn_mode": "Cross"}, "mgn_mode"),
        ("force_close", (SWAP,), {"pos_side": "long"}, "pos_side must be net in net_mode"),
        ("force_close", ("no id",), {}, "no instrument id"),
        ("force_close", (SWAP,), {"part": 1.5}, "part"),
        ("force_close", (SWAP,), {"on_close": -1}, "negative"),
        ("force_close", (SWAP,), {"seconds": -1}, "seconds"),
        ("force_close", (SWAP,), {"after": float("nan")}, "finite"),
    ],
)
def test_what_cannot_be_asked_for(
    desk: Desk, act: str, args: tuple[Any, ...], options: dict[str, Any], rule: str
) -> None:
    with pytest.raises(ValueError, match=rule):
        getattr(desk.exchange, act)(*args, **options)
