"""Who may know whom: each layer can be used and tested without the ones above it, and the judge without the judged."""

from __future__ import annotations

import ast
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "okx_async"

PURE = {"asyncio", "time", "random", "socket", "aiohttp", "okx_async._limiter", "okx_async._client", "threading"}
MAY_NOT_IMPORT = {
    "_errors.py": {*PURE, "okx_async._[!m]*"},
    "_models.py": {*PURE, "okx_async._[!e]*"},
    "_report.py": PURE,
    "_guard.py": {*PURE, "okx_async._calls", "okx_async._sender", "okx_async._readings"},
    "_flatten.py": {*PURE, "okx_async._calls", "okx_async._sender", "okx_async._readings", "okx_async._pursuit"},
    "_bucket.py": {*PURE, "datetime", "okx_async._[!em]*"},
    "_keys.py": {*PURE, "okx_async._[!e]*"},
    "_wire.py": {*PURE, "okx_async._outcomes"},
    "_answer.py": {*PURE, "okx_async._outcomes", "okx_async._wire"},
    "_codes.py": PURE,
    "_outcomes.py": PURE,
    "_queue.py": {"time", "aiohttp", "okx_async._[!bm]*"},
    "_table.py": {"time", "aiohttp", "okx_async._wire", "okx_async._outcomes"},
    "_limiter.py": {"aiohttp", "okx_async._wire", "okx_async._outcomes", "okx_async._client"},
    "_transport.py": {"okx_async._limiter", "okx_async._bucket", "okx_async._client", "time"},
    "_sender.py": {"aiohttp", "okx_async._bucket", "okx_async._queue", "okx_async._client", "time"},
    "_calls.py": {"aiohttp", "okx_async._bucket", "okx_async._queue", "okx_async._client", "time"},
    "_client.py": {"okx_async._bucket", "okx_async._queue", "okx_async.simulator*", "okx_async.cli*"},
    "simulator/*.py": {"okx_async._[!m]*", "okx_async.cli*", "okx_async.torture*"},
    "torture/*.py": {"okx_async._*", "okx_async.cli*"},
    "doctor/finding.py": {*PURE, "okx_async._*"},
    "doctor/clash.py": {*PURE, "okx_async._*"},
    "doctor/account.py": PURE,
    "doctor/times.py": PURE,
    "doctor/refusals.py": PURE,
    "doctor/*.py": {"okx_async.simulator*", "okx_async.torture*"},
    "pytest_plugin.py": {"okx_async._*", "okx_async.torture*"},
    "*.py": {"okx_async.cli*", "typer*", "rich*"},
}
ONLY = {"simulator/*.py": {"okx_async._models": {"Credentials"}}}


def files(pattern: str) -> list[Path]:
    """Return the package's files that a pattern names; a bare one means the top folder."""
    return sorted(path for path in PACKAGE.rglob("*.py") if fnmatch(path.relative_to(PACKAGE).as_posix(), pattern))


def imports(path: Path) -> dict[str, set[str]]:
    """Return every module that a file imports, lazy imports and those for types included, and the names it takes."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found.setdefault(alias.name, set())
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            for alias in node.names:
                if node.module == "okx_async":
                    found.setdefault(f"okx_async.{alias.name}", set())
                else:
                    found.setdefault(node.module or "", set()).add(alias.name)
    return found


@pytest.mark.parametrize("pattern", MAY_NOT_IMPORT)
def test_no_layer_knows_what_it_must_not(pattern: str) -> None:
    where = files(pattern)
    assert where, f"no file is called {pattern}"
    for path in where:
        if pattern == "*.py" and path.is_relative_to(PACKAGE / "cli"):
            continue
        wrong = {name for name in imports(path) for other in MAY_NOT_IMPORT[pattern] if fnmatch(name, other)}
        assert not wrong, f"{path.relative_to(PACKAGE)} imports {', '.join(sorted(wrong))}"


@pytest.mark.parametrize("pattern", ONLY)
def test_the_judge_shares_no_code_with_the_judged(pattern: str) -> None:
    for path in files(pattern):
        for module, names in imports(path).items():
            if module == "okx_async" or (module.startswith("okx_async.") and "simulator" not in module):
                assert names <= ONLY[pattern].get(module, set()), f"{path.name} takes {names} from {module}"


@pytest.mark.parametrize(
    "absent",
    [
        *("typer", "rich", "redis", "yaml", "pytest", "aiohttp.web"),
        *("okx_async.simulator", "okx_async.torture", "okx_async.doctor", "okx_async.cli"),
    ],
)
def test_importing_the_package_does_not_import(absent: str) -> None:
    code = f"import sys, okx_async; sys.exit({absent!r} in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603 - our own interpreter and text
