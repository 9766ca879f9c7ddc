"""The recipes: each job of a desk has its page, and what a page tells a shell to do is done here.

A `console` block is a session: what follows a "$" is run, and the lines below it must be printed, in this order. An
"…" stands for anything. The command line talks to a simulated exchange, with the keys of demo trading if it says
`--demo`, and the terminal that it asks at says yes. Programs of the machine are stand-ins that write down how they were
called; they print nothing.
"""

import ast
import asyncio
import contextlib
import inspect
import os
import pty
import re
import runpy
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from okx_async import Client, Credentials
from okx_async.simulator import SimulatedExchange
from tests.cli.warm import Nursery, program

DOCS = Path(__file__).parent.parent / "docs"
HOW_TO = DOCS / "how-to"
RECIPES = {
    "first live close by way of demo trading": "../tutorial/first-close.md",
    "shutdown on SIGTERM": "shutdown.md",
    "kill switch in a thread and as a process": "kill-switch.md",
    "unattended flatten": "unattended-flatten.md",
    "several processes": "many-processes.md",
    "several hosts": "many-hosts.md",
    "sub-accounts": "sub-accounts.md",
    "FastAPI service": "fastapi.md",
    "Jupyter": "jupyter.md",
    "beside ccxt, freqtrade and python-okx code": "beside-other-libraries.md",
    "networks and proxies": "networks.md",
    "audit log as JSON lines": "audit-log.md",
    "alerts": "alerts.md",
    "metrics": "metrics.md",
    "testing your strategy": "../tutorial/testing-your-strategy.md",
    "what to read when the outcome is unknown": "handle-unknown.md#when-the-outcome-is-unknown",
    "closing a part": "close-a-part.md",
    "migration from python-okx": "migrate-from-python-okx.md",
    "migration from ccxt": "migrate-from-ccxt.md",
    "migration from a hand-written aiohttp loop": "migrate-from-aiohttp.md",
}
WITH_SESSIONS = (
    "../tutorial/first-close.md",
    "fastapi.md",
    pytest.param("go-live.md", marks=pytest.mark.long),
    "kill-switch.md",
    "loops.md",
    "many-processes.md",
    "sub-accounts.md",
    "unattended-flatten.md",
)
LIMIT = 100  # s for all sessions of a page, on a machine with much to do
MACHINE = ("pip", "python", "uvicorn", "systemctl", "curl", "sleep")
OKX_ASYNC = """#!/bin/sh
case " $* " in
*" --demo "*) export OKX_API_KEY="$DEMO_KEY" OKX_SECRET_KEY="$DEMO_SECRET" OKX_PASSPHRASE="$DEMO_PASSPHRASE" ;;
*) export OKX_API_KEY="$LIVE_KEY" OKX_SECRET_KEY="$LIVE_SECRET" OKX_PASSPHRASE="$LIVE_PASSPHRASE" ;;
esac
case $1 in
close | flatten | positions | doctor) set -- "$@" --base-url "$EXCHANGE" ;;
simulate) exec {python} -c "$UNTIL_IT_SPEAKS" "$@" ;;
esac
exec {program} "$@"
"""
UNTIL_IT_SPEAKS = """
import subprocess, sys
command = [sys.executable, "-b", "-m", "okx_async.cli", *sys.argv[1:]]
with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
    print(process.stdout.readline())
    process.terminate()
    print(process.stdout.read())
sys.exit(process.returncode)
"""
STAND_IN = '#!/bin/sh\necho "$(basename "$0") $*" >>"$CALLS"\n'
END = "@@ end of a command: "


