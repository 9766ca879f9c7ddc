"""Wrong usage, refused before anything begins, and secrets, never shown."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

import okx_async
from okx_async.cli.app import app

KEYS = {"OKX_API_KEY": "k" * 20, "OKX_SECRET_KEY": "SECRETSECRET", "OKX_PASSPHRASE": "PASSPASSPASS"}
NO_KEYS: dict[str, str | None] = dict.fromkeys(KEYS)
CLOSE = ["close", "BTC-USDT-SWAP", "--mgn-mode", "cross"]


@pytest.mark.parametrize(
    "args",
    [
        ["close"],
        ["close", "BTC-USDT-SWAP"],
        ["close", "btc-usdt-swap", "--mgn-mode", "cross"],
        ["close", "BTC-USDT-SWAP", "--mgn-mode", "crossed"],
        [*CLOSE, "--pos-side", "up"],
        [*CLOSE, "--ccy", "U S D"],
        [*CLOSE, "--cl-ord-id", "a-b"],
        [*CLOSE, "--tag", "x" * 17],
        [*CLOSE, "--max-wait", "-1"],
        [*CLOSE, "--max-wait", "nan"],
        [*CLOSE, "--region", "mars"],
        [*CLOSE, "--base-url", "http://example.com"],
        [*CLOSE, "--base-url", "https://user:PASSPASSPASS@example.com"],
        [*CLOSE, "--base-url", "nonsense"],
        [*CLOSE, "--no-such-option"],
        ["positions", "--region", "mars"],
        ["positions", "--base-url", "http://example.com"],
        ["demo", "--latency", "-1"],
        ["demo", "--jitter", "inf"],
        ["demo", "--seed", "x"],
        ["simulate", "--port", "65536"],
        ["simulate", "--latency", "nan"],
        ["simulate", "--fill-delay", "-1"],
        ["simulate", "--window", "round"],
        ["simulate", "--pos-mode", "hedged"],
        ["simulate", "--position", "BTC-USDT-SWAP"],
        ["simulate", "--position", "BTC-USDT-SWAP:many"],
        ["simulate", "--position", "BTC--USDT:1"],
        ["simulate", "--position", "BTC-USDT-SWAP:1:crossed"],
        ["simulate", "--position", "BTC-USDT-SWAP:1:cross:long"],
        ["simulate", "--position", "BTC-USDT-SWAP:1:cross:net:more"],
        ["nonsense"],
        [],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_2_with_empty_stdout(args: list[str]) -> None:
    result = CliRunner(env=KEYS).invoke(app, args)
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    assert "Usage: " in result.stderr or result.stderr.startswith("error: ")  # a bare `okx-async` prints its help
    assert not any(secret in result.output for secret in ("SECRETSECRET", "PASSPASSPASS"))


@pytest.mark.parametrize("args", [[*CLOSE, "--yes"], ["positions"], ["positions", "--json"]], ids=" ".join)
@pytest.mark.parametrize("missing", list(KEYS))
def test_a_missing_variable_is_named(args: list[str], missing: str) -> None:
    for value in (None, ""):
        result = CliRunner(env={**KEYS, missing: value}).invoke(app, args)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr == f"error: environment: {missing} not set\n"


def test_a_wrong_variable_is_not_shown() -> None:
    result = CliRunner(env={**KEYS, "OKX_PASSPHRASE": "PASSPASSPASS "}).invoke(app, ["positions"])
    assert result.exit_code == 2
    assert "OKX_PASSPHRASE must be" in result.stderr
    assert "PASSPASS" not in result.output


@pytest.mark.parametrize(
    "options",
    [[], ["--demo"], ["--region", "eea"], ["--base-url", "http://127.0.0.1:1"], ["--base-url", "http://localhost:1"]],
    ids=" ".join,
)
def test_no_terminal_and_no_consent_sends_nothing(options: list[str]) -> None:
    # KEYS are not the simulator's: a local address may be a tunnel to the real exchange
    result = CliRunner(env=KEYS).invoke(app, [*CLOSE, *options, "--json"], input="y\n")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "error: BTC-USDT-SWAP: no terminal to ask at; nothing was sent. Pass --yes to send without asking.\n"
    )


def test_version() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"okx-async {okx_async.__version__}\n")


@pytest.mark.parametrize("command", ["demo", "close", "positions", "simulate"])
def test_help_names_json(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "--json" in result.stdout


def python(code: str) -> subprocess.CompletedProcess[str]:
    args = [sys.executable, "-c", code]
    return subprocess.run(args, capture_output=True, text=True, timeout=20, check=False)  # noqa: S603 - our own code


@pytest.mark.share(2)
@pytest.mark.parametrize("absent", ["typer", "rich"])
def test_a_missing_extra_says_what_to_install(absent: str) -> None:
    code = f"import sys; sys.modules[{absent!r}] = None; from okx_async.cli import main; main()"
    result = python(code)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"okx-async: {absent} is not installed; run: pip install 'okx-async[cli]'\n"


def test_help_loads_neither_the_simulator_nor_tables() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from okx_async.cli.app import app\n"
        "assert CliRunner().invoke(app, ['close', '--help']).exit_code == 0\n"
        "print([name for name in sys.modules if name in ('aiohttp.web', 'rich.progress', 'okx_async.simulator')])"
    )
    result = python(code)
    assert (result.stdout, result.stderr) == ("[]\n", "")


def test_ctrl_c_before_the_command_has_begun_is_no_traceback() -> None:
    """It comes while modules are imported."""
    code = """
import sys
class Interrupted:
    def find_spec(name, path=None, target=None):
        if name == "okx_async.cli.app":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupted)
sys.argv[1:] = ["rehearse", "--demo"]
from okx_async.cli import main
main()
"""
    ended = python(code)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")
