import asyncio
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import pytest

from okx_async import Limiter, Quota
from okx_async._limiter import default
from okx_async._limiter.default import default_limiter
from tests._limiter.scenes import in_a_new_loop


def test_it_is_one_for_the_process() -> None:
    assert default_limiter() is default_limiter()
    assert default_limiter().quota == Quota(20, 2.0)


def test_threads_that_ask_at_the_same_moment_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow() -> Limiter:
        time.sleep(0.05)
        return Limiter()

    monkeypatch.setattr(default, "_default_limiter", lru_cache(maxsize=1)(slow))
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: default_limiter(), range(8)))) == 1


def test_one_that_was_closed_is_replaced_and_its_requests_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(default, "_default_limiter", lru_cache(maxsize=1)(Limiter))
    first = default_limiter()

    async def close() -> None:
        async with first.slot("answered"):
            pass
        async with first.slot("on its way"):
            await first.aclose()

    in_a_new_loop(close())
    assert first.closed
    second = default_limiter()
    assert second is not first
    assert second is default_limiter()
    assert not second.closed

    async def count(key: str) -> tuple[int, int]:
        async with second.slot(key):
            found = second.statistics(key)
            return found.free, found.in_flight

    for key, state in {"answered": (18, 1), "on its way": (18, 1), "never used": (19, 1)}.items():
        assert asyncio.run(count(key)) == state


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_that_is_forked_while_it_is_made_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    making, go_on = threading.Event(), threading.Event()

    def slow() -> Limiter:
        making.set()
        go_on.wait(5.0)
        return Limiter()

    monkeypatch.setattr(default, "_default_limiter", lru_cache(maxsize=1)(slow))
    thread = threading.Thread(target=default_limiter)
    thread.start()
    making.wait(5.0)
    threading.Timer(0.2, go_on.set).start()
    child = os.fork()
    if not child:
        os._exit(0 if default._MAKING.acquire(timeout=5.0) else 1)
    _, status = os.waitpid(child, 0)
    thread.join()
    assert os.waitstatus_to_exitcode(status) == 0
