"""What stands before the name of a command: the shell that completion is for."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from okx_async.cli.app import app

RUNNER = CliRunner()


@pytest.mark.parametrize(
    ("shell", "words"),
    [("bash", "COMPREPLY"), ("zsh", "compdef"), ("fish", "complete --command"), ("pwsh", "Register-")],
)
@pytest.mark.parametrize("joined", [False, True])
def test_completion_is_shown_for_the_shell_that_is_named(shell: str, words: str, *, joined: bool) -> None:
    args = [f"--show-completion={shell}"] if joined else ["--show-completion", shell]
    result = RUNNER.invoke(app, args, prog_name="okx-async")
    assert result.exit_code == 0
    assert words in result.stdout
    assert "_OKX_ASYNC_COMPLETE" in result.stdout


def test_completion_is_installed_for_the_shell_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    result = RUNNER.invoke(app, ["--install-completion", "zsh"], prog_name="okx-async")
    assert (result.exit_code, result.stdout.startswith("zsh completion installed in ")) == (0, True)
    assert (tmp_path / ".zfunc" / "_okx-async").is_file()


@pytest.mark.parametrize("shells", [["csh"], ["bash", "zsh"], ["close"]], ids=" ".join)
def test_another_shell_is_wrong_usage(shells: list[str]) -> None:
    result = RUNNER.invoke(app, ["--show-completion", *shells])
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"takes one of bash, zsh, fish, powershell, pwsh, got '{' '.join(shells)}'" in result.stderr
