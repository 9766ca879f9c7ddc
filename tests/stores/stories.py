"""Programs of a test that fork and end, each in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

LEAN = {**os.environ, "SSL_CERT_FILE": os.devnull}
"""An environment without certificates, else aiohttp reads all of the system at its import."""
STORY = """
import asyncio, os, sys, time, traceback
from okx_async import NotSentError, Quota, SlotTimeoutError
from okx_async.stores import SqliteLimiter
limiter = SqliteLimiter(sys.argv[1], Quota(1, 60.0))
KEY = ("k",)

async def free(key=KEY):
    try:
        async with limiter.slot(key, max_wait=0) as slot:
            slot.refund()
        return True
    except SlotTimeoutError:
        return False

def child(act):
    pid = os.fork()
    if not pid:
        code = 1
        try:
            code = 0 if act() else 2
            asyncio.run(limiter.aclose())  # _exit flushes nothing
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""


def tell(folder: Path, story: str, said: str = "") -> None:
    command = [sys.executable, "-W", "ignore", "-c", STORY + story, str(folder / "limits.sqlite3")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False, env=LEAN)  # noqa: S603
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    assert done.stdout == said
