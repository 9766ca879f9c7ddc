"""Orders in `okx-async flatten`: which are shown, which are cancelled, and what the exit code says of the rest."""

import json
import sys
from dataclasses import replace
from typing import Any

import pytest

import okx_async as okx
from okx_async._rest.records import positions
from okx_async._rest.responses import Answer
from okx_async.cli.exits import ExitCode
from okx_async.cli.flatten_consent import Consent, Found
from okx_async.simulator import SimulatedExchange
from tests.cli.flattening import ALL, Terminal, run

BTC, ETH, SOL = "BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP"
PENDING, BATCH = "/api/v5/trade/orders-pending", "/api/v5/trade/cancel-batch-orders"


def entry(exchange: SimulatedExchange, inst_id: str, mgn_mode: str = "cross") -> None:
    exchange.add_pending_order(inst_id, side="buy", reduce_only=False, mgn_mode=mgn_mode)


def resting(exchange: SimulatedExchange) -> set[str]:
    return {order.inst_id for order in exchange.pending_orders}


@pytest.mark.usefixtures("keys")
async def test_orders_are_shown_and_only_those_are_cancelled(
    exchange: SimulatedExchange, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    exchange.open_position(BTC, -3)
    entry(exchange, ETH)
    exchange.add_algo_order(BTC)
    monkeypatch.setattr(sys, "stdin", Terminal("y\n", lambda: entry(exchange, SOL)))
    assert await run(exchange, yes=False) is ExitCode.FAILED
    out, err = capsys.readouterr()
    assert err.index("To be cancelled at once") < err.index(ETH) < err.index("To be cancelled once all of it is flat")
    assert "Close 1 position and cancel 2 orders? [y/N]" in err
    assert "1 order that may open a position could not be cancelled, or came later" in err
    assert (resting(exchange), exchange.algo_orders, exchange.positions) == ({SOL}, (), ())
    assert "Orders that were cancelled: 2." in out
    assert SOL in out


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("answer", ["y\n", "n\n"])
async def test_orders_alone_are_asked_about_too(
    answer: str, exchange: SimulatedExchange, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    entry(exchange, ETH)
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert await run(exchange, yes=False) is (ExitCode.DONE if answer == "y\n" else ExitCode.FAILED)
    assert resting(exchange) == (set() if answer == "y\n" else {ETH})
    assert "Cancel 1 order? [y/N]" in capsys.readouterr().err


@pytest.mark.usefixtures("keys")
async def test_orders_are_kept_if_told_so(exchange: SimulatedExchange, capsys: pytest.CaptureFixture[str]) -> None:
    exchange.open_position(BTC, -3)
    entry(exchange, BTC)
    assert await run(exchange, replace(ALL, keep_orders=True), as_json=True) is ExitCode.DONE
    record = json.loads(capsys.readouterr().out)
    assert (record["cancelled"], [order["instId"] for order in record["open_orders"]]) == ([], [BTC])
    assert resting(exchange) == {BTC}


@pytest.mark.usefixtures("keys")
async def test_only_orders_that_match_the_options_are_cancelled(
    exchange: SimulatedExchange, capsys: pytest.CaptureFixture[str]
) -> None:
    for inst_id, mgn_mode in ((BTC, "cross"), (BTC, "isolated"), (ETH, "isolated")):
        entry(exchange, inst_id, mgn_mode)
    assert await run(exchange, replace(ALL, inst_ids=[BTC], mgn_mode="isolated"), as_json=True) is ExitCode.DONE
    [cancelled] = json.loads(capsys.readouterr().out)["cancelled"]
    assert (cancelled["instId"], cancelled["tdMode"]) == (BTC, "isolated")
    assert len(exchange.pending_orders) == 2


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("as_json", [True, False])
async def test_a_list_that_is_refused_is_never_called_empty(
    *, as_json: bool, exchange: SimulatedExchange, capsys: pytest.CaptureFixture[str]
) -> None:
    exchange.open_position(BTC, -3)
    exchange.inject(path=PENDING, code="50030", times=None)
    assert await run(exchange, as_json=as_json) is ExitCode.DONE
    out, _ = capsys.readouterr()
    if as_json:
        record = json.loads(out)
        assert record["open_orders"] is None
        assert any("trade/orders-pending" in note for note in record["notes"])
    else:
        assert "Orders still pending there could not be read" in out
        assert "No orders are pending" not in out


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("as_json", [True, False])
async def test_an_order_of_another_list_that_is_left_is_told(
    *, as_json: bool, exchange: SimulatedExchange, capsys: pytest.CaptureFixture[str]
) -> None:
    exchange.open_position(BTC, -3)
    entry(exchange, BTC)
    exchange.inject(path=BATCH, code="51400", times=None)  # "gone", and it is listed all the same
    exchange.inject(path="/api/v5/trade/orders-algo-pending", code="50030", times=None)
    assert await run(exchange, as_json=as_json) is ExitCode.FAILED
    out, err = capsys.readouterr()
    if as_json:
        record = json.loads(out)
        assert (record["open_orders"], [order["instId"] for order in record["orders_read"]]) == (None, [BTC])
    else:
        assert f"could not all be read: look at them. Of those that were: 1\n  {BTC} net: limit buy" in out
        assert "1 order that may open a position could not be cancelled" in err


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("as_json", [True, False])
async def test_a_dry_run_shows_the_orders(
    *, as_json: bool, exchange: SimulatedExchange, capsys: pytest.CaptureFixture[str]
) -> None:
    entry(exchange, BTC)
    exchange.inject(path="/api/v5/trade/orders-algo-pending", code="50030", times=None)
    assert await run(exchange, replace(ALL, dry_run=True), as_json=as_json) is ExitCode.DONE
    out, err = capsys.readouterr()
    assert {row.method for row in exchange.journal} == {"GET"}
    if as_json:
        record = json.loads(out)
        assert [order["instId"] for order in record["cancels"]] == [BTC]
        assert len(record["unread_orders"]) == 7
    else:
        assert "To be cancelled at once" in err
        assert "pending orders that are not shown are not cancelled: trade/orders-algo-pending" in err
        assert err.endswith("dry run: nothing was sent\n")


@pytest.mark.usefixtures("keys")
async def test_orders_that_could_not_be_cancelled_are_exit_1(
    exchange: SimulatedExchange, capsys: pytest.CaptureFixture[str]
) -> None:
    entry(exchange, BTC)
    exchange.inject(path=BATCH, code="50030", times=None)
    assert await run(exchange) is ExitCode.FAILED
    out, err = capsys.readouterr()
    assert "Orders that were cancelled: 0; other answers: 50030 (2)." in out
    assert "1 order that may open a position could not be cancelled" in err


def listed(**changes: Any) -> okx.Position:
    """Return a position as listed, which may be one that cannot be read."""
    record = {"instId": BTC, "instType": "SWAP", "mgnMode": "cross", "posSide": "net", "pos": "3", **changes}
    plain, odd = positions(Answer(200, "0", data=[record], listed=True, envelope=True))
    return plain[0] if plain else odd[0].position


ODD: list[dict[str, Any]] = [
    {"mgnMode": ""},
    {"mgnMode": None, "instType": ""},
    {"posSide": 7, "instType": None},
    {"instType": "MARGIN", "ccy": 7},
    {"instId": None, "posId": "7", "instType": "EVENTS"},
]


@pytest.mark.parametrize("changes", ODD)
@pytest.mark.parametrize("asked", [True, False])
def test_a_position_that_cannot_be_read_did_not_appear_after_the_question(
    changes: dict[str, Any], *, asked: bool
) -> None:
    odd = listed(**changes)
    inst_type = "MARGIN" if changes.get("instType") == "MARGIN" else "SWAP"
    consent = Consent(replace(ALL, inst_type=inst_type))
    if asked:
        consent.give(Found([], [], [], [], []))
    for mgn_mode in ("cross", "isolated"):  # flatten asks about each mode that may be meant
        assert consent.holds(replace(odd, mgn_mode=odd.mgn_mode or mgn_mode))
    assert consent.left_alone == {}
    other = Consent(replace(ALL, inst_type="OPTION"))
    assert other.holds(odd) is (odd.inst_type not in {"SWAP", "MARGIN"})  # it says that it is none


def test_a_position_that_appeared_after_the_question_is_left_alone() -> None:
    consent, new = Consent(ALL), listed(mgnMode="new")
    consent.give(Found([], [], [], [], []))
    assert not consent.holds(new)
    assert list(consent.left_alone.values()) == [new]


@pytest.mark.parametrize("asked", [True, False])
def test_a_position_without_a_type_is_not_closed_by_one_and_not_left_out(*, asked: bool) -> None:
    consent, untyped = Consent(replace(ALL, inst_type="SWAP", mgn_mode="cross")), listed(instType="")
    if asked:
        consent.give(Found([], [], [], [], []))
    assert not consent.holds(untyped)
    assert not consent.holds(listed(instType="EVENTS"))
    assert not consent.holds(listed(instType="", mgnMode="isolated"))
    assert list(consent.left_alone.values()) == [untyped]
    assert Consent(ALL).holds(untyped)


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("way", [{"dry_run": True}, {}])
async def test_nothing_but_a_position_without_a_type_is_not_flat(
    exchange: SimulatedExchange,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    way: dict[str, Any],
) -> None:
    exchange.odd_records.append({"instId": BTC, "mgnMode": "cross", "posSide": "net", "pos": "3"})
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    assert await run(exchange, replace(ALL, inst_type="SWAP", **way), yes=False) is ExitCode.FAILED
    assert "it does not say of which type it is" in " ".join(capsys.readouterr().err.split())
    if not way:
        assert await run(exchange, replace(ALL, inst_type="SWAP"), yes=True) is ExitCode.FAILED
        assert "does not say of which type it is; left alone" in " ".join(capsys.readouterr().out.split())
