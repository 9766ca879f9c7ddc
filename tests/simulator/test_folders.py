"""The folders of the simulator: which of them may import which."""

import ast
from pathlib import Path

import pytest

from okx_async import simulator

ROOT = Path(simulator.__file__).parent
MAY_IMPORT = {
    "virtual": {"virtual"},
    "books": {"books"},
    "api": {"api", "books"},
    "http": {"http", "api"},
    "faults": {"faults", "api"},
}


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_a_folder_imports_only_those_below_it(folder: str) -> None:
    used = {
        node.module.split(".")[2]
        for path in (ROOT / folder).glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("okx_async.simulator")
    }
    assert used <= MAY_IMPORT[folder]