def blocks(page: Path, language: str) -> list[str]:
    """Return the code blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("job", RECIPES)
def test_each_job_has_a_page_that_the_index_names(job: str) -> None:
    page = RECIPES[job]
    assert (HOW_TO / page.partition("#")[0]).is_file()
    assert f"]({page})" in (HOW_TO / "index.md").read_text()


def test_the_index_names_every_page_once_and_says_what_it_is_for() -> None:
    rows = re.findall(r"^\| (.+?) \| \[.+?\]\((.+?)\).* \|$", (HOW_TO / "index.md").read_text(), re.MULTILINE)
    pages = [page for _, page in rows if "/" not in page and "#" not in page]
    assert sorted(pages) == sorted({path.name for path in HOW_TO.glob("*.md")} - {"index.md"})
    assert len({job for job, _ in rows}) == len(rows)


def test_code_for_other_packages_is_python_at_least() -> None:
    """`make interop` runs it, which `make test` cannot."""
    for page in sorted(DOCS.rglob("*.md")):
        for block in blocks(page, r"python [\w-]+"):
            compile(block, page.name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


async def test_the_cells_of_the_notebook_run() -> None:
    shown: list[object] = []
    names: dict[str, object] = {}
    for cell in blocks(HOW_TO / "jupyter.md", "python jupyter"):
        tree = ast.parse(cell)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        await _run_cell(tree, names)
        if isinstance(last, ast.Expr):
            shown.append(await _run_cell(ast.Expression(last.value), names))
    assert shown.count(True) == 2  # both positions are proven gone


async def _run_cell(tree: ast.Module | ast.Expression, names: dict[str, object]) -> object:
    kind = "exec" if isinstance(tree, ast.Module) else "eval"
    code = compile(tree, "cell", kind, flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    value = eval(code, names)  # noqa: S307 - a cell of our page
    return await value if inspect.iscoroutine(value) else value


# --- sessions ---


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a session, and the lines that it prints according to the page."""

    text: str
    printed: list[str]


def commands(session: str) -> Iterator[Command]:
    """Yield the commands of a session."""
    for part in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        ends = next(nth for nth, line in enumerate(lines) if not line.endswith("\\"))
        yield Command("\n".join(lines[: ends + 1]), [line.strip() for line in lines[ends + 1 :] if line.strip()])


