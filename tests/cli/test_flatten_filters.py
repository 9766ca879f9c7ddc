"""The filters of `okx-async flatten`: what they name, and what no position has."""

import sys
from dataclasses import replace
from typing import Any

import pytest

import okx_async as okx
from okx_async.cli.exits import ExitCode
from okx_async.simulator import SimulatedExchange
from tests.cli.flattening import ALL, Terminal, book, closes, run


@pytest.mark.usefixtures("keys")
async def test_only_one_margin_mode(exchange: SimulatedExchange) -> None:
    book(exchange)
    assert await run(exchange, replace(ALL, mgn_mode="isolated")) is ExitCode.DONE
    assert closes(exchange) == ["ETH-USDT-SWAP"]


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("dry_run", [True, False])
async def test_filters_without_a_match_are_named(
    exchange: SimulatedExchange,
    *,
    dry_run: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    book(exchange)
    options = replace(ALL, inst_ids=["BTC-USDT"], mgn_mode="isolated", dry_run=dry_run)
    assert await run(exchange, options) is ExitCode.DONE
    err = capsys.readouterr().err
    assert err == "looked at --inst BTC-USDT --mgn-mode isolated only: other positions and orders may be open\n"
    assert len(exchange.positions) == 2


@pytest.mark.usefixtures("keys")
async def test_an_id_that_no_rule_fits_is_an_option_if_it_is_listed(
    exchange: SimulatedExchange, capsys: pytest.CaptureFixture[str]
) -> None:
    exchange.open_position("kPEPE-USDT-SWAP", 3)
    exchange.open_position("BTC-USDT-SWAP", 3)
    assert await run(exchange, replace(ALL, inst_ids=["kPEPE-USDT-SWAP"])) is ExitCode.DONE
    assert [holding.inst_id for holding in exchange.positions] == ["BTC-USDT-SWAP"]
    assert await run(exchange, replace(ALL, inst_ids=["btc-usdt-swap"])) is ExitCode.USAGE
    assert "no position of 'btc-usdt-swap' is listed" in capsys.readouterr().err


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({"pos_side": "net"}, []),
        ({"pos_side": "long"}, ["BTC-USDT-SWAP", "ETH-USDT-SWAP"]),
        ({"inst_type": "SWAP"}, []),
        ({"inst_type": "OPTION"}, ["BTC-USDT-SWAP", "ETH-USDT-SWAP"]),
        ({"inst_type": "SWAP", "mgn_mode": "cross", "pos_side": "net", "inst_ids": ["BTC-USDT-SWAP"]}, None),
    ],
)
async def test_filters_close_what_they_name(
    options: dict[str, Any], left: list[str] | None, exchange: SimulatedExchange
) -> None:
    book(exchange)
    await run(exchange, replace(ALL, **options))
    open_now = sorted(position.inst_id for position in exchange.positions)
    assert open_now == left if left is not None else "BTC-USDT-SWAP" not in open_now


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"pos_side": "buy"}, "--pos-side must be net, long or short, got 'buy'"),
        ({"inst_type": "SWAPS"}, "--inst-type must be MARGIN, SWAP, FUTURES or OPTION, got 'SWAPS'"),
        ({"quota": 0}, "--quota must be from 1 to 20, got 0"),
        ({"quota": 21}, "--quota must be from 1 to 20, got 21"),
    ],
)
async def test_a_filter_that_names_nothing_is_wrong_usage(
    options: dict[str, Any], words: str, exchange: SimulatedExchange, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run(exchange, replace(ALL, **options)) is ExitCode.USAGE
    assert words in capsys.readouterr().err
    assert exchange.journal == []


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({}, "filter  none: everything that is open\n"),
        ({"pos_side": "net", "inst_type": "SWAP"}, "filter  --pos-side net --inst-type SWAP\n"),
    ],
)
async def test_the_question_shows_the_filter(
    options: dict[str, Any],
    shown: str,
    exchange: SimulatedExchange,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    book(exchange)
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    await run(exchange, replace(ALL, **options), yes=False)
    assert shown in capsys.readouterr().err


def test_a_record_that_cannot_be_read_is_outside_of_a_filter_only_if_it_says_so() -> None:
    odd = okx.Position.__new__(okx.Position)
    for field, value in {"mgn_mode": "", "pos_side": "long", "inst_type": "EVENTS"}.items():
        object.__setattr__(odd, field, value)
    assert replace(ALL, mgn_mode="cross", pos_side="long", inst_type="SWAP").may_hold(odd)
    assert not replace(ALL, inst_type="SWAP").holds(odd)
    assert not replace(ALL, pos_side="short").may_hold(odd)
