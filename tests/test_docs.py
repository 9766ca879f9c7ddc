"""The README and the pages: examples run in order in one namespace, links and paths lead somewhere.

A page with tests is a file of tests, and pytest runs it.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

ROOT = Path(__file__).parent.parent
README, README_ZH, CONTRIBUTING = ROOT / "README.md", ROOT / "README.zh-CN.md", ROOT / "CONTRIBUTING.md"
ARCHITECTURE = ROOT / "docs" / "explanation" / "architecture.md"
OTHERS = [CONTRIBUTING, ROOT / "CHANGELOG.md", ROOT / "SECURITY.md"]
PAGES = [README, README_ZH, *OTHERS, *sorted((ROOT / "docs").rglob("*.md"))]
WITH_EXAMPLES = [page for page in PAGES if "\n```python\n" in page.read_text()]
WITH_TESTS = [page for page in WITH_EXAMPLES if re.search(r"^async def test_", page.read_text(), re.MULTILINE)]
SYBIL = Sybil([PythonCodeBlockParser(future_imports=["annotations"])])
# The folders whose modules are all in the folder picture.
COMPLETE = ("stores", "_limiter", "_rest", "_http", "_calls", "_flatten")


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", [page for page in WITH_EXAMPLES if page not in WITH_TESTS], ids=name)
def test_the_examples_of_a_page_run(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for example in SYBIL.parse(page).examples():
        example.evaluate()
    if page in {README, README_ZH}:
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
        env={
            **os.environ,
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "SSL_CERT_FILE": os.devnull,
        },  # no certificates to read
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert f"{page.read_text().count('async def test_')} passed" in done.stdout


def test_no_page_installs_from_an_index_what_is_on_none() -> None:
    """Until there is a release; an extra of what is installed already is another thing, which the README says."""
    told = {name(page): re.findall(r"pip install [^`\n]*okx-async.*", page.read_text()) for page in PAGES}
    allowed = {name(page): told.pop(name(page)) for page in (README, README_ZH, ROOT / "CHANGELOG.md")}
    assert {page: lines for page, lines in told.items() if lines} == {}
    assert [len(allowed[name(page)]) for page in (README, README_ZH)] == [1, 1]


def test_links_lead_somewhere() -> None:
    targets = {
        page.parent / target for page in PAGES for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    }
    assert [str(target) for target in targets if not target.exists()] == []


def test_the_readme_can_be_read_outside_of_a_checkout() -> None:
    assert re.findall(r"\]\((?!https://)[^)]*\)", README.read_text()) == []


@pytest.mark.parametrize("page", [README, README_ZH], ids=name)
def test_pages_that_a_readme_names_are_there(page: Path) -> None:
    pages = re.findall(r"`([\w/.-]+\.md)`", page.read_text())
    assert pages
    assert [named for named in pages if not (ROOT / named).is_file()] == []


@pytest.mark.parametrize(
    "page",
    [ARCHITECTURE, CONTRIBUTING],
    ids=["architecture", "contributing"],
)
def test_what_a_page_names_is_there(page: Path) -> None:
    named = re.findall(r"`([^`\n]+)`", page.read_text())
    paths = [text for text in named if re.fullmatch(r"[\w./-]+(\.py|\.md|\.txt|/)", text)]
    assert [path for path in paths if not ((ROOT / path).exists() or (ROOT / "okx_async" / path).exists())] == []
    source = "\n".join(path.read_text() for folder in ("okx_async", "tests") for path in (ROOT / folder).rglob("*.py"))
    symbols = {text.partition(".")[0] for text in named if re.fullmatch(r"[A-Z]\w+(\.\w+)?|[a-z]\w*_\w+", text)}
    assert [symbol for symbol in sorted(symbols) if not re.search(rf"\b{symbol}\b", source)] == []


def test_each_seed_that_broke_has_its_test() -> None:
    page = (ROOT / "docs" / "explanation" / "random-histories.md").read_text()
    rows = re.findall(r"^\| \d+ \|.*", page, re.MULTILINE)
    tests = re.findall(r"^\| \d+ \|.*`(tests/\S+\.py)::(test_\w+)` \|$", page, re.MULTILINE)
    assert len(tests) == len(rows) > 0
    assert [test for path, test in tests if f"def {test}(" not in (ROOT / path).read_text()] == []


def test_the_folder_picture_is_the_tree() -> None:
    picture = ARCHITECTURE.read_text().partition("```text\n")[2].partition("```")[0]
    rooms = {
        path.stem for path in (ROOT / "okx_async").iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    assert [room for room in rooms if not re.search(rf"^  .*?(?<!\w){room}(?!\w)", picture, re.MULTILINE)] == []
    shown = {folder: set(re.findall(rf"^  {folder}/ +(.+)$", picture, re.MULTILINE)[0].split()) for folder in COMPLETE}
    assert shown == {
        folder: {path.stem for path in (ROOT / "okx_async" / folder).glob("[!_]*.py")} for folder in COMPLETE
    }


def test_the_commit_hooks_run_what_make_check_runs() -> None:
    recipe = re.search(r"^check:.*\n((?:\t.+\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe
    commands = [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe[1].splitlines()]
    assert re.findall(r"^ +entry: (.+)$", (ROOT / ".pre-commit-config.yaml").read_text(), re.MULTILINE) == commands
