"""`okx-async close` and `positions` as processes, against a simulated exchange."""

import asyncio
import json
import os
import pty
import signal
from collections.abc import Callable
from decimal import Decimal
from subprocess import CompletedProcess, Popen
from typing import Any

import pytest

from okx_async import Attempt, ClosedPosition, ClosePosition, Outcome, Position
from okx_async.cli import tables
from okx_async.cli.exits import ExitCode
from okx_async.cli.signals import Stop
from okx_async.cli.target import Target
from okx_async.cli.trading import _ended, _stopped, positions
from okx_async.simulator import JournalRow, SimulatedExchange
from tests.cli.conftest import STRANGER, Process, variables
from tests.schemas import check

CLOSE_PATH = "/api/v5/trade/close-position"
CLOSE = ("close", "BTC-USDT-SWAP", "--mgn-mode", "cross")
LEG = ClosePosition("BTC-USDT-SWAP", "cross")
NOWHERE = ("--base-url", "http://127.0.0.1:9")  # the discard port: nothing listens there


def checked(result: CompletedProcess[str], command: Process) -> CompletedProcess[str]:
    """Check that neither a traceback nor a secret of the environment was printed."""
    printed = result.stdout + result.stderr
    assert "Traceback" not in printed
    assert not any(command.environment[name] in printed for name in ("OKX_SECRET_KEY", "OKX_PASSPHRASE"))
    return result


def test_positions_and_close_against_simulate(simulate: Callable[..., dict[str, Any]], command: Process) -> None:
    record = simulate("--position", "BTC-USDT-SWAP:-3", "--position", "ETH-USDT-SWAP:0.50:isolated")
    assert [one["pos"] for one in record["positions"]] == ["-3", "0.50"]
    where = ("--base-url", record["base_url"])

    listed = checked(command("positions", *where), command)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert sorted(line.split()[:4] for line in listed.stdout.splitlines() if "-SWAP" in line) == [
        ["BTC-USDT-SWAP", "cross", "net", "-3"],
        ["ETH-USDT-SWAP", "isolated", "net", "0.5"],
    ]
    # the simulator's own keys on a local address need no consent
    closed = checked(command(*CLOSE, *where), command)
    assert (closed.returncode, closed.stderr) == (0, "")
    look = f"okx-async positions --inst BTC-USDT-SWAP --base-url {record['base_url']}"
    assert closed.stdout == (
        f"BTC-USDT-SWAP: accepted. That is not yet proof of being flat;\nsee what is left: {look}\n"
    )
    again = checked(command(*CLOSE, *where, "--json"), command)
    told = check("close", again.stdout)
    assert again.returncode == 1
    assert (told["outcome"], told["error"], told["code"]) == ("refused", "NothingToCloseError", "51023")
    assert again.stderr.startswith("error: 51023 on BTC-USDT-SWAP")

    left = checked(command("positions", *where, "--inst", "ETH-USDT-SWAP", "--json"), command)
    assert [one["pos"] for one in json.loads(left.stdout)["positions"]] == ["0.5"]
    proven = checked(command("close", "ETH-USDT-SWAP", "--mgn-mode", "isolated", "--confirm", *where), command)
    assert (proven.returncode, proven.stdout) == (0, "ETH-USDT-SWAP: closed, the exchange no longer lists it\n")
    command.environment["OKX_PASSPHRASE"] = "WRONGPASSPHRASE"
    wrong = checked(command("positions", *where, "--json"), command)
    assert wrong.returncode == 1
    assert json.loads(wrong.stdout)["error"] == "AuthenticationError"


def test_a_wrong_instrument_is_wrong_usage(command: Process) -> None:
    command.environment = variables(STRANGER)
    result = checked(command("positions", "--inst", "no id", "--json", *NOWHERE), command)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("error: inst_id must be ")


@pytest.mark.parametrize("args", [(*CLOSE, "--yes", "--max-wait", "0"), ("positions",)], ids=["close", "positions"])
def test_an_unreachable_host_is_exit_1(args: tuple[str, ...], command: Process) -> None:
    command.environment = variables(STRANGER)
    result = checked(command(*args, *NOWHERE, "--json"), command)
    assert result.returncode == 1
    assert check(args[0], result.stdout)["outcome"] == "not_sent"
    assert "nothing was sent" in result.stderr


