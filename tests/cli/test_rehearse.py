"""`okx-async rehearse`: flags, consent, results, exit codes, interrupts and crashes."""

import asyncio
import io
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from okx_async.cli import rehearse_page
from okx_async.cli.exits import ExitCode
from okx_async.cli.rehearse import RehearseOptions, rehearse
from okx_async.cli.target import Target
from okx_async.rehearsal.assumptions import ASSUMPTIONS
from okx_async.rehearsal.results import TrialResult, Verdict
from okx_async.simulator import Account, JournalRow, SimulatedExchange
from okx_async.simulator.http.messages import Answer, Request
from tests.cli.conftest import Process, variables

QUICK = "closing-nothing-is-51023"
OPENING = "accepted-close-goes-flat"


@pytest.fixture
def demo(exchange: SimulatedExchange, command: Process, monkeypatch: pytest.MonkeyPatch) -> Account:
    """A demo account, whose keys are in the environment of commands and of this process."""
    account = exchange.add_account(demo=True)
    for name, value in {**variables(account.credentials), **command.environment, "COLUMNS": "100"}.items():
        monkeypatch.setenv(name, value)
        command.environment[name] = value
    return account


async def run(
    exchange: SimulatedExchange, *ids: str, yes: bool = True, as_json: bool = False, **changes: Any
) -> ExitCode:
    """Run the command in a thread, since it has an event loop of its own."""
    demo = changes.pop("demo", True)
    target = Target(demo=demo, region="global", base_url=exchange.base_url)
    given = {"live": not demo, "live_uid": None, "inst_id": None, "deadline": 60.0, **changes}
    options = RehearseOptions(ids=ids, **given)
    return await asyncio.to_thread(rehearse, options, target, yes=yes, as_json=as_json)


