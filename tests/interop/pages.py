"""The code of pages that needs other packages, each in an environment of its own: `make interop`.

A block says its environment behind its language: "python ccxt". The blocks of a page for one environment are one
program. Not collected by `make test`.
"""

import asyncio
import json
import os
import subprocess
from base64 import b64decode
from pathlib import Path

import pytest
from aiohttp import web

from tests.interop.clients import ENVIRONMENTS, PROGRAMS
from tests.test_recipes import DOCS, blocks

ENVIRONMENT_OF = {name: name for name in ("ccxt", "python-okx")} | {
    "freqtrade": "freqtrade-client",
    "jupyter": "ipykernel",
}
PAGES = sorted(page for page in DOCS.rglob("*.md") if "\n```python " in page.read_text())
PROGRAMS_OF_PAGES = [
    (page, name) for page in PAGES for name in ENVIRONMENT_OF if name != "jupyter" and blocks(page, f"python {name}")
]
PRINTED = {
    ("close-a-part.md", "ccxt"): "left: 2",
    ("close-a-part.md", "python-okx"): "left: 2",
    ("beside-other-libraries.md", "ccxt"): "BTC/USDT:USDT flat: True",
    ("beside-other-libraries.md", "freqtrade"): "stopping trader ...",
}
LIMIT = 100  # s


def run(environment: str, *args: str, given: str = "", **variables: str) -> str:
    """Run Python of an environment and return what it prints."""
    python = ENVIRONMENTS / ENVIRONMENT_OF[environment] / "bin" / "python"
    if not python.exists():
        pytest.fail(f"{environment} is not installed, there is no {python}: run `make interop`")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "OKX_"))}
    done = subprocess.run(  # noqa: S603 - code of our pages
        [str(python), *args],
        input=given,
        env={**kept, **variables},
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_each_foreign_block_names_an_environment() -> None:
    named = {
        line.split()[1] for page in PAGES for line in page.read_text().splitlines() if line.startswith("```python ")
    }
    assert named == set(ENVIRONMENT_OF)


@pytest.mark.parametrize(("page", "name"), PROGRAMS_OF_PAGES, ids=lambda value: getattr(value, "stem", value))
async def test_the_code_of_a_page_runs_beside_a_package(page: Path, name: str, tmp_path: Path) -> None:
    path = tmp_path / "page.py"
    path.write_text("\n\n".join(blocks(page, f"python {name}")))
    if name != "freqtrade":
        assert PRINTED.get((page.name, name), "") in run(name, "-X", "utf8", str(path))
        return
    asked: list[tuple[str, str, str]] = []

    async def stop(request: web.Request) -> web.Response:
        asked.append((request.method, request.path, b64decode(request.headers["Authorization"].split()[1]).decode()))
        return web.json_response({"status": "stopping trader ..."})

    bot = web.Application()
    bot.router.add_route("*", "/{path:.*}", stop)
    runner = web.AppRunner(bot)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        printed = await asyncio.to_thread(run, name, str(path), FREQTRADE_URL=url, FREQTRADE_PASSWORD="made-up")
    finally:
        await runner.cleanup()
    assert PRINTED[page.name, name] in printed
    assert asked == [("POST", "/api/v1/stop", "freqtrader:made-up")]


def test_the_notebook_runs_in_a_kernel() -> None:
    cells = blocks(DOCS / "how-to" / "jupyter.md", "python jupyter")
    shown = json.loads(run("jupyter", str(PROGRAMS / "notebook.py"), given=json.dumps(cells)))
    flat = ["".join(outputs) for outputs in shown]
    assert {line.rpartition(" ")[0] for line in flat[2].splitlines()} == {
        "BTC-USDT-SWAP cross 3",
        "ETH-USDT-SWAP cross -12",
    }
    assert flat[3] == "True"
    assert flat[4].endswith("True")
    assert "ETH-USDT-SWAP closed" in flat[4]
