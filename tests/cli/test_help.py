"""Help in any width, `-h`, `python -m okx_async`, and completion as shells ask for it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from okx_async.cli.app import app

GROUP: Any = typer.main.get_command(app)
COMMANDS = list(GROUP.commands)


def helps(columns: int, *args: str) -> str:
    result = CliRunner(env={"COLUMNS": str(columns), "TERMINAL_WIDTH": None}).invoke(app, [*args, "-h"])
    assert result.exit_code == 0
    return result.stdout


@pytest.mark.share(5)
@pytest.mark.parametrize("columns", [40, 60, 80, 200])
@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_the_terminal_and_cuts_nothing_off(command: str, columns: int) -> None:
    text = helps(columns, *[command] * bool(command))
    assert "…" not in text
    assert "..." not in text.replace("[ARGS]...", "").replace("2@INST...", "")
    options = text.partition("\nOptions:\n")[2]
    assert options
    assert not re.search("<(bool|str|int|float)>|BOOLEAN|TEXT|FLOAT|INTEGER", options)
    for line in text.splitlines()[2:]:  # the line of usage has its own width
        assert len(line) <= columns or len(line.split()) == 1
    found = GROUP.commands[command] if command else GROUP
    for parameter in found.params:
        for name in (*parameter.opts, *parameter.secondary_opts):
            assert re.search(rf"(^|[\s,/]){name.replace('inst_id', 'INST_ID')}([\s,]|$)", text, re.MULTILINE), name


@pytest.mark.parametrize("short", ["-h", "--help"])
@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_has_a_short_option(command: str, short: str) -> None:
    result = CliRunner().invoke(app, [*[command] * bool(command), short])
    assert (result.exit_code, result.stdout.startswith("Usage: ")) == (0, True)


def test_the_list_of_commands_is_one_line_each() -> None:
    lines = helps(80).partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
    assert [line.split()[0] for line in lines] == COMMANDS


def test_the_package_is_the_command_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "okx_async", "--version"], capture_output=True, text=True, check=True, timeout=20
    )
    assert done.stdout.startswith("okx-async ")


@pytest.fixture
def path(tmp_path: Path) -> str:
    """The PATH with an okx-async of this checkout."""
    script = tmp_path / "okx-async"
    script.write_text(f"#!{sys.executable}\nfrom okx_async.cli import main\nmain()\n")
    script.chmod(0o755)
    return f"{tmp_path}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.share(8)
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["fl"], ["flatten"]),
        (["close", "--mgn-mode", ""], ["cross", "isolated"]),
        (["close", "--mgn-mode", "i"], ["isolated"]),
        (["positions", "--reg"], ["--region"]),
        (["positions", "--region", "a"], ["app", "au"]),
        (["simulate", "--window", ""], ["sliding", "fixed"]),
        (["simulated", "jo"], ["journal"]),
        (["simulated", "fault", "5002"], ["50026", "50020"]),
    ],
    ids=" ".join,
)
def test_bash_completes(words: list[str], offered: list[str], path: str) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash here")
    line = " ".join(f'"{word}"' for word in ("okx-async", *words))
    code = f"""eval "$(okx-async --show-completion bash)"
COMP_WORDS=({line}); COMP_CWORD={len(words)}; _okx_async_completion okx-async; printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    root = str(Path(__file__).parent.parent.parent)
    env = {**os.environ, "PATH": path, "PYTHONPATH": root}
    done = subprocess.run([bash, "-c", code], env=env, capture_output=True, text=True, check=True, timeout=30)  # noqa: S603 - ours
    assert done.stdout.split() == offered


def test_completion_is_installed_where_the_shell_reads_it(path: str, tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash here")
    env = {**os.environ, "PATH": path, "HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parent.parent.parent)}
    # The shell above it in the tree of processes is the one; ":" keeps bash from becoming the command.
    command = [bash, "-c", "okx-async --install-completion && :"]
    subprocess.run(command, env=env, capture_output=True, check=True, timeout=30)  # noqa: S603 - ours
    assert "okx-async" in (tmp_path / ".bashrc").read_text()


@pytest.mark.parametrize("option", ["--verbose", "-v", "--version"])
def test_an_option_of_all_commands_says_where_it_belongs(option: str) -> None:
    for command in (["close"], ["simulated", "status"]):
        result = CliRunner().invoke(app, [*command, option], prog_name="okx-async")
        assert (result.exit_code, result.stdout) == (2, "")
        words = f"Error: {option} goes before the command: okx-async {option} {' '.join(command)}"
        assert words in " ".join(result.stderr.split())
