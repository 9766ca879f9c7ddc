"""The way to the exchange, by options and OKX_PROXY: every command goes through the proxy and shows no login."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, TypeAlias

import pytest
import trustme
from typer.testing import CliRunner

from okx_async import InvalidRequestError
from okx_async.cli.app import app
from okx_async.cli.target import Target
from okx_async.simulator import SimulatedExchange
from tests.cli.conftest import Process, variables
from tests.sockets import tls
from tests.sockets.proxies import Front, HttpProxy, running

PASSWORD = "made-up-word-77"
LOGIN = f"alice:{PASSWORD}"
BASIC = "Basic YWxpY2U6bWFkZS11cC13b3JkLTc3"
THERE = ("--base-url", "https://localhost:1")
COMMANDS = {
    "close": ("close", "BTC-USDT-SWAP", "--mgn-mode", "cross", "--yes"),
    "flatten": ("flatten", "--yes"),
    "positions": ("positions",),
    "doctor": ("doctor",),
}
KEYS = ("OKX_API_KEY", "OKX_SECRET_KEY", "OKX_PASSPHRASE")
Run: TypeAlias = Callable[..., Awaitable["CompletedProcess[str]"]]


@pytest.fixture
def cafile(tmp_path: Path) -> str:
    path = tmp_path / "authority.pem"
    tls.authority("").cert_pem.write_to_path(str(path))
    return str(path)


@pytest.mark.share(3)
@pytest.mark.parametrize("how", ["option", "OKX_PROXY", "env"])
@pytest.mark.parametrize("name", list(COMMANDS))
async def test_every_command_goes_through_the_proxy(command: Process, cafile: str, name: str, how: str) -> None:
    async with SimulatedExchange() as exchange:
        exchange.open_position("BTC-USDT-SWAP", 1)
        command.environment |= variables(exchange.credentials)
        port = int(exchange.base_url.rpartition(":")[2])
        async with (
            running(Front(port), tls=tls.serving()) as front,
            running(HttpProxy(front.port, BASIC)) as proxy,
        ):
            url = f"http://{LOGIN}@127.0.0.1:{proxy.port}"
            options: tuple[str, ...] = ()
            if how == "option":
                options = ("--proxy", url)
                command.environment["OKX_PROXY"] = "http://127.0.0.1:9"  # the option goes first
            elif how == "env":
                options = ("--proxy", "env")
                command.environment["HTTPS_PROXY"] = url
            else:
                command.environment["OKX_PROXY"] = url
            args = (*COMMANDS[name], *THERE, *options, "--cafile", cafile, "--json")
            told = await asyncio.to_thread(command, *args)
            assert proxy.connections == front.connections > 0
    assert (told.returncode, told.stderr.count("Traceback")) == (0, 0)
    assert json.loads(told.stdout)
    assert PASSWORD not in told.stdout + told.stderr
    assert {row.path.split("/")[3] for row in exchange.journal} <= {"account", "trade", "public"}


@pytest.mark.share(3)
@pytest.mark.parametrize("name", list(COMMANDS))
async def test_a_proxy_that_refuses_is_told_without_its_login(command: Process, name: str) -> None:
    command.environment |= variables(SimulatedExchange().credentials)
    async with running(HttpProxy(login="another")) as proxy:
        url = f"http://{LOGIN}@127.0.0.1:{proxy.port}"
        told = await asyncio.to_thread(command, "--verbose", *COMMANDS[name], *THERE, "--proxy", url)
        # the same command, to be typed again
        hint = f"okx-async doctor --base-url https://localhost:1 --proxy http://USER:PASSWORD@127.0.0.1:{proxy.port}"
    assert told.returncode == 1
    shown = " ".join((told.stdout + told.stderr).split())
    assert "the proxy asks for a login (HTTP 407 Proxy Authentication Required)" in shown
    assert name == "doctor" or hint in shown
    assert PASSWORD not in shown
    assert "alice" not in shown


@pytest.mark.parametrize(
    "args",
    [
        ("--proxy", f"http://{LOGIN}@host:port"),
        ("--proxy", f"ftp://{LOGIN}@host:1"),
        ("--proxy", f"socks5://{LOGIN}@host:1"),
        ("--cafile", "no such file"),
        ("--local-addr", "eth0"),
        ("--family", "4"),
        ("--family", "ipv6", "--local-addr", "127.0.0.1"),
        ("--counts-as", "okx"),
        ("--counts-as", "demo"),
        ("--connect-timeout", "0"),
        ("--timeout", "nan"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("name", list(COMMANDS))
def test_what_cannot_work_is_wrong_usage(monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...], name: str) -> None:
    for variable, value in variables(SimulatedExchange().credentials).items():
        monkeypatch.setenv(variable, value)
    result = CliRunner().invoke(app, [*COMMANDS[name], *args])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ")
    assert PASSWORD not in result.stderr


async def test_the_times_to_wait_are_options(command: Process) -> None:
    command.environment |= variables(SimulatedExchange().credentials)
    silent = HttpProxy()
    silent.serve = lambda reader, _: reader.read()  # type: ignore[method-assign, assignment, return-value]
    async with running(silent) as server:
        url = f"http://127.0.0.1:{server.port}"
        told = await asyncio.to_thread(command, "positions", "--base-url", url, "--timeout", "0.2")
        assert "no answer within 0.2 s" in told.stderr
        through = (*THERE, "--proxy", url, "--connect-timeout", "0.2", "--yes", "--max-wait", "1")
        told = await asyncio.to_thread(command, "close", "BTC-USDT-SWAP", "--mgn-mode", "cross", *through)
        assert "within --connect-timeout 0.2 s" in told.stderr


async def test_a_certificate_is_told_by_the_doctor(command: Process) -> None:
    async with running(Front(1), tls=tls.serving(by="a stranger")) as front:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # it is told of each handshake that fails
        told = await asyncio.to_thread(command, "doctor", "--base-url", f"https://localhost:{front.port}", "--json")
    (host, *_) = json.loads(told.stdout)["findings"]
    assert host["level"] == "fail"
    assert "the certificate of localhost is not trusted" in host["text"]
    assert "--cafile" in host["remedy"]


def target(**options: Any) -> Target:
    return Target(demo=False, region="global", base_url=None, **options)


def test_the_question_for_consent_shows_the_proxy_and_no_login() -> None:
    through = target(proxy=f"http://{LOGIN}@proxy.example:1")
    assert through.description() == "LIVE TRADING, https://openapi.okx.com, through the proxy http://proxy.example:1"
    assert PASSWORD not in repr(through)


def test_a_command_to_be_typed_again_names_the_way(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "x.pem"
    trustme.CA().cert_pem.write_to_path(str(file))
    way = target(cafile=str(file), local_addr="127.0.0.1", family="ipv4", proxy="env", counts_as="live")
    assert way.positions_command() == (
        f"okx-async positions --counts-as live --proxy env --cafile {file} --local-addr 127.0.0.1 --family ipv4"
    )
    monkeypatch.setenv("OKX_PROXY", f"http://{LOGIN}@proxy.example:1")
    assert target(proxy=f"http://{LOGIN}@proxy.example:1").positions_command() == "okx-async positions"
    assert target(proxy="http://[::1]:1").positions_command() == "okx-async positions --proxy 'http://[::1]:1'"
    with pytest.raises(InvalidRequestError):
        target(family="x").check()


SOCKS = f"socks5://{LOGIN}@proxy.example:1080"


@pytest.mark.share(4)
@pytest.mark.parametrize("how", ["option", "OKX_PROXY", "env"])
@pytest.mark.parametrize("name", list(COMMANDS))
def test_what_is_advised_about_a_socks_proxy_can_be_done(monkeypatch: pytest.MonkeyPatch, name: str, how: str) -> None:
    for variable, value in variables(SimulatedExchange().credentials).items():
        monkeypatch.setenv(variable, value)
    for variable in ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("OKX_PROXY" if how == "OKX_PROXY" else "ALL_PROXY", SOCKS)
    options = {"option": ["--proxy", SOCKS], "OKX_PROXY": [], "env": ["--proxy", "env"]}[how]
    result = CliRunner().invoke(app, [*COMMANDS[name], *options])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "give the address of one that leads on to it" in result.stderr
    assert "session=" not in result.stderr
    assert PASSWORD not in result.stderr


@pytest.mark.share(4)
@pytest.mark.parametrize(
    ("set_to", "why"),
    [
        ({}, "--proxy env: neither HTTP_PROXY nor ALL_PROXY is set, so the command connects directly"),
        ({"HTTPS_PROXY": "http://h:1"}, "--proxy env: neither HTTP_PROXY nor ALL_PROXY is set, so the command"),
        ({"ALL_PROXY": "http://h:1", "NO_PROXY": "127.0.0.1"}, "--proxy env: NO_PROXY excepts 127.0.0.1, so the"),
        ({"ALL_PROXY": "http://127.0.0.1:9"}, ""),
    ],
)
@pytest.mark.parametrize("how", ["option", "OKX_PROXY"])
async def test_an_environment_that_names_no_proxy_is_told(
    command: Process, monkeypatch: pytest.MonkeyPatch, set_to: dict[str, str], why: str, how: str
) -> None:
    for variable in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.lower(), raising=False)
    async with SimulatedExchange() as exchange:
        command.environment |= variables(exchange.credentials)
        command.environment |= set_to
        command.environment |= {"OKX_PROXY": "env"} if how == "OKX_PROXY" else {}
        options = ["--proxy", "env"] if how == "option" else []
        where = ("--base-url", exchange.base_url, "--connect-timeout", "1")
        patience = ("--max-wait", "5" if why else "0.1")
        args = ("close", "BTC-USDT-SWAP", "--mgn-mode", "cross", "--yes", *patience, *where, *options)
        told = await asyncio.to_thread(command, *args)
    first = told.stderr.splitlines()[0]
    assert first.startswith(why)
    assert (told.stderr.count("--proxy env:") == 1) is bool(why)
    assert bool(exchange.journal) is bool(why)


def test_a_wrong_address_is_told_once() -> None:
    result = CliRunner().invoke(app, ["doctor", "--proxy", "env", "--base-url", "nonsense"])
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)


@pytest.mark.parametrize("value", [" ", "\n", " http://alice:hunter2@127.0.0.1:9\n"])
def test_blanks_around_the_proxy_of_the_environment_are_no_part_of_it(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OKX_PROXY", value)
    told = CliRunner().invoke(app, ["positions", "--base-url", "https://127.0.0.1:1"], env=dict.fromkeys(KEYS, "k"))
    assert ("the proxy 127.0.0.1:9" in told.stderr) is bool(value.strip())
    assert told.exit_code == 1
    assert told.stderr.endswith(f"okx-async doctor --base-url https://127.0.0.1:1{os.linesep}")  # without --proxy
    assert "hunter2" not in told.stderr


@pytest.mark.parametrize("name", ["--proxy", "OKX_PROXY"])
def test_the_source_of_a_wrong_proxy_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "OKX_PROXY":
        monkeypatch.setenv(name, "ftp://hunter2@p:1")
    options = ["--proxy", "ftp://hunter2@p:1"] if name == "--proxy" else []
    told = CliRunner().invoke(app, ["doctor", *options])
    assert told.exit_code == 2
    assert ("OKX_PROXY must begin with" in told.stderr) is (name == "OKX_PROXY")
    assert "hunter2" not in told.stderr
    if not options:  # which switches it off
        refused = CliRunner().invoke(app, ["doctor", "--proxy", "", "--counts-as", "demo", "--base-url", "https://h"])
        assert refused.stderr == "error: --counts-as demo needs --demo\n"
