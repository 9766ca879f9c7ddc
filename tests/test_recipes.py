"""The recipes: each job of a desk has its page, and the code of pages that stands in no other test is run."""

import ast
import asyncio
import inspect
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from okx_async import Client
from okx_async.simulator import SimulatedExchange
from tests.pages import DOCS, HOW_TO, blocks

RECIPES = {
    "first live close by way of demo trading": "../tutorial/first-close.md",
    "shutdown on SIGTERM": "shutdown.md",
    "kill switch in a thread and as a process": "kill-switch.md",
    "unattended flatten": "unattended-flatten.md",
    "several processes": "many-processes.md",
    "several hosts": "many-hosts.md",
    "sub-accounts": "sub-accounts.md",
    "FastAPI service": "fastapi.md",
    "Jupyter": "jupyter.md",
    "beside ccxt, freqtrade and python-okx code": "beside-other-libraries.md",
    "networks and proxies": "networks.md",
    "audit log as JSON lines": "audit-log.md",
    "alerts": "alerts.md",
    "metrics": "metrics.md",
    "testing your strategy": "../tutorial/testing-your-strategy.md",
    "what to read when the outcome is unknown": "handle-unknown.md#when-the-outcome-is-unknown",
    "closing a part": "close-a-part.md",
    "migration from python-okx": "migrate-from-python-okx.md",
    "migration from ccxt": "migrate-from-ccxt.md",
    "migration from a hand-written aiohttp loop": "migrate-from-aiohttp.md",
}


@pytest.mark.parametrize("job", RECIPES)
def test_each_job_has_a_page_that_the_index_names(job: str) -> None:
    page = RECIPES[job]
    assert (HOW_TO / page.partition("#")[0]).is_file()
    assert f"]({page})" in (HOW_TO / "index.md").read_text()


def test_the_index_names_every_page_once_and_says_what_it_is_for() -> None:
    rows = re.findall(r"^\| (.+?) \| \[.+?\]\((.+?)\).* \|$", (HOW_TO / "index.md").read_text(), re.MULTILINE)
    pages = [page for _, page in rows if "/" not in page and "#" not in page]
    assert sorted(pages) == sorted({path.name for path in HOW_TO.glob("*.md")} - {"index.md"})
    assert len({job for job, _ in rows}) == len(rows)


def test_code_for_other_packages_is_python_at_least() -> None:
    """`make interop` runs it, which `make test` cannot."""
    for page in sorted(DOCS.rglob("*.md")):
        for block in blocks(page, r"python [\w-]+"):
            compile(block, page.name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_the_workers_of_the_page_run_as_a_program(tmp_path: Path) -> None:
    """What is spawned imports the file: without a guard each would start workers of its own."""
    [program] = [block for block in blocks(HOW_TO / "many-processes.md", "python") if "multiprocessing" in block]
    file = tmp_path / "workers.py"
    file.write_text(program)
    done = subprocess.run(  # noqa: S603 - our own interpreter and page
        [sys.executable, "-W", "error", file], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    names = {name.asname or name.name for node in ast.walk(ast.parse(program)) for name in getattr(node, "names", ())}
    assert [name for name in names if len(re.findall(rf"\b{name}\b", program)) < 2] == []


async def test_the_cells_of_the_notebook_run() -> None:
    shown: list[object] = []
    names: dict[str, object] = {}
    for cell in blocks(HOW_TO / "jupyter.md", "python jupyter"):
        tree = ast.parse(cell)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        await _run_cell(tree, names)
        if isinstance(last, ast.Expr):
            shown.append(await _run_cell(ast.Expression(last.value), names))
    assert shown.count(True) == 2  # both positions are proven gone


async def _run_cell(tree: ast.Module | ast.Expression, names: dict[str, object]) -> object:
    kind = "exec" if isinstance(tree, ast.Module) else "eval"
    code = compile(tree, "cell", kind, flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    value = eval(code, names)  # noqa: S307 - a cell of our page
    return await value if inspect.iscoroutine(value) else value


async def test_the_service_is_one_file_that_tries_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "service.py").write_text("\n\n".join(blocks(HOW_TO / "fastapi.md", "python")))
    await asyncio.to_thread(runpy.run_path, str(tmp_path / "service.py"), run_name="__main__")
    service = runpy.run_path(str(tmp_path / "service.py"), run_name="service")  # as uvicorn imports it
    async with SimulatedExchange() as exchange:
        monkeypatch.setenv("OKX_API_KEY", exchange.credentials.api_key)
        monkeypatch.setenv("OKX_SECRET_KEY", exchange.credentials.secret_key)
        monkeypatch.setenv("OKX_PASSPHRASE", exchange.credentials.passphrase)
        service["app"].state.where = {"base_url": exchange.base_url}
        async with service["lifespan"](service["app"]):
            assert isinstance(service["app"].state.client, Client)