async def ended(process: Popen[str], command: Process) -> CompletedProcess[str]:
    out, err = await asyncio.to_thread(process.communicate, timeout=20)
    return checked(CompletedProcess(process.args, process.returncode, out, err), command)


def closes(exchange: SimulatedExchange) -> list[JournalRow]:
    return [row for row in exchange.journal if row.path == CLOSE_PATH]


async def stopped(
    exchange: SimulatedExchange, command: Process, stop: signal.Signals, *args: str
) -> CompletedProcess[str]:
    """Run a close, and send `stop` once the exchange has seen it."""
    command.environment = variables(exchange.credentials)
    process = command.start(*CLOSE, "--base-url", exchange.base_url, *args)
    while not closes(exchange):  # noqa: ASYNC110 - the exchange has no event for it
        await asyncio.sleep(0.01)
    process.send_signal(stop)
    return await ended(process, command)


@pytest.mark.parametrize("stop", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long)])
async def test_interrupted_on_its_way_is_exit_3(
    stop: signal.Signals, exchange: SimulatedExchange, command: Process
) -> None:
    exchange.open_position("BTC-USDT-SWAP", 1)
    exchange.inject(delay=30, executed=True)
    result = await stopped(exchange, command, stop, "--json")
    assert result.returncode == 3
    word = "interrupted" if stop is signal.SIGINT else "stopped by SIGTERM"
    assert f"{word}: BTC-USDT-SWAP: already sent, outcome unknown; it may have been executed" in result.stderr
    assert f"okx-async positions --inst BTC-USDT-SWAP --base-url {exchange.base_url}" in result.stderr
    told = check("close", result.stdout)
    assert told["outcome"] == "unknown"
    assert [attempt["token"] for attempt in told["attempts"]] == ["in doubt"]
    assert not exchange.positions  # it was executed


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
async def test_the_answer_to_what_is_on_the_wire_is_awaited(
    stop: signal.Signals, exchange: SimulatedExchange, command: Process
) -> None:
    exchange.open_position("BTC-USDT-SWAP", 1)
    exchange.inject(delay=1.0, executed=True)
    result = await stopped(exchange, command, stop, "--json")
    assert result.returncode == 0
    assert "its answer was awaited" in result.stderr
    assert check("close", result.stdout)["outcome"] == "accepted"


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
async def test_a_second_signal_does_not_wait_for_the_answer(
    stop: signal.Signals, exchange: SimulatedExchange, command: Process
) -> None:
    exchange.open_position("BTC-USDT-SWAP", 1)
    exchange.inject(delay=30, executed=True)
    command.environment = variables(exchange.credentials)
    process = command.start(*CLOSE, "--base-url", exchange.base_url)
    while not closes(exchange):  # noqa: ASYNC110 - the exchange has no event for it
        await asyncio.sleep(0.01)
    process.send_signal(stop)
    await asyncio.sleep(0.3)
    assert process.poll() is None
    begun = asyncio.get_running_loop().time()
    process.send_signal(stop)
    result = await ended(process, command)
    assert result.returncode == 3
    assert "already sent, outcome unknown" in result.stderr
    assert asyncio.get_running_loop().time() - begun < 3.0  # its time-out is 5 s


async def test_interrupted_after_a_refusal_is_exit_1(exchange: SimulatedExchange, command: Process) -> None:
    exchange.open_position("BTC-USDT-SWAP", 1)
    exchange.inject(code="50011", times=9)
    command.environment = variables(exchange.credentials)
    process = command.start(*CLOSE, "--base-url", exchange.base_url)
    assert process.stderr is not None
    while "to be repeated" not in (line := await asyncio.to_thread(process.stderr.readline)):  # the refusal has arrived
        assert line, "the process ended without a word of a repeat"
    process.send_signal(signal.SIGINT)
    result = await ended(process, command)
    assert (result.returncode, result.stdout) == (1, "")
    assert "interrupted: BTC-USDT-SWAP: refused so far (50011), nothing was executed" in result.stderr
    assert exchange.positions


