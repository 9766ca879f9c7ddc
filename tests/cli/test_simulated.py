"""`okx-async simulated`: a simulated exchange is steered while it runs, and nothing else is."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from typer.testing import CliRunner

from okx_async.cli.app import app
from okx_async.cli.steering import journal_line
from tests.cli.conftest import Process


@pytest.fixture
def steer(command: Process, simulate: Callable[..., dict[str, Any]]) -> Callable[..., Any]:
    record = simulate("--position", "BTC-USDT-SWAP:3", "--account", "long-short")
    command.environment["OKX_SIMULATED"] = record["base_url"]

    def run(*args: str, code: int = 0) -> str:
        told = command("simulated", *args)
        assert (told.returncode, told.stderr == "") == (code, code == 0), told
        return told.stdout if code == 0 else told.stderr

    return run


def test_everything_can_be_set_and_looked_at(
    steer: Callable[..., str], command: Process, simulate: Callable[..., Any]
) -> None:
    del simulate  # its keys are in the environment
    where = ("--base-url", command.environment["OKX_SIMULATED"])
    status = steer("status")
    uid, other = (line.split()[1].rstrip(",") for line in status.splitlines()[:2])
    assert "open positions 1, requests 0, refused for rate 0" in status
    assert steer("price", "BTC-USDT-SWAP", "61000.5") == "BTC-USDT-SWAP: price 61000.5\n"
    assert steer("position", "ETH-USDT-SWAP", "-4.5", "--mgn-mode", "isolated").split()[-1] == "-4.5"
    assert steer("position", "SOL-USDT-SWAP", "7", "--account", other, "--pos-side", "short")
    assert steer("positions").splitlines() == [
        f"{uid} BTC-USDT-SWAP cross net: 3",
        f"{uid} ETH-USDT-SWAP isolated net: -4.5",
        f"{other} SOL-USDT-SWAP cross short: -7",
    ]
    listed = json.loads(command("positions", "--json", *where).stdout)["positions"]
    assert {one["instId"]: one["markPx"] for one in listed}["BTC-USDT-SWAP"] == "61000.5"

    assert steer("fault", "50026", "--executed", "--inst", "BTC-USDT-SWAP").startswith("50026: once, the close is")
    close = ("close", "BTC-USDT-SWAP", "--mgn-mode", "cross", "--yes", *where)
    assert command(*close).returncode == 3
    assert steer("fault", "50013", "--times", "always") == "50013: until it is taken back\n"
    assert steer("clear-faults") == "no fault is left\n"
    assert command(*close).returncode == 1  # flat

    assert steer("reopen", "BTC-USDT-SWAP", "-2") == "BTC-USDT-SWAP: -2, at once\n"
    assert steer("reopen", "BTC-USDT-SWAP", "1", "--after", "2", "--on-close", "3").endswith(
        "in 2 s, counted from the answer to the 3. close\n"
    )
    assert " at 61000.5, " in steer("order", "BTC-USDT-SWAP", "--side", "sell")
    assert steer("liquidation", "BTC-USDT-SWAP", "--kind", "adl", "--seconds", "0") == "BTC-USDT-SWAP: adl, at once\n"
    assert steer("instrument", "BTC-USDT-SWAP", "suspend") == "BTC-USDT-SWAP: suspend\n"
    assert steer("crowd", "BTC-USDT-SWAP", "4").startswith("BTC-USDT-SWAP: 4 requests of another program")
    assert steer("fault", "--code", "51108", "--times", "2") == "51108: 2 times\n"
    assert "50026" in steer("faults").splitlines()

    lines = steer("journal", "--last", "50").splitlines()
    assert sum("close-position" in line for line in lines) == 2
    assert any("50026, 500, executed, fault '50026'" in line for line in lines)
    record = json.loads(steer("journal", "--last", "1", "--json"))
    assert (record["simulated"], len(record["rows"])) == ("okx_async", 1)


@pytest.mark.share(3)
@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("price", "BTC-USDT-SWAP", "much"), 2, "must be a number"),
        (("position", "x y", "1"), 2, "is no instrument id"),
        (("position", "BTC-USDT-SWAP", "1", "--account", "8"), 2, "no account 8"),
        (("fault", "bad luck"), 2, "no fault is called 'bad luck'"),
        (("fault", "50026", "--times", "often"), 2, "must be a number of closes or always"),
        (("instrument", "BTC-USDT-SWAP", "odd"), 2, "got 'odd'"),
        (("position", "BTC\udcff", "1"), 2, "an argument cannot be sent"),
        (("status", "--base-url", "nonsense"), 2, "--base-url must be a URL"),
    ],
)
def test_what_cannot_be_done_is_told(steer: Callable[..., str], args: tuple[str, ...], code: int, words: str) -> None:
    assert words in " ".join(steer(*args, code=code).split())


def test_without_an_address_nothing_is_done() -> None:
    result = CliRunner(env={"OKX_SIMULATED": None}).invoke(app, ["simulated", "status", "--json"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "error: no address: give --base-url, or OKX_SIMULATED as `okx-async simulate` prints it\n"


@pytest.mark.parametrize("name", ["--base-url", "OKX_SIMULATED"])
@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://zoe:hunter2@127.0.0.1:1", "must not hold a user name or password (not shown here)"),
        ("http://zoe:hunter2%40127.0.0.1", "must not hold a user name or password (not shown here)"),
        ("zoe:hunter2@127.0.0.1", "must not hold a user name or password (not shown here)"),
        ("https://m.example?x=hunter2", "must hold no query and no fragment, got 'https://m.example'…"),
        ("https://m.example/#hunter2", "must hold no query and no fragment, got 'https://m.example/'…"),
    ],
)
def test_an_address_that_is_refused_shows_no_secret(url: str, words: str, name: str) -> None:
    options, value = (["--base-url", url], None) if name == "--base-url" else ([], url)
    result = CliRunner(env={"OKX_SIMULATED": value}).invoke(app, ["simulated", "journal", *options])
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"error: {name} {words}\n")


@contextmanager
def server(status: int, body: bytes) -> Iterator[tuple[str, list[str]]]:
    """Serve the same answer to everything; yield the address and what was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            asked.append(f"{self.command} {self.path}")
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer  # noqa: N815 - as the library calls them

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{serving.server_port}", asked
        finally:
            serving.shutdown()
            thread.join()


