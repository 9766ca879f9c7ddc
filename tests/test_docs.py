"""The README and the pages run: each one's examples in order, in one namespace.

A page with tests is a file of tests, and pytest runs it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
WITH_TESTS = [page for page in PAGES if re.search(r"^async def test_", page.read_text(), re.MULTILINE)]
SYBIL = Sybil([PythonCodeBlockParser(future_imports=["annotations"])])


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", [page for page in PAGES if page not in WITH_TESTS], ids=name)
def test_the_examples_of_a_page_run(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for example in SYBIL.parse(page).examples():
        example.evaluate()
    if page.name == "README.md":
        assert capsys.readouterr().out == "accepted: BTC-USDT-SWAP, still open: []\n"


@pytest.mark.parametrize("page", WITH_TESTS, ids=name)
def test_the_tests_of_a_page_pass(page: Path, tmp_path: Path) -> None:
    examples = [example.parsed for example in SYBIL.parse(page).examples()]
    (tmp_path / "test_page.py").write_text("\n\n".join(examples))
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\nfilterwarnings = error\n")
    plugins = ("-p", "pytest_asyncio.plugin", "-p", "_okx_async_pytest", "-p", "no:cacheprovider")
    done = subprocess.run(  # noqa: S603 - our own interpreter and page
        [sys.executable, "-m", "pytest", "-q", "-o", "asyncio_default_fixture_loop_scope=function", *plugins],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert f"{page.read_text().count('async def test_')} passed" in done.stdout


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target
