"""What loops ask for while the agent's thread does its own work."""

import asyncio
import logging
import threading
from typing import Any

import pytest

from okx_async import NotSentError, Priority, Quota
from okx_async.stores._agent.worker import TIDY
from okx_async.stores._redis.direct import Direct
from okx_async.stores._redis.reports import report_server
from tests.stores._redis.test_loops import OTHER, Loops, all_told
from tests.stores._redis.test_loops import scene as scene  # noqa: PLC0414 - a fixture
from tests.stores._redis.test_worker import KEY, use
from tests.stores.servers import wait_for


async def test_what_goes_on_without_the_server_counts_from_the_last_slot_that_a_loop_got(scene: Loops) -> None:
    limiter = await scene.asking(on_loss="local", processes=1)
    worker: Any = limiter._agent.worker
    await all_told(limiter)
    with worker.lock:  # the thread hangs meanwhile
        worker._store.met = 0.0
        async with limiter.slot(KEY):
            assert scene.asked == {True: 1}
            assert worker._store.met > 0.0


async def test_who_begins_to_wait_during_an_ask_of_others_keeps_its_place(
    scene: Loops, monkeypatch: pytest.MonkeyPatch
) -> None:
    quota = Quota(2, 8.0, reserve=1)
    limiter = await scene.asking()
    taken = limiter.slot(OTHER, quota=quota)
    await taken.__aenter__()
    worker: Any = limiter._agent.worker
    real, waiting = Direct.ask, threading.Thread(target=lambda: asyncio.run(wait()))

    async def wait() -> None:
        with pytest.raises(NotSentError, match="closed"):
            async with limiter.slot(OTHER, quota=quota):
                pass

    def places() -> int:
        return sum(sum(key.waiters.values()) for key in report_server(scene.server.url).keys)

    def ask(self: Direct, *asked: Any) -> bool:
        monkeypatch.setattr(Direct, "ask", real)
        waiting.start()
        wait_for(lambda: worker.keys[OTHER].told)  # between the look at what is known of the key and the ask
        return real(self, *asked)

    monkeypatch.setattr(Direct, "ask", ask)
    async with limiter.slot(OTHER, priority=Priority.PANIC, quota=quota):
        assert scene.asked[True] == 2
        await asyncio.to_thread(wait_for, places, 1.0)
    await limiter.aclose()
    await asyncio.to_thread(waiting.join)


async def test_a_key_that_a_loop_asks_for_first_does_not_disturb_the_thread(
    scene: Loops, caplog: pytest.LogCaptureFixture
) -> None:
    limiter = await scene.asking()
    worker: Any = limiter._agent.worker

    class Keys(dict[Any, Any]):
        def __contains__(self, key: object) -> bool:
            worker._eras.setdefault(OTHER, 7)  # as `book` does in another thread
            return super().__contains__(key)

    worker.keys = Keys(worker.keys)
    worker._turns = TIDY - 1
    with caplog.at_level(logging.ERROR, "okx_async"):
        assert await limiter.recall("nothing") is None
        await asyncio.gather(*(use(limiter) for _ in range(2)))
        await all_told(limiter)
        await asyncio.to_thread(worker._notices.join, 5.0)
    assert worker._turns >= TIDY
    assert OTHER in worker._eras
    assert caplog.text == ""
