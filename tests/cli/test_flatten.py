"""`okx-async flatten`: consent, progress, report, exit codes, and interrupts."""

import asyncio
import io
import os
import pty
import re
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from math import nan
from typing import Any, TextIO, cast

import pytest
from rich.console import Console

import okx_async as okx
from okx_async.cli.exits import ExitCode
from okx_async.cli.flatten import flatten
from okx_async.cli.flatten_consent import FlattenOptions
from okx_async.cli.streams import Page
from okx_async.cli.target import Target
from okx_async.simulator import SimulatedExchange
from tests.cli.conftest import STRANGER, Process, variables
from tests.schemas import check

CLOSE_PATH = "/api/v5/trade/close-position"
POSITIONS_PATH = "/api/v5/account/positions"
ALL = FlattenOptions(None, None, auto_cxl=True, deadline=10.0, dry_run=False, look_again=0.0)


class Terminal(io.StringIO):
    """A terminal in place of stdin: calls `meanwhile`, then answers."""

    def __init__(self, answer: str, meanwhile: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self.answer, self.meanwhile = answer, meanwhile

    def isatty(self) -> bool:
        return True

    def readline(self, *_: Any) -> Any:
        self.meanwhile()
        return self.answer


@pytest.fixture
def keys(exchange: SimulatedExchange, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put STRANGER's keys into the environment."""
    exchange.add_key(credentials=STRANGER)
    for name, value in {**variables(STRANGER), "COLUMNS": "100"}.items():
        monkeypatch.setenv(name, value)


async def run(
    exchange: SimulatedExchange, options: FlattenOptions = ALL, *, yes: bool = True, as_json: bool = False
) -> ExitCode:
    """Run the command in a thread, since it has an event loop of its own."""
    target = Target(demo=False, region="global", base_url=exchange.base_url)
    return await asyncio.to_thread(flatten, options, target, yes=yes, as_json=as_json)


def closes(exchange: SimulatedExchange) -> list[str]:
    return [row.key[1] for row in exchange.journal if row.path == CLOSE_PATH and row.key is not None]


def looked_after(exchange: SimulatedExchange) -> bool:
    """Whether both closes of the book were answered: positions were read after them."""
    paths = [row.path.partition("?")[0] for row in exchange.journal]
    return paths.count(CLOSE_PATH) > 1 and POSITIONS_PATH in paths[len(paths) - paths[::-1].index(CLOSE_PATH) :]


def book(exchange: SimulatedExchange) -> None:
    exchange.open_position("BTC-USDT-SWAP", -3)
    exchange.open_position("ETH-USDT-SWAP", 7, "isolated")


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
async def test_only_one_margin_mode(exchange: SimulatedExchange) -> None:
    book(exchange)
    assert await run(exchange, replace(ALL, mgn_mode="isolated")) is ExitCode.DONE
    assert closes(exchange) == ["ETH-USDT-SWAP"]


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


@pytest.mark.parametrize(
    "stop",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGINT, marks=pytest.mark.long),
        pytest.param(signal.SIGHUP, marks=pytest.mark.long),
    ],
)
async def test_a_stop_reports_what_is_in_flight(
    stop: signal.Signals, exchange: SimulatedExchange, command: Process
) -> None:
    command.environment = variables(exchange.credentials)
    book(exchange)
    exchange.inject(delay=30, executed=True, inst_id="BTC-USDT-SWAP")
    exchange.add_pending_order("SOL-USDT-SWAP", side="buy", reduce_only=False)
    process = command.start("flatten", "--base-url", exchange.base_url, "--json")
    while exchange.positions or exchange.pending_orders:  # noqa: ASYNC110 - the exchange has no event for it
        await asyncio.sleep(0.01)
    process.send_signal(stop)
    out, err = await asyncio.to_thread(process.communicate, timeout=20)
    assert "Traceback" not in err
    assert process.returncode == 3
    word = "interrupted" if stop is signal.SIGINT else f"stopped by {stop.name}"
    assert f"{word}, in flight or not proven:" in err
    assert "BTC-USDT-SWAP: already sent, outcome unknown" in err
    assert "orders that were cancelled: 1\n" in err
    assert "could not be read" not in err
    assert f"see what is left: okx-async positions --base-url {exchange.base_url}" in err
    record = check("flatten", out)
    assert (record["flat"], record["outcome"]) == (False, "unknown")
    assert {"BTC-USDT-SWAP", "ETH-USDT-SWAP"} == {attempt["inst_id"] for attempt in record["attempts"]}


