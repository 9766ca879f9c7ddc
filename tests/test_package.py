"""What a user installs: the wheel, built from the sdist, holds the package and nothing else."""

import email
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from importlib.metadata import metadata, requires
from pathlib import Path

import pytest
from readme_renderer import markdown

ROOT = Path(__file__).parent.parent
BUILD = """
import os, sys, tarfile, tempfile
from importlib import import_module
import tomllib
with open("pyproject.toml", "rb") as file:
    backend = import_module(tomllib.load(file)["build-system"]["build-backend"])
sdist = backend.build_sdist(sys.argv[1])
with tempfile.TemporaryDirectory() as unpacked:
    with tarfile.open(os.path.join(sys.argv[1], sdist)) as archive:
        archive.extractall(unpacked)
    os.chdir(os.path.join(unpacked, sdist.removesuffix(".tar.gz")))
    backend.build_wheel(sys.argv[1])
    os.chdir("/")
"""
"""Python that builds the sdist of a folder, and the wheel of that sdist, as pyproject.toml says."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    # As `make dist` does, without its isolation and its four processes more: the backend is a dependency of the tests,
    # and nothing is fetched. The wheel is built from the unpacked sdist.
    command = [sys.executable, "-W", "ignore", "-c", BUILD, str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own text
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


@pytest.mark.long
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


def headers(built: Path) -> Message:
    [wheel] = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return email.message_from_string(archive.read(name).decode())


def test_an_index_would_take_both(built: Path) -> None:
    files = [str(path) for path in built.iterdir() if path.suffix in {".whl", ".gz"}]
    command = [sys.executable, "-W", "ignore", "-m", "twine", "--no-color", "check", "--strict", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own interpreter
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("PASSED") == len(files) == 2


def test_the_page_of_the_package_says_what_it_is(built: Path) -> None:
    told = headers(built)
    assert 20 < len(told["Summary"]) < 100
    assert told["Description-Content-Type"] == "text/markdown"
    assert told["License-Expression"] == "MIT"
    assert told["Requires-Python"] == ">=3.11"
    assert "rate limit" in told["Keywords"].split(",")
    classifiers = told.get_all("Classifier") or []
    assert {"Framework :: AsyncIO", "Framework :: Pytest", "Typing :: Typed"} <= set(classifiers)
    assert told.get_payload() == (ROOT / "README.md").read_text()


@pytest.mark.skipif(not shutil.which("make"), reason="there is no make on this machine")
@pytest.mark.parametrize("mark", ["", ".made", ".ready"])
def test_make_leaves_an_environment_alone_that_it_did_not_make(mark: str, tmp_path: Path) -> None:
    venv = tmp_path / ".venv"
    venv.mkdir()
    (venv / "mine").touch()
    if mark:
        (venv / mark).touch()
        os.utime(venv / mark, (0, 0))  # older than pyproject.toml
    command = ["make", "demo", f"VENV={venv}", "PYTHON=false"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert done.returncode != 0
    assert (venv / "mine").exists() is (not mark)
    assert ("make demo VENV=.venv-make" in done.stderr) is (not mark)


def test_the_readme_is_a_page_without_dead_links() -> None:
    page = markdown.render((ROOT / "README.md").read_text())
    assert page is not None
    assert page.count("<table>") >= 2  # as an index shows it
    assert page.count("<pre") >= 5
    links = re.findall(r'(?:href|src)="([^"]*)"', page)
    assert not [link for link in links if not link.startswith(("https://", "#user-content-"))]


def test_the_wheel_that_the_readme_names_is_the_one_that_is_built(built: Path) -> None:
    [wheel] = built.glob("*.whl")
    named = re.findall(r"dist/(okx_async-\S+\.whl)\[cli\]", (ROOT / "README.md").read_text())
    assert named == [wheel.name]
    extras = set(headers(built).get_all("Provides-Extra") or []) - {"bench", "dev", "docs"}
    assert [extra for extra in extras if f"`{extra}`" not in (ROOT / "README.md").read_text()] == []


def test_the_wheel_runs_without_a_checkout(built: Path, tmp_path: Path) -> None:
    [wheel] = built.glob("*.whl")
    code = "import okx_async.stores.redis, runpy, sys; print(okx_async.__file__); sys.argv[1:] = ['--version']; "
    code += "runpy.run_module('okx_async', run_name='__main__')"
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(wheel)},  # not unpacked, as in programs that are one zip file
        capture_output=True,
        text=True,
        check=True,
    )
    where, version = done.stdout.splitlines()
    assert Path(where).is_relative_to(wheel)
    assert version == f"okx-async {headers(built)['Version']}"