class Desk:
    """A folder with programs, and the shell that finds them; the exchange is a simulated one."""

    def __init__(self, folder: Path, exchange: SimulatedExchange, program: Path) -> None:
        self.folder = folder
        self.exchange = exchange
        self.live, self.demo = exchange.add_account(), exchange.add_account(demo=True)
        for account in (self.live, self.demo):
            exchange.open_position("BTC-USDT-SWAP", "0.01", account=account)
            exchange.open_position("ETH-USDT-SWAP", -12, "isolated", account=account)
        self.programs = folder / "bin"
        self.programs.mkdir()
        self.add("okx-async", OKX_ASYNC.format(python=shlex.quote(sys.executable), program=shlex.quote(str(program))))
        for name in MACHINE:
            self.add(name, STAND_IN)

    def add(self, name: str, text: str) -> None:
        """Write a program."""
        path = self.programs / name
        path.write_text(text)
        path.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        """The calls of stand-ins, so far."""
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    async def run(self, *command: str) -> tuple[int, str]:
        """Run a program with a terminal that says yes; return its exit code and all that it printed."""
        terminal, theirs = pty.openpty()
        try:
            os.write(terminal, b"yes\n" * 8)
            process = await asyncio.create_subprocess_exec(
                *command,
                cwd=self.folder,
                env=self._environment(),
                stdin=theirs,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            async with asyncio.timeout(LIMIT):
                printed, _ = await process.communicate()
        finally:
            os.close(theirs)
            os.close(terminal)
        return process.returncode or 0, printed.decode()

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OKX_", "PYTHON", "COLUMNS"))}
        return {
            **kept,
            "PATH": f"{self.programs}:{kept['PATH']}",
            "PYTHONPATH": str(DOCS.parent),
            "XDG_STATE_HOME": str(self.folder / "state"),  # not the limits of this user
            "CALLS": str(self.folder / "calls"),
            "EXCHANGE": self.exchange.base_url,
            "UNTIL_IT_SPEAKS": UNTIL_IT_SPEAKS,
            **_keys("LIVE", self.live.credentials),
            **_keys("DEMO", self.demo.credentials),
        }


def _keys(prefix: str, keys: Credentials) -> dict[str, str]:
    return {
        f"{prefix}_KEY": keys.api_key,
        f"{prefix}_SECRET": keys.secret_key,
        f"{prefix}_PASSPHRASE": keys.passphrase,
    }


@pytest.fixture
def okx_async_program(nursery: Nursery | None, tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "okx-async"
    with program(nursery, path):
        yield path


@pytest.mark.share(2)
@pytest.mark.timeout(2 * LIMIT)
@pytest.mark.parametrize("page", WITH_SESSIONS)
async def test_the_sessions_of_a_page_go_as_it_says(page: str, okx_async_program: Path, tmp_path: Path) -> None:
    session = list(commands("".join(blocks(HOW_TO / page, "console"))))
    assert session
    script = "".join(f"{command.text}\n(code=$?; echo '{END}'$code; exit $code)\n" for command in session)
    async with SimulatedExchange() as exchange:
        ended, printed = await Desk(tmp_path, exchange, okx_async_program).run("bash", "-c", script)
    parts = re.split(rf"^{END}(\d+)\n", printed, flags=re.MULTILINE)
    assert len(parts) == 2 * len(session) + 1, (ended, printed)
    for command, text, code in zip(session, parts[::2], parts[1::2], strict=False):
        assert code == "0", (command.text, text)
        rest = text
        for wanted in filter(None, (part for line in command.printed for part in line.split("…"))):
            before, found, rest = rest.partition(wanted)
            assert found == wanted, (command.text, wanted, before)


# --- what may go wrong in the programs of shutdown.md and kill-switch.md ---


def program_of(page: str) -> dict[str, Any]:
    """Return the names that a page's programs define, which are not run."""
    names: dict[str, Any] = {}
    for block in blocks(HOW_TO / page, "python"):
        tree = ast.parse(block)
        tree.body = [part for part in tree.body if not isinstance(part, ast.Expr | ast.With)]
        exec(compile(tree, page, "exec"), names)  # noqa: S102 - a program of our page
    return names


async def _deaf(_: Client) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(3600.0)
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(3600.0)


async def _broken(_: Client) -> None:
    try:
        await asyncio.sleep(3600.0)
    finally:
        raise RuntimeError("no answer")


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        (_deaf, "trade did not end in 0.3 s: flatten all the same"),
        (_broken, "trade ended with RuntimeError('no answer')"),
    ],
)
async def test_no_strategy_keeps_the_desk_from_being_flat(
    strategy: Callable[[Client], Coroutine[Any, Any, None]], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    names, loop = program_of("shutdown.md"), asyncio.get_running_loop()
    names["trade"] = strategy
    async with SimulatedExchange() as exchange:
        exchange.open_position("BTC-USDT-SWAP", "3")
        async with Client(exchange.credentials, base_url=exchange.base_url) as client:
            loop.call_later(0.05, signal.raise_signal, signal.SIGTERM)
            assert await names["desk"](client, grace=30.0, patience=0.3)
        assert not exchange.positions
    assert said in capsys.readouterr().out
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)


async def test_a_grace_that_leaves_no_time_for_closes_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="give more than 13 s"):
        await program_of("shutdown.md")["desk"](None, grace=13.0)


@pytest.mark.parametrize("beat", ["none", "removed"])
async def test_a_guard_fires_without_a_beat(beat: str, tmp_path: Path) -> None:
    path = tmp_path / "beat"
    if beat != "none":
        path.touch()
    if beat == "removed":
        asyncio.get_running_loop().call_later(0.05, path.unlink)
    async with SimulatedExchange() as exchange:
        exchange.open_position("BTC-USDT-SWAP", "3")
        async with Client(exchange.credentials, base_url=exchange.base_url) as client, asyncio.timeout(LIMIT):
            report = await program_of("kill-switch.md")["guard"](path, 0.2, client, 0.02)
        assert report.flat
        assert not exchange.positions


# --- other programs of pages ---