def test_output_without_a_reader_is_dropped() -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    with os.fdopen(theirs, "w") as stream:
        page = Console(file=cast("TextIO", Page(stream)), width=40)
        for _ in range(2):
            page.print("a table")
        assert not page.is_terminal


@pytest.mark.share(2)
@pytest.mark.parametrize("as_json", [True, False])
async def test_a_closed_terminal_stops_it_with_exit_3(
    *,
    as_json: bool,
    exchange: SimulatedExchange,
    command: Process,
) -> None:
    command.environment = variables(exchange.credentials)
    command.environment["TERM"] = "xterm"  # rows change in place
    book(exchange)
    exchange.inject("never filled", times=None)
    ours, theirs = pty.openpty()
    options = ["--json"] if as_json else []
    url = exchange.base_url
    process = command.start("flatten", "--base-url", url, *options, stdin=theirs, stderr=theirs, terminal=theirs)
    os.close(theirs)
    while not looked_after(exchange):  # noqa: ASYNC110 - the exchange has no event for it
        await asyncio.sleep(0.01)
    os.close(ours)  # which makes the system send SIGHUP
    out, _ = await asyncio.to_thread(process.communicate, timeout=20)
    assert process.returncode == 3
    if as_json:
        record = check("flatten", out)
        assert (record["flat"], record["outcome"]) == (False, "unknown")
        assert record["text"].startswith("stopped by SIGHUP, in flight or not proven:\n")
        assert record["text"].count("accepted, not proven closed") == 2


async def test_with_sighup_ignored_it_outlives_the_terminal(exchange: SimulatedExchange, command: Process) -> None:
    command.environment = variables(exchange.credentials)
    book(exchange)
    exchange.inject(delay=0.5, executed=True, inst_id="BTC-USDT-SWAP")
    process = command.start("flatten", "--base-url", exchange.base_url, "--json", hang_up=signal.SIG_IGN)
    while len(exchange.positions) != 0:  # noqa: ASYNC110 - the exchange has no event for it
        await asyncio.sleep(0.01)
    process.send_signal(signal.SIGHUP)
    out, _ = await asyncio.to_thread(process.communicate, timeout=20)
    assert process.returncode == 0
    assert check("flatten", out)["flat"] is True


async def test_a_reader_that_left_does_not_change_the_exit_code(exchange: SimulatedExchange, command: Process) -> None:
    command.environment = variables(exchange.credentials)
    book(exchange)
    ours, theirs = os.pipe()
    os.close(ours)
    process = command.start("flatten", "--base-url", exchange.base_url, stdout=theirs)
    os.close(theirs)
    _, err = await asyncio.to_thread(process.communicate, timeout=20)
    assert process.returncode == 0
    assert "Traceback" not in err
    assert not exchange.positions


async def test_a_terminal_of_40_columns_shows_rows_as_they_change(
    exchange: SimulatedExchange, command: Process
) -> None:
    command.environment = variables(exchange.credentials)
    command.environment |= {"COLUMNS": "40", "TERM": "xterm"}
    book(exchange)
    exchange.inject(delay=0.5, inst_id="BTC-USDT-SWAP")
    exchange.inject(code="50004", executed=True, inst_id="ETH-USDT-SWAP")
    ours, theirs = pty.openpty()
    process = command.start("--verbose", "flatten", "--base-url", exchange.base_url, stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while True:
            try:
                part = await asyncio.to_thread(os.read, ours, 4096)
            except OSError:  # Linux, where the other end is closed
                break
            if not part:
                break
            shown += part
        out, _ = await asyncio.to_thread(process.communicate, timeout=20)
    finally:
        os.close(ours)
    assert process.returncode == 0
    assert b"Ctrl-C stops" in shown
    assert b"no answer" in shown
    # log lines stand above the rows, not among them
    plain = re.sub(rb"\x1b\[[?0-9;]*[A-Za-z]", b"", shown)
    logged = [line.rpartition(b"\r")[2] for line in plain.split(b"\r\n") if b"debug: " in line]
    assert logged
    assert all(re.match(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z debug: ", line) for line in logged)
    assert max(map(len, out.splitlines())) <= 40
    assert "FLAT" in out


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


@pytest.mark.parametrize(("quota", "limit"), [(None, None), (7, 7)])
def test_a_quota_is_the_limit_of_its_limiter(quota: int | None, limit: int | None) -> None:
    limiter = replace(ALL, quota=quota).limiter()
    assert (limiter and limiter.quota.limit) == limit
