"""`okx-async flatten`: consent, report and exit codes."""

import io
import sys
from dataclasses import replace
from math import nan
from typing import Any

import pytest

from okx_async.cli.exits import ExitCode
from okx_async.simulator import SimulatedExchange
from tests.cli.conftest import STRANGER
from tests.cli.flattening import ALL, Terminal, book, closes, run
from tests.schemas import check

POSITIONS_PATH = "/api/v5/account/positions"


@pytest.mark.usefixtures("keys")
async def test_flat_is_exit_0(exchange: SimulatedExchange, capsys: pytest.CaptureFixture[str]) -> None:
    book(exchange)
    assert await run(exchange) is ExitCode.DONE
    out, err = capsys.readouterr()
    assert not exchange.positions
    assert sorted(line.split()[:2] for line in out.splitlines() if "SWAP" in line and "close" in line) == [
        ["closed", "BTC-USDT-SWAP"],
        ["closed", "ETH-USDT-SWAP"],
    ]
    assert out.splitlines()[-1].startswith("FLAT: ")
    assert "BTC-USDT-SWAP cross net: closed" in err  # the progress, line by line
    assert not any(secret in out + err for secret in (STRANGER.secret_key, STRANGER.passphrase))


@pytest.mark.usefixtures("keys")
async def test_json_is_one_object(exchange: SimulatedExchange, capsys: pytest.CaptureFixture[str]) -> None:
    book(exchange)
    assert await run(exchange, replace(ALL, inst_ids=["BTC-USDT-SWAP"]), as_json=True) is ExitCode.DONE
    out, err = capsys.readouterr()
    assert err == ""
    record = check("flatten", out)
    assert (record["flat"], record["outcome"], record["left_alone"], record["open_orders"]) == (True, "known", [], [])
    [row] = record["rows"]
    assert (row["inst_id"], row["state"], row["before"]["pos"], row["after"]) == (
        "BTC-USDT-SWAP",
        "closed",
        "-3",
        None,
    )
    assert [attempt["outcome"] for attempt in row["attempts"]] == ["accepted"]
    assert [holding.inst_id for holding in exchange.positions] == ["ETH-USDT-SWAP"]


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("as_json", [True, False])
async def test_a_dry_run_sends_nothing_that_trades(
    *,
    as_json: bool,
    exchange: SimulatedExchange,
    capsys: pytest.CaptureFixture[str],
) -> None:
    book(exchange)
    assert await run(exchange, replace(ALL, dry_run=True), yes=False, as_json=as_json) is ExitCode.DONE
    out, err = capsys.readouterr()
    assert {row.method for row in exchange.journal} == {"GET"}
    if as_json:
        record = check("flatten", out)
        assert (record["dry_run"], record["flat"]) == (True, False)
        assert sorted(one["instId"] for one in record["positions"]) == ["BTC-USDT-SWAP", "ETH-USDT-SWAP"]
    else:
        assert "upl" in out
        assert "BTC-USDT-SWAP" in out
        assert err == "dry run: nothing was sent\n"


