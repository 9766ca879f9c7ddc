"""Another distribution of the same package name, made up in a folder."""

import subprocess
import sys
from pathlib import Path

import pytest

import okx_async
from okx_async.doctor import Level
from okx_async.doctor.clash import clash

HERE = Path(okx_async.__file__).parent


def install(site: Path, name: str, *files: str, top_level: str | None = None) -> None:
    """Write what an installer leaves of a distribution."""
    info = site / f"{name.replace('-', '_')}-0.1.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.1\n")
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))
    if top_level is not None:
        (info / "top_level.txt").write_text(f"{top_level}\n")


def test_a_clean_path_is_ok(tmp_path: Path) -> None:
    install(tmp_path, "something-else", "something/__init__.py", top_level="something")
    install(tmp_path, "Okx.Async", "okx_async/__init__.py")  # ours, however it is spelt
    [finding] = clash([str(tmp_path)], HERE)
    assert finding.level is Level.OK


@pytest.mark.parametrize(
    ("files", "top_level"),
    [(("okx_async/__init__.py", "okx_async/Trade.py"), None), ((), "okx_async"), (("okx_async.py",), None)],
    ids=["by its files", "by its top_level.txt", "a module"],
)
def test_another_owner_of_the_name_is_named(files: tuple[str, ...], top_level: str | None, tmp_path: Path) -> None:
    install(tmp_path, "python-okx-async", *files, top_level=top_level)
    for file in files:  # from Python 3.12 on, files that are missing are not listed
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    finding, *_ = clash([str(tmp_path)], HERE)
    assert finding.level is Level.FAIL
    assert "python-okx-async" in finding.text
    assert finding.remedy.startswith("pip uninstall python-okx-async okx-async, then install okx-async")


def test_a_second_copy_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "okx_async").mkdir()
    path = [str(tmp_path), str(HERE.parent), str(tmp_path / ".")]
    assert [finding.level for finding in clash(path, HERE)] == [Level.OK]  # a folder without modules is no package
    (tmp_path / "okx_async" / "__init__.py").touch()
    [finding] = clash(path, HERE)
    assert finding.level is Level.WARN
    assert str(tmp_path) in finding.text
    assert str(HERE.parent) in finding.text
    (tmp_path / "okx_async" / "__init__.py").unlink()
    (tmp_path / "okx_async.py").touch()
    assert [finding.level for finding in clash(path, HERE)] == [Level.WARN]


def test_an_overwritten_command_names_the_remedy(tmp_path: Path) -> None:
    """The other distribution, installed later, replaced okx_async/__init__.py: nothing of ours imports."""
    package = tmp_path / "okx_async"
    package.mkdir()
    (package / "__init__.py").write_text('__version__ = "0.1.1"\n')
    for path in HERE.iterdir():
        if path.name not in {"__init__.py", "__pycache__"}:
            (package / path.name).symlink_to(path)
    install(tmp_path, "python-okx-async", "okx_async/__init__.py", "okx_async/Trade.py")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from okx_async.cli import main; main()"
    done = subprocess.run(  # noqa: S603 - our own interpreter and text
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("okx-async: python-okx-async holds a package okx_async, too")
    assert "pip uninstall python-okx-async" in done.stderr
    assert "Traceback" not in done.stderr
