"""The code of pages that needs other packages, each in an environment of its own: `make interop`.

A block says its environment behind its language: "python ccxt". The blocks of a page for one environment are one
program. Not collected by `make test`.
"""

import asyncio
import json
import os
import re
import subprocess
from base64 import b64decode
from pathlib import Path

import pytest
from aiohttp import web

from tests.interop.clients import ENVIRONMENTS, PROGRAMS
from tests.pages import DOCS, blocks

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
LIMIT = 150  # s
# What the page says of a fault in the row of the client's answer; a code says itself.
SAID = {
    "": "0",
    "refused": "not sent",
    "59999": "a code ",
    "51023 in an item": "sCode",
    "code 1 without an item": "`1` without",
    **{f"HTML {status}": str(status) for status in (502, 503, 520)},
    "plain 429": "429",
    "HTML 403 early": "403",
    "cut JSON": "cut",
    "empty 200": "empty",
    "hang-up": "unknown",
    "hang-up early": "unknown",
    "reset": "unknown",
    "12 s": "unknown",
}
CODES = (
    *("50001", "50004", "50011", "50013", "50020", "50026", "50101", "50102", "50105", "50110", "50113", "50119"),
    *("50120", "51000", "51001", "51008", "51022", "51023", "51030", "51032", "51054", "51108", "51115", "51149"),
)
ONLY_OF = {"51023 in an item": "python-okx", "code 1 without an item": "python-okx", "51008": "ccxt"}


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


@pytest.mark.parametrize("environment", ["ccxt", "python-okx", "freqtrade-client"])
def test_foreign_names_are_spelled_as_their_packages_have_them(environment: str) -> None:
    packages = json.loads((Path(__file__).parent / "names.json").read_text())[environment]
    [site] = (ENVIRONMENTS / environment / "lib").glob("python*/site-packages")
    for package, names in packages.items():
        files = [path for path in site.glob(f"{package}/**/*") if path.suffix == ".py" or path.name == "METADATA"]
        words = {word for path in files for word in re.findall(r"\w+", path.read_text())}
        assert [name for name in names if name not in words] == []


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


@pytest.mark.timeout(2 * LIMIT)
@pytest.mark.parametrize("name", ["ccxt", "python-okx"])
def test_the_table_of_errors_says_what_happens(name: str) -> None:
    faults = [fault for fault in (*SAID, *CODES) if ONLY_OF.get(fault, name) == name]
    answers = [json.loads(line) for line in _outcomes(name, faults).splitlines()]
    assert [fault for fault, _, _ in answers] == faults
    table = (DOCS / "how-to" / f"migrate-from-{name}.md").read_text().partition("## Error by error")[2]
    rows = [line for line in table.partition("\n## ")[0].splitlines() if line.startswith("| ")]
    wrong = [
        (fault, theirs, ours)
        for fault, theirs, ours in answers
        if not any(_names(row, theirs) and SAID.get(fault, fault) in row and f"`{ours}`" in row for row in rows)
    ]
    assert wrong == []


def _outcomes(name: str, faults: list[str]) -> str:
    return run(name, str(PROGRAMS / "errors.py"), name, given="".join(f"{fault}\n" for fault in faults))


def _names(row: str, theirs: str) -> bool:
    """Whether a row is about this answer of the client's: an exception, a code, or an order without a status."""
    kind, _, value = theirs.partition(" ")
    first = row.split(" | ", maxsplit=1)[0]
    if kind == "code":
        return not any(word in first for word in ("httpx.", "JSONDecodeError"))
    return "an order is returned" in first if kind == "status" else kind in first and not value
