import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from okx_async._threads import at_forks, in_own_thread, unforked
from tests.stores.threads import is_held

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
print(sum(key.in_flight for key in report(Path(sys.argv[1])).keys))
"""


def main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


async def test_what_work_returns_or_raises() -> None:
    assert await in_own_thread(main_thread) is False
    with pytest.raises(ValueError, match="not a number"):
        await in_own_thread(lambda: int("not a number"))


async def test_it_does_not_wait_for_the_callers_work() -> None:
    busy = threading.Event()
    with ThreadPoolExecutor(1) as executor:
        asyncio.get_running_loop().set_default_executor(executor)
        waiting = asyncio.get_running_loop().run_in_executor(None, busy.wait)
        try:
            assert await in_own_thread(main_thread) is False
        finally:
            busy.set()
            await waiting


async def test_where_no_thread_can_begin_it_is_done_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", start)
    assert await in_own_thread(main_thread) is True


async def test_a_result_that_comes_when_nothing_waits_any_more_is_dropped() -> None:
    goes_on, over = threading.Event(), threading.Event()

    def work() -> None:
        goes_on.wait()
        over.set()

    waiting = asyncio.ensure_future(in_own_thread(work))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    goes_on.set()
    while not over.is_set():  # noqa: ASYNC110 - tried at each turn of the loop
        await asyncio.sleep(0)


@pytest.mark.parametrize("order", ["before", "after"])
def test_a_function_of_the_programs_end_may_close_positions_though_limits_are_shared(
    tmp_path: Path, order: str
) -> None:
    path = str(tmp_path / "limits.sqlite3")
    env = {"OKX_LIMITS": f"sqlite://{path}", "SSL_CERT_FILE": os.devnull}  # no certificates to read at the start

    def run(program: str, *arguments: str) -> str:
        command = [sys.executable, "-c", program, path, *arguments]
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, timeout=50, check=False, env=env
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    assert run(PROGRAM, order) == "['before', 'at the end']\n"
    if order == "after":  # what became of its request was told: else its slot is out as if it had died
        assert run(TOLD) == "0\n"


def test_a_lock_may_be_released_by_a_child_that_was_forked_behind_pythons_back(monkeypatch: pytest.MonkeyPatch) -> None:
    hooks: dict[str, Callable[[], None]] = {}
    monkeypatch.setattr("os.register_at_fork", lambda **given: hooks.update(given), raising=False)
    lock = unforked(threading.RLock())
    hooks["after_in_child"]()
    hooks["before"]()
    assert is_held(lock)
    hooks["after_in_child"]()
    assert not is_held(lock)


def test_a_lock_is_free_after_a_fork_in_the_midst_of_another_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a handler of SIGCHLD starts a new child."""
    hooks: dict[str, Callable[[], None]] = {}
    monkeypatch.setattr("os.register_at_fork", lambda **given: hooks.update(given), raising=False)
    lock = unforked(threading.RLock())
    hooks["before"]()
    hooks["before"]()
    hooks["after_in_parent"]()
    assert is_held(lock)
    hooks["after_in_parent"]()
    assert not is_held(lock)
    hooks["before"]()
    hooks["before"]()
    hooks["after_in_child"]()
    assert not is_held(lock)
    hooks["after_in_parent"]()  # the child goes on with what was interrupted


def test_a_fork_in_the_midst_of_another_takes_only_what_is_not_held_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.register_at_fork", lambda **_: None, raising=False)
    done: list[str] = []

    def take(held: list[str]) -> Iterator[str]:
        for each in ("a", "b"):
            if each not in held:
                done.append(f"take {each}")
                yield each

    fork = at_forks(threading.RLock(), take, lambda each: done.append(f"give {each}"), done.extend)
    fork.before()
    fork.before()
    fork.in_parent()
    assert done == ["take a", "take b"]
    fork.in_parent()
    assert done == ["take a", "take b", "give b", "give a"]
    done.clear()
    fork.before()
    fork.before()
    fork.in_child()
    assert done == ["take a", "take b", "a", "b"]
    fork.in_parent()
    assert len(done) == 4