async def test_an_unknown_outcome_is_exit_3(exchange: SimulatedExchange, command: Process) -> None:
    exchange.inject(disconnect=True)
    command.environment = variables(exchange.credentials)
    result = await ended(command.start(*CLOSE, "--base-url", exchange.base_url, "--json"), command)
    assert result.returncode == 3
    assert check("close", result.stdout)["error"] == "OutcomeUnknownError"
    assert result.stderr.count("do not blindly repeat") == 1  # not repeated by the log
    assert "see what is left: okx-async positions" in result.stderr


async def test_what_was_typed_before_the_question_is_no_answer(exchange: SimulatedExchange, command: Process) -> None:
    exchange.add_key(credentials=STRANGER)
    command.environment = variables(STRANGER)
    exchange.open_position("BTC-USDT-SWAP", 1)
    ours, theirs = pty.openpty()
    os.write(ours, b"y\n")
    process = command.start(*CLOSE, "--base-url", exchange.base_url, "--json", stdin=theirs)
    os.close(theirs)
    try:
        assert process.stderr is not None
        prompt = ""
        while not prompt.endswith("[y/N] "):
            prompt += await asyncio.to_thread(process.stderr.read, 1) or pytest.fail(prompt)
        os.write(ours, b"n\n")
        result = await ended(process, command)
    finally:
        os.close(ours)
    assert (result.returncode, closes(exchange)) == (1, [])


@pytest.mark.parametrize("answer", ["y", "n", "interrupt", "terminate"])
async def test_a_terminal_is_asked(answer: str, exchange: SimulatedExchange, command: Process) -> None:
    exchange.add_key(credentials=STRANGER)
    command.environment = variables(STRANGER)
    exchange.open_position("BTC-USDT-SWAP", 1)
    ours, theirs = pty.openpty()
    process = command.start(*CLOSE, "--base-url", exchange.base_url, "--json", stdin=theirs)
    os.close(theirs)
    try:
        assert process.stderr is not None
        prompt = ""
        while not prompt.endswith("[y/N] "):
            prompt += await asyncio.to_thread(process.stderr.read, 1) or pytest.fail(prompt)
        assert "instrument  BTC-USDT-SWAP" in prompt
        assert f"where       LIVE TRADING, {exchange.base_url}" in prompt
        assert not closes(exchange)
        if answer in {"interrupt", "terminate"}:
            process.send_signal(signal.SIGINT if answer == "interrupt" else signal.SIGTERM)
        else:
            os.write(ours, f"{answer}\n".encode())
        result = await ended(process, command)
    finally:
        os.close(ours)
    told = check("close", result.stdout)
    if answer == "y":
        assert (result.returncode, told["outcome"], len(closes(exchange))) == (0, "accepted", 1)
    else:
        assert (result.returncode, told["outcome"], len(closes(exchange))) == (1, "not_executed", 0)
        words = {"n": "not confirmed", "interrupt": "\ninterrupted", "terminate": "\nstopped by SIGTERM"}
        assert f"{words[answer]}: nothing was sent" in result.stderr


async def test_a_reader_that_left_does_not_change_the_exit_code(exchange: SimulatedExchange, command: Process) -> None:
    exchange.open_position("BTC-USDT-SWAP", 1)
    command.environment = variables(exchange.credentials)
    ours, theirs = os.pipe()
    os.close(ours)
    process = command.start(*CLOSE, "--base-url", exchange.base_url, stdout=theirs)
    os.close(theirs)
    _, err = await asyncio.to_thread(process.communicate, timeout=20)
    assert (process.returncode, err, len(closes(exchange))) == (0, "", 1)


@pytest.mark.parametrize(
    ("notes", "outcomes", "code", "text"),
    [
        ([], [], ExitCode.FAILED, "nothing was sent"),
        ([], [Outcome.NOT_SENT], ExitCode.FAILED, "nothing was sent"),
        (["BTC-USDT-SWAP: already sent, answered 0"], [Outcome.ACCEPTED], ExitCode.UNKNOWN, "answered 0"),
        ([], [Outcome.ACCEPTED], ExitCode.UNKNOWN, "already sent"),
        ([], [Outcome.RATE, Outcome.UNKNOWN], ExitCode.UNKNOWN, "already sent"),
    ],
)
def test_what_an_interrupt_leaves(notes: list[str], outcomes: list[Outcome], code: ExitCode, text: str) -> None:
    attempts = [Attempt(LEG, ("key",), 0.0, None, None, "", None, outcome, "refunded") for outcome in outcomes]
    ending = _stopped(LEG, notes, attempts, Stop())
    assert ending.code is code
    assert text in ending.text