@pytest.mark.share(3)
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b'{"code":"0","data":[],"msg":""}'),
        (404, b'{"code":404}'),
        (200, b"<html>"),
        (200, b'["simulated"]'),
        (200, b'{"simulated":true}'),
        (302, b""),
        (500, b""),
    ],
)
def test_nothing_is_sent_to_what_does_not_say_that_it_is_simulated(status: int, body: bytes, command: Process) -> None:
    with server(status, body) as (url, asked):
        told = command("simulated", "position", "BTC-USDT-SWAP", "3", "--base-url", url, "--json")
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr == f"error: {url} does not say that it is a simulated exchange: nothing was done there\n"
    assert asked == ["GET /simulated"]


def test_an_answer_in_other_words_is_no_success(command: Process) -> None:
    with server(403, b'{"simulated":"okx_async","error":"only this machine"}') as (url, _):
        told = command("simulated", "price", "BTC-USDT-SWAP", "1", "--base-url", url)
    assert (told.returncode, told.stdout, told.stderr) == (1, "", "error: only this machine\n")


def test_an_address_where_nothing_listens_is_exit_1(command: Process) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    told = command("simulated", "status", "--base-url", url)
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr.startswith(f"error: no simulated exchange answers at {url}: ")


def test_a_row_of_the_journal_is_a_line() -> None:
    row = {"at": 98.5, "uid": "", "key": None, "method": "GET", "path": "/x", "code": "", "status": 0}
    assert (
        journal_line({**row, "executed": False, "fault": "reset"}, 100.0)
        == "   -1.500 s  GET /x  -  -, cut off, fault 'reset'"
    )


@pytest.mark.parametrize("control", [True, False])
async def test_simulate_says_from_where_it_may_be_steered(*, control: bool) -> None:
    from okx_async.cli import simulation  # noqa: PLC0415 - only here

    options = simulation.Options("127.0.0.1", 0, 0.0, 0.0, "sliding", "net_mode", 0.0, None, control)
    steering = simulation._exchange(options)._frontend._control
    assert steering is not None
    assert steering.__self__._everywhere is control  # type: ignore[attr-defined]
