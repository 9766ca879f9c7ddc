"""The tree: each module has its twin, and no file says which machine it was written on."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "okx_async"
# A command line is tested as its user meets it, by command and not by module.
MODULES = [
    path.relative_to(PACKAGE)
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.name not in {"__init__.py", "__main__.py"} and "cli" not in path.parts
]
PATTERNS = (
    "*.toml",
    "*.md",
    "*.py",
    "Makefile",
    *(f"{folder}/**/*.*[dy]" for folder in ("okx_async", "tests", "docs")),
)
PROGRAMS = ("okx_async", "tests", "benchmarks")
TREES = "home|root|opt|Users|work"


def test_each_module_has_its_twin() -> None:
    twins = {module: ROOT / "tests" / module.parent / f"test_{module.name.lstrip('_')}" for module in MODULES}
    assert [str(module) for module, twin in twins.items() if not twin.is_file()] == []


def test_no_path_of_a_machine_stands_in_a_text() -> None:
    texts = [path for pattern in PATTERNS for path in ROOT.glob(pattern)]
    assert len(texts) > len(MODULES)
    found = {path.name: re.search(rf"(?<![\w./:])/(?:{TREES})/\w+", path.read_text()) for path in texts}
    assert {name: match for name, match in found.items() if match} == {}


def test_no_module_is_called_by_what_says_nothing() -> None:
    assert [str(module) for module in MODULES if re.search("util|helper|manager|common|base", str(module))] == []


def test_no_text_speaks_of_indefinite_persons() -> None:
    texts = {path.name: path.read_text() for path in PACKAGE.rglob("*.py")}
    words = re.compile(r"\b(?:whoever|nobody|anybody)\b", re.IGNORECASE)
    assert [(name, line) for name, text in texts.items() for line in text.splitlines() if words.search(line)] == []


def test_files_are_small() -> None:
    found = {path: path.read_text().count("\n") for folder in PROGRAMS for path in (ROOT / folder).rglob("*.py")}
    assert len(found) > 2 * len(MODULES)
    assert {str(path.relative_to(ROOT)): size for path, size in found.items() if size > 350} == {}


def test_the_package_can_be_taken_in_at_a_glance() -> None:
    rooms = {path.relative_to(PACKAGE).parts[0] for path in PACKAGE.rglob("*.py")}
    assert {"__init__.py", "_http", "_client.py"} < rooms
    assert len(rooms) <= 26, sorted(rooms)
