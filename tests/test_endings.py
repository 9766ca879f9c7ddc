"""Functions that a program registers for its end, beside the package's own."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import atexit, asyncio, os, sys
order = sys.argv[2]
done = []

async def close(key):
    from okx_async._calls.default_source import default_limiter
    async with default_limiter().slot((key,), max_wait=5.0):
        done.append(key)

def out():
    asyncio.run(close("at the end"))
    print(done)

if order == "before":
    atexit.register(out)
import okx_async
if order == "after":
    atexit.register(out)
asyncio.run(close("before"))
"""
TOLD = """
import sys
from pathlib import Path
from okx_async.stores.reports import report
print({key.key[0]: key.in_flight for key in report(Path(sys.argv[1])).keys})
"""


@pytest.mark.parametrize("order", ["before", "after"])
def test_a_function_of_the_programs_end_may_close_positions_though_limits_are_shared(
    tmp_path: Path, order: str
) -> None:
    path = str(tmp_path / "limits.sqlite3")

    def run(program: str, *arguments: str) -> str:
        command = [sys.executable, "-c", program, path, *arguments]
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, timeout=50, check=False, env={"OKX_LIMITS": f"sqlite://{path}"}
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    assert run(PROGRAM, order) == "['before', 'at the end']\n"
    if order == "after":  # what became of its request was told: else its slot is out as if it had died
        assert run(TOLD) == "{'at the end': 0, 'before': 0}\n"