@pytest.mark.usefixtures("keys")
async def test_an_empty_list_is_read_twice_and_asks_nothing(
    exchange: SimulatedExchange, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("", lambda: pytest.fail("asked")))
    assert await run(exchange, yes=False) is ExitCode.DONE
    assert capsys.readouterr().out == "no open positions\n"
    assert [row.path for row in exchange.journal].count(POSITIONS_PATH) == 2


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize("answer", ["y\n", "n\n", ""])
async def test_consent_covers_only_what_was_shown(
    answer: str,
    *,
    as_json: bool,
    exchange: SimulatedExchange,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    book(exchange)
    monkeypatch.setattr(sys, "stdin", Terminal(answer, lambda: exchange.open_position("SOL-USDT-SWAP", 1)))
    code = await run(exchange, yes=False, as_json=as_json)
    out, err = capsys.readouterr()
    assert err.index("To be closed at market") < err.index("BTC-USDT-SWAP") < err.index("LIVE TRADING")
    assert "Close 2 positions? [y/N]" in err
    assert code is ExitCode.FAILED  # not flat, whatever the answer
    if answer == "y\n":
        assert sorted(closes(exchange)) == ["BTC-USDT-SWAP", "ETH-USDT-SWAP"]
        assert "SOL-USDT-SWAP" in out
        assert (check("flatten", out)["flat"] is False) if as_json else ("left alone" in out)
    else:
        assert closes(exchange) == []
        assert "not confirmed: nothing was sent" in err
        assert check("flatten", out)["outcome"] == "not_executed" if as_json else out == ""


@pytest.mark.usefixtures("keys")
async def test_no_terminal_and_no_consent_sends_nothing(
    exchange: SimulatedExchange, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    book(exchange)
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert await run(exchange, yes=False, as_json=True) is ExitCode.USAGE
    out, err = capsys.readouterr()
    assert (out, err) == (
        "",
        "error: flatten: no terminal to ask at; nothing was sent. Pass --yes to send without asking.\n",
    )
    assert exchange.journal == []


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("as_json", [True, False])
async def test_a_refused_close_stops_no_other(
    *,
    as_json: bool,
    exchange: SimulatedExchange,
    capsys: pytest.CaptureFixture[str],
) -> None:
    book(exchange)
    exchange.inject(code="51156", inst_id="BTC-USDT-SWAP", times=9)
    assert await run(exchange, as_json=as_json) is ExitCode.FAILED
    out, err = capsys.readouterr()
    assert [holding.inst_id for holding in exchange.positions] == ["BTC-USDT-SWAP"]
    assert "see what is left: okx-async positions --base-url" in err
    if as_json:
        states = {
            row["inst_id"]: (row["state"], row["error"] and row["error"]["code"])
            for row in check("flatten", out)["rows"]
        }
        assert states == {"BTC-USDT-SWAP": ("refused", "51156"), "ETH-USDT-SWAP": ("closed", None)}
    else:
        assert "REFUSED" in out
        assert "close it by copy trading" in out
        assert out.splitlines()[-1].startswith("NOT FLAT")


@pytest.mark.usefixtures("keys")
async def test_positions_that_cannot_be_read_are_exit_1(
    exchange: SimulatedExchange, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OKX_PASSPHRASE", "WRONGPASSPHRASE")
    assert await run(exchange, as_json=True) is ExitCode.FAILED
    out, err = capsys.readouterr()
    record = check("flatten", out)
    assert (record["flat"], record["outcome"], record["error"]) == (False, "not_sent", "AuthenticationError")
    assert "no close was sent" in err
    assert f"see what is wrong: okx-async doctor --base-url {exchange.base_url}" in err


@pytest.mark.usefixtures("keys")
async def test_a_key_revoked_meanwhile_leads_to_the_doctor(
    exchange: SimulatedExchange, capsys: pytest.CaptureFixture[str]
) -> None:
    book(exchange)
    exchange.inject("key revoked in mid-run")
    assert await run(exchange) is ExitCode.FAILED
    _, err = capsys.readouterr()
    assert err.count("see what is wrong: okx-async doctor --base-url") == 1


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(
    "wrong",
    [{"inst_ids": ["no id"]}, {"mgn_mode": "crossed"}, {"deadline": 0.0}, {"deadline": nan}],
    ids=str,
)
async def test_wrong_usage_is_exit_2(
    wrong: dict[str, Any], exchange: SimulatedExchange, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run(exchange, replace(ALL, **wrong)) is ExitCode.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert exchange.journal == []


ODD = {"instId": "BTC-ABOVE-DAILY-300102-1600", "instType": "EVENTS", "mgnMode": "", "posSide": "net", "pos": "10"}


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("yes", [True, False])
async def test_an_odd_record_is_shown_and_the_rest_is_closed(
    exchange: SimulatedExchange,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    yes: bool,  # noqa: FBT001 - a way
) -> None:
    book(exchange)
    exchange.odd_records.append(ODD)
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    assert await run(exchange, yes=yes) is ExitCode.UNKNOWN
    assert not exchange.positions
    out, err = capsys.readouterr()
    assert ODD["instId"] in out
    assert "NOT FLAT" in out
    shown = f"not to be closed, since it cannot be read: the record of {ODD['instId']}: its mgnMode is ''"
    assert (shown in " ".join(err.split())) is not yes


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("dry_run", [True, False])
async def test_a_dry_run_with_an_odd_record_is_not_flat(
    exchange: SimulatedExchange,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    dry_run: bool,  # noqa: FBT001 - a way
) -> None:
    exchange.odd_records.append(ODD)
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    options = replace(ALL, dry_run=dry_run)
    assert await run(exchange, options, yes=False, as_json=True) is ExitCode.FAILED
    record = check("flatten", capsys.readouterr().out)
    assert (record["flat"], record["positions"], record["unreadable"]) == (False, [], [ODD])
    assert await run(exchange, options, yes=False) is ExitCode.FAILED
    out, err = capsys.readouterr()
    assert out == ""
    assert f"the record of {ODD['instId']}" in err


@pytest.mark.parametrize(("quota", "limit"), [(None, None), (7, 7)])
def test_a_quota_is_the_limit_of_its_limiter(quota: int | None, limit: int | None) -> None:
    limiter = replace(ALL, quota=quota).limiter()
    assert (limiter and limiter.quota.limit) == limit
