"""The tree: each module has its twin, and no file says which machine it was written on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "okx_async"
# A command line is tested as its user meets it, by command and not by module.
MODULES = [
    path.relative_to(PACKAGE)
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.name not in {"__init__.py", "__main__.py"} and "cli" not in path.parts
]
TEXTS = [
    path
    for pattern in (
        "*.toml",
        "*.md",
        "*.py",
        "Makefile",
        "okx_async/**/*.py",
        "tests/**/*.py",
        "docs/**/*.md",
        "benchmarks/**/*.py",
    )
    for path in sorted(ROOT.glob(pattern))
]
TREES = "home|root|opt|Users|work"


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_each_module_has_its_twin(module: Path) -> None:
    twin = ROOT / "tests" / module.parent / f"test_{module.name.lstrip('_')}"
    assert twin.is_file()


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_path_of_a_machine_stands_in_a_text(path: Path) -> None:
    found = re.search(rf"(?<![\w./:])/(?:{TREES})/\w+", path.read_text())
    assert found is None, found


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_no_module_is_called_by_what_says_nothing(module: Path) -> None:
    assert not re.search("util|helper|manager|common|base", module.as_posix())