def test_numbers_are_shown_as_received(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    raw = {"pos": "-1.500", "avgPx": "0.000000012", "markPx": "", "upl": "1E-7", "ccy": "[red]\x1b[31mUSDT"}
    tables.print_positions(
        [Position("BTC-USDT-SWAP", "SWAP", "1", Decimal(1), "net", "", "cross", "", None, None, None, 0, 0, raw)]
    )
    row = next(line for line in capsys.readouterr().out.splitlines() if "SWAP" in line)
    assert row.split() == ["BTC-USDT-SWAP", "cross", "net", "-1.500", "0.000000012", "1E-7", "[red]?[31mUSDT"]
    tables.print_positions([])
    assert capsys.readouterr().out == "no open positions\n"


def test_a_narrow_screen_shows_every_number_in_full(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    raw = {"pos": "-1234567.500", "avgPx": "0.000000012345678", "markPx": "", "upl": "-98765.4321", "ccy": "USDT"}
    one = Position(
        "BTC-USD-260327-60000-C", "OPTION", "1", Decimal(1), "net", "", "cross", "", None, None, None, 0, 0, raw
    )
    tables.print_positions([one], to_stderr=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.rstrip() for line in err.splitlines()] == [
        "BTC-USD-260327-60000-C cross net",
        "  pos -1234567.500",
        "  avg px 0.000000012345678",
        "  mark px",
        "  upl -98765.4321",
        "  ccy USDT",
    ]


@pytest.mark.parametrize("flat", [True, False])
def test_an_acceptance_is_of_what_was_asked_for(*, flat: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever the answer echoes."""
    echoed = ClosedPosition("ETH-USDT-SWAP", "net", "", "", flat=flat)
    assert _ended(LEG, Target(demo=False, region="global", base_url=None), echoed, [], as_json=False) is ExitCode.DONE
    said = capsys.readouterr().out
    assert said.startswith(LEG.inst_id)
    assert "ETH" not in said


@pytest.mark.parametrize("plain", [True, False])
async def test_an_odd_record_hides_no_position(
    exchange: SimulatedExchange, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *, plain: bool
) -> None:
    odd = {"instId": "BTC-ABOVE-DAILY-300102-1600", "instType": "EVENTS", "mgnMode": "", "posSide": "net", "pos": "10"}
    exchange.odd_records.append(odd)
    if plain:
        exchange.open_position("ETH-USDT-SWAP", 3)
    exchange.add_key(credentials=STRANGER)
    for name, value in variables(STRANGER).items():
        monkeypatch.setenv(name, value)
    target = Target(demo=False, region="global", base_url=exchange.base_url)

    async def run(*inst_ids: str, as_json: bool = False) -> tuple[ExitCode, str, str]:
        code = await asyncio.to_thread(positions, list(inst_ids) or None, target, as_json=as_json)
        return code, *capsys.readouterr()

    code, out, err = await run()
    assert code is ExitCode.UNKNOWN
    assert ("ETH-USDT-SWAP" in out) is plain
    assert bool(out) is plain
    assert f"cannot be read: the record of {odd['instId']}" in " ".join(err.split())
    assert "do not take this for flat" in err
    code, out, _ = await run(as_json=True)
    record = check("positions", out)
    assert (code, record["outcome"], record["unreadable"]) == (ExitCode.UNKNOWN, "unknown", [odd])
    assert [one["instId"] for one in record["listed"]] == ["ETH-USDT-SWAP"] * plain
    assert "positions" not in record
    if plain:
        code, out, _ = await run("ETH-USDT-SWAP", "ETH-USDT-SWAP", as_json=True)
        assert (code, len(check("positions", out)["positions"])) == (ExitCode.DONE, 1)
