"""What a user installs: the wheel, built from the sdist, holds the package and nothing else."""

import re
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import metadata, requires
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    # Without isolation: the backend is a dependency of the tests, and nothing is fetched. No --wheel: the wheel is
    # then built from the unpacked sdist.
    command = [sys.executable, "-W", "ignore", "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own interpreter
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


def test_the_wheel_holds_the_package_and_nothing_else(built: Path) -> None:
    [wheel] = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    package = {path.relative_to(ROOT).as_posix() for path in (ROOT / "okx_async").rglob("*") if path.is_file()}
    package = {name for name in package if "__pycache__" not in name} | {"_okx_async_pytest.py"}
    assert {name for name in names if not name.split("/")[0].endswith(".dist-info")} == package
    assert "okx_async/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    [entry_points] = [name for name in names if name.endswith("entry_points.txt")]
    declared = zipfile.ZipFile(wheel).read(entry_points).decode()
    assert "okx-async = okx_async.cli:main" in declared
    assert "[pytest11]\nokx_async = _okx_async_pytest" in declared


def test_the_sdist_can_run_the_tests(built: Path) -> None:
    [sdist] = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "tests/test_package.py", "Makefile"} <= names
    assert not [name for name in names if "__pycache__" in name or name.startswith((".venv", ".git/"))]


def test_only_two_libraries_are_required() -> None:
    core = [requirement for requirement in requires("okx-async") or [] if "extra ==" not in requirement]
    assert sorted(re.split("[<>=]", requirement)[0] for requirement in core) == ["aiohttp", "orjson"]
    assert metadata("okx-async")["Requires-Python"] == ">=3.11"