async def test_results_come_as_lines_and_end_with_the_proof(
    exchange: SimulatedExchange, demo: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run(exchange, QUICK, OPENING) is ExitCode.DONE
    out, err = capsys.readouterr()
    lines = [" ".join(line.split()) for line in out.splitlines()]  # how wide a column is depends on rich's version
    assert lines[0] == f"held {QUICK}: answered 51023 under HTTP 200"
    assert lines[1].startswith(f"held {OPENING}: gone at most")
    assert lines[-3] == "2 held, 0 not held, 0 not tried"
    assert lines[-2].startswith("round trips: ")
    assert lines[-1] == "flat: the exchange lists nothing of the rehearsal any more"
    assert err == ""
    assert exchange.positions == ()
    assert demo.demo


@pytest.mark.usefixtures("demo")
async def test_what_did_not_hold_is_named_with_what_rests_on_it(
    exchange: SimulatedExchange, capsys: pytest.CaptureFixture[str]
) -> None:
    exchange.restyle("51023", to="51169")
    assert await run(exchange, QUICK) is ExitCode.FAILED
    out, _ = capsys.readouterr()
    words = " ".join(out.split())
    assert f"not held {QUICK}: answered 51169" in words
    assert "That did not hold; on it rests _rest.codes, _flatten.leg." in words


@pytest.mark.usefixtures("demo")
async def test_the_record_has_everything(exchange: SimulatedExchange, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run(exchange, QUICK, as_json=True) is ExitCode.DONE
    record = json.loads(capsys.readouterr().out)
    assert (record["flat"], record["outcome"], record["stopped"], record["left"]) == (True, "known", "", [])
    assert record["counts"] == {"held": 1, "not_held": 0, "not_tried": 0}
    trips = record["round_trips"]
    assert 0 < trips["least_s"] <= trips["median_s"] <= trips["most_s"]
    (result,) = record["results"]
    assert (result["id"], result["verdict"], result["observed"]["code"]) == (QUICK, "held", "51023")
    assert result["rests"] == ["_rest.codes", "_flatten.leg"]


def test_the_register_is_listed_without_keys(command: Process) -> None:
    told = command("rehearse", "--list", "--json")
    assert (told.returncode, told.stderr) == (0, "")
    assert [one["id"] for one in json.loads(told.stdout)["assumptions"]] == [one.id for one in ASSUMPTIONS]
    shown = command("rehearse", "--list")
    assert shown.returncode == 0
    assert all(one.id in shown.stdout for one in ASSUMPTIONS)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"demo": False, "live": False}, "give --demo, or --live"),
        ({"demo": True, "live": True}, "give --demo, or --live"),
        ({"demo": False}, "--live-uid"),
        ({"demo": False, "live_uid": "12 3"}, "12 3"),
        ({"deadline": 0.0}, "--deadline"),
        ({"inst_id": "../x"}, "inst"),
    ],
)
@pytest.mark.usefixtures("demo")
async def test_wrong_options_are_refused_before_anything_is_sent(
    exchange: SimulatedExchange, changes: dict[str, Any], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run(exchange, QUICK, as_json=True, **changes) is ExitCode.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert exchange.journal == []


@pytest.mark.usefixtures("demo")
async def test_the_uid_of_another_account_is_wrong_usage(
    exchange: SimulatedExchange, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in variables(exchange.credentials).items():
        monkeypatch.setenv(name, value)
    assert await run(exchange, QUICK, demo=False, live_uid="123") is ExitCode.USAGE
    assert "123" in capsys.readouterr().err
    assert await run(exchange, QUICK, demo=False, live_uid=exchange.user_id) is ExitCode.DONE


@pytest.mark.usefixtures("demo")
async def test_a_key_of_the_other_environment_ends_it(
    exchange: SimulatedExchange, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in variables(exchange.credentials).items():
        monkeypatch.setenv(name, value)
    assert await run(exchange, QUICK, as_json=True) is ExitCode.FAILED
    out, err = capsys.readouterr()
    record = json.loads(out)
    assert (record["outcome"], record["code"], record["results"]) == ("nothing_opened", "50101", [])
    assert "nothing was opened" in err


class Terminal(io.StringIO):
    """A terminal in place of stdin, which answers."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "code"), [("y\n", ExitCode.DONE), ("n\n", ExitCode.FAILED), ("", ExitCode.FAILED)])
@pytest.mark.usefixtures("demo")
async def test_it_shows_the_plan_and_asks(
    exchange: SimulatedExchange,
    answer: str,
    code: ExitCode,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert await run(exchange, OPENING, yes=False) is code
    _, err = capsys.readouterr()
    assert "1 trial: opens and closes the smallest position" in err
    assert "0.0002 BTC traded" in err
    assert "demo trading" in err
    assert bool(exchange.trades) is (code is ExitCode.DONE)


@pytest.mark.usefixtures("demo")
async def test_without_a_terminal_and_without_yes_nothing_is_sent(
    exchange: SimulatedExchange, command: Process
) -> None:
    told = await asyncio.to_thread(command, "rehearse", "--demo", "--base-url", exchange.base_url)
    assert (told.returncode, told.stdout) == (2, "")
    assert "--yes" in told.stderr
    assert exchange.journal == []


async def started(
    exchange: SimulatedExchange, command: Process, at: Callable[[subprocess.Popen[str]], object]
) -> tuple[subprocess.Popen[str], str, str]:
    """Start the command, do something once its first order has opened a position, and await its end."""
    process: list[subprocess.Popen[str]] = []
    done: list[bool] = []

    def opened(request: Request, _answer: Answer, row: JournalRow) -> None:
        if row.executed and request.raw_path == "/api/v5/trade/order" and not done:
            done.append(True)
            at(process[0])

    exchange.listen(opened)
    args = ("rehearse", "--demo", "--base-url", exchange.base_url, "--yes", "--json", "--only", OPENING)
    process.append(command.start(*args, "--only", QUICK))
    out, err = await asyncio.to_thread(process[0].communicate, timeout=60)
    assert done
    return process[0], out, err


@pytest.mark.share(3)
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.usefixtures("demo")
async def test_a_signal_ends_it_flat(exchange: SimulatedExchange, command: Process, sent: signal.Signals) -> None:
    process, out, err = await started(exchange, command, lambda process: process.send_signal(sent))
    record = json.loads(out)
    assert (process.returncode, record["flat"]) == (1, True)
    assert record["stopped"] == ("interrupted" if sent is signal.SIGINT else f"stopped by {sent.name}")
    assert exchange.positions == ()
    assert "Traceback" not in err


@pytest.mark.usefixtures("demo")
async def test_a_killed_one_is_cleaned_up_by_the_next(
    exchange: SimulatedExchange, command: Process, capsys: pytest.CaptureFixture[str]
) -> None:
    process, out, _ = await started(exchange, command, lambda process: process.kill())
    assert (process.returncode, out) == (-signal.SIGKILL, "")
    assert len(exchange.positions) == 1
    assert await run(exchange, QUICK) is ExitCode.DONE
    assert "of an earlier rehearsal: 1 closed" in capsys.readouterr().out
    assert not exchange.positions


@pytest.mark.usefixtures("demo")
async def test_what_cannot_be_closed_is_told_with_the_command_for_it(
    exchange: SimulatedExchange, demo: Account, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("okx_async.rehearsal.cleanup._TIME", 1.0)

    def refuses(request: Request, _answer: Answer, row: JournalRow) -> None:
        if row.executed and request.raw_path == "/api/v5/trade/order":
            demo.refusal = "51024"

    exchange.listen(refuses)
    assert await run(exchange, OPENING) is ExitCode.FAILED
    out, err = capsys.readouterr()
    assert "left: BTC-USDT-SWAP cross net: 0.01" in out
    assert "NOT PROVEN FLAT" in out
    assert f"okx-async flatten --inst BTC-USDT-SWAP --demo --base-url {exchange.base_url}" in " ".join(err.split())


@pytest.mark.usefixtures("demo")
async def test_an_exchange_that_is_lost_in_the_middle_leaves_it_unknown(
    exchange: SimulatedExchange, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("okx_async.rehearsal.cleanup._TIME", 1.0)

    def lost(request: Request, _answer: Answer, row: JournalRow) -> None:
        if row.executed and request.raw_path == "/api/v5/trade/order":
            exchange.inject(path=None, times=None, disconnect=True, counted=False)

    exchange.listen(lost)
    assert await run(exchange, OPENING, as_json=True) is ExitCode.UNKNOWN
    out, err = capsys.readouterr()
    record = json.loads(out)
    assert (record["flat"], record["outcome"]) == (False, "unknown")
    assert "see what is left" in err


async def test_no_output_holds_a_secret(
    exchange: SimulatedExchange, demo: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    await run(exchange, QUICK, OPENING, "wrong-signature-is-50113", as_json=True)
    told = "".join(capsys.readouterr())
    for secret in (demo.credentials.api_key, demo.credentials.secret_key, demo.credentials.passphrase):
        assert secret not in told


def test_on_a_terminal_it_shows_what_is_being_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, results = io.StringIO(), io.StringIO()
    monkeypatch.setattr(
        rehearse_page,
        "console",
        lambda *, to_stderr=False: Console(file=seen if to_stderr else results, force_terminal=to_stderr, width=100),
    )
    with rehearse_page.progress(2) as (on_trial, on_result):
        on_trial(ASSUMPTIONS[0])
        on_result(TrialResult(ASSUMPTIONS[0].id, Verdict.HELD, "seen"))
        on_trial(ASSUMPTIONS[1])
        on_result(TrialResult(ASSUMPTIONS[1].id, Verdict.NOT_TRIED, "why"))
    assert f"2 of 2: {ASSUMPTIONS[1].id}" in seen.getvalue()
    lines = [" ".join(line.split()) for line in results.getvalue().splitlines()]
    assert lines == [f"held {ASSUMPTIONS[0].id}: seen", f"not tried {ASSUMPTIONS[1].id}: why"]


async def test_what_may_be_the_users_is_to_be_closed_by_hand(
    exchange: SimulatedExchange, command: Process, demo: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    """Starting again would say the same for ever."""
    await started(exchange, command, lambda process: process.kill())
    exchange.open_position("BTC-USDT-SWAP", 5, account=demo)
    assert await run(exchange, QUICK) is ExitCode.UNKNOWN
    out, err = capsys.readouterr()
    assert "NOT PROVEN FLAT" in out
    assert "close it yourself" in err
    assert "delete its notes: " in err
    assert "start the rehearsal again" not in err
    assert len(exchange.positions) == 1


@pytest.mark.usefixtures("demo")
async def test_results_that_a_disk_did_not_take_are_no_success(exchange: SimulatedExchange, command: Process) -> None:
    def whole() -> tuple[int, str]:
        with open("/dev/full", "w") as out:  # noqa: PTH123 - a device
            args = ("rehearse", "--demo", "--base-url", exchange.base_url, "--yes", "--only", QUICK)
            process = command.start(*args, stdout=out)
            _, err = process.communicate(timeout=60)
        return process.returncode, err

    code, err = await asyncio.to_thread(whole)
    assert code == 1
    assert "the results were not written to stdout: No space left on device" in err
    assert "Traceback" not in err