async def test_the_service_is_one_file_that_tries_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "service.py").write_text("\n\n".join(blocks(HOW_TO / "fastapi.md", "python")))
    await asyncio.to_thread(runpy.run_path, str(tmp_path / "service.py"), run_name="__main__")
    service = runpy.run_path(str(tmp_path / "service.py"), run_name="service")  # as uvicorn imports it
    async with SimulatedExchange() as exchange:
        monkeypatch.setenv("OKX_API_KEY", exchange.credentials.api_key)
        monkeypatch.setenv("OKX_SECRET_KEY", exchange.credentials.secret_key)
        monkeypatch.setenv("OKX_PASSPHRASE", exchange.credentials.passphrase)
        service["app"].state.where = {"base_url": exchange.base_url}
        async with service["lifespan"](service["app"]):
            assert isinstance(service["app"].state.client, Client)


@pytest.mark.skipif(not shutil.which("jq"), reason="there is no jq on this machine")
@pytest.mark.parametrize("case", ["refused", "nothing read", "wrong usage"])
async def test_the_script_that_reads_json_says_what_is_left(case: str, okx_async_program: Path, tmp_path: Path) -> None:
    [script] = blocks(DOCS / "reference" / "json.md", "bash")
    async with SimulatedExchange() as exchange:
        desk = Desk(tmp_path, exchange, okx_async_program)
        if case == "refused":
            exchange.inject(code="51108", times=None)
        elif case == "nothing read":
            exchange.inject(code="50030", path=None, times=None)
        else:
            script = script.replace("--yes", "--yes --deadline soon")
        code, printed = await desk.run("bash", "-c", script)
    assert (code, "jq:" in printed) == (0, False), printed
    said = {"refused": "BTC-USDT-SWAP: refused 51108", "nothing read": "\n50030 on ", "wrong usage": "(exit code 2)"}
    assert said[case] in printed


# --- the script of unattended-flatten.md ---


@pytest.fixture
def exit_script(tmp_path: Path) -> Path:
    [text] = blocks(HOW_TO / "unattended-flatten.md", "sh")
    path = tmp_path / "exit.sh"
    path.write_text(text)
    path.chmod(0o755)
    return path


async def test_the_script_is_silent_about_a_flat_account(
    exit_script: Path, okx_async_program: Path, tmp_path: Path
) -> None:
    async with SimulatedExchange() as exchange:
        desk = Desk(tmp_path, exchange, okx_async_program)
        code, printed = await desk.run(str(exit_script))
        assert (code, desk.calls) == (0, []), printed
        assert not [one for one in exchange.positions if one.user_id == desk.live.user_id]
    assert (tmp_path / "exits.jsonl").read_text().count("\n") == 1


async def test_the_script_tries_three_times_and_tells(
    exit_script: Path, okx_async_program: Path, tmp_path: Path
) -> None:
    async with SimulatedExchange() as exchange:
        desk = Desk(tmp_path, exchange, okx_async_program)
        exchange.inject(code="51108", times=None)
        code, printed = await desk.run(str(exit_script))
        assert code == 1, printed
    assert [call.split()[0] for call in desk.calls] == ["sleep", "sleep", "sleep", "curl"]
    assert desk.calls[-1].endswith("?code=1")
    assert (tmp_path / "exits.jsonl").read_text().count('"flat":false') == 3


async def test_the_script_does_not_repeat_wrong_usage(
    exit_script: Path, okx_async_program: Path, tmp_path: Path
) -> None:
    async with SimulatedExchange() as exchange:
        desk = Desk(tmp_path, exchange, okx_async_program)
        desk.add("okx-async", f'#!/bin/sh\nexec {shlex.quote(str(okx_async_program))} "$@"\n')  # no keys
        code, _ = await desk.run(str(exit_script))
    assert code == 2
    assert [call.split()[0] for call in desk.calls] == ["curl"]


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    units = {
        unit.split(None, 2)[1].rpartition("/")[2]: unit for unit in blocks(HOW_TO / "unattended-flatten.md", "ini")
    }
    assert {name.partition(".")[2] for name in units} == {"service", "timer"}
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("there is no systemd-analyze on this machine")
    for name, unit in units.items():
        (tmp_path / name).write_text(unit.replace("/usr/local/bin/exit.sh", "/bin/true"))
    done = subprocess.run(  # noqa: S603 - a program of this machine, and files of ours
        [verify, "verify", *(str(tmp_path / name) for name in units)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
