import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from okx_async._threads import in_own_thread


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
