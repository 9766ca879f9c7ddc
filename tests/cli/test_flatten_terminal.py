"""A flatten at a terminal that is narrow or closed, without a reader, or stopped by a signal."""

import asyncio
import os
import pty
import re
import signal
from typing import TextIO, cast

import pytest
from rich.console import Console

from okx_async.cli.streams import Page
from okx_async.simulator import SimulatedExchange
from tests.cli.conftest import Process, variables
from tests.cli.flattening import book
from tests.schemas import check

CLOSE_PATH = "/api/v5/trade/close-position"
POSITIONS_PATH = "/api/v5/account/positions"


def looked_after(exchange: SimulatedExchange) -> bool:
    """Whether both closes of the book were answered: positions were read after them."""
    paths = [row.path.partition("?")[0] for row in exchange.journal]
    return paths.count(CLOSE_PATH) > 1 and POSITIONS_PATH in paths[len(paths) - paths[::-1].index(CLOSE_PATH) :]


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
