"""A limiter on a server that is killed, stopped, flushed and restarted."""

import asyncio
import logging
import multiprocessing
import os
import re
import signal
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from okx_async import InvalidRequestError, NotSentError, Priority, Quota, SlotTimeoutError
from okx_async.stores import RedisLimiter
from okx_async.stores._redis.reports import report_server
from tests.stores.proxies import Proxy
from tests.stores.servers import Server

KEY = ("live", "1", "BTC-USDT-SWAP")
QUOTA = Quota(4, 0.3)
MANUAL = Path(__file__).parents[3] / "docs" / "how-to" / "many-hosts.md"


class Scene:
    def __init__(self, server: Server) -> None:
        self.server = server
        self.made: list[RedisLimiter] = []

    def limiter(self, url: str = "", **options: Any) -> RedisLimiter:
        self.made.append(RedisLimiter(url or self.server.url, QUOTA, lease=1.0, doubt_grace=0.2, **options))
        return self.made[-1]

    async def ready(self, url: str = "", **options: Any) -> RedisLimiter:
        limiter = self.limiter(url, **options)
        await limiter.vouch()
        async with limiter.slot(KEY) as slot:
            slot.refund()
        return limiter


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    made = Scene(Server())
    yield made
    for limiter in made.made:
        await limiter.aclose()
    made.server.close()


async def use(limiter: RedisLimiter, priority: Priority = Priority.NORMAL, max_wait: float | None = None) -> float:
    """Return how long a slot took."""
    begun = time.monotonic()
    async with limiter.slot(KEY, priority=priority, max_wait=max_wait) as slot:
        slot.check(0.1)
    return time.monotonic() - begun


def told(limiter: RedisLimiter) -> None:
    """Wait until the program was told all that there is to tell."""
    limiter._agent.worker._notices.join(5.0)


async def test_a_dead_server_is_reported_at_once_and_found_again_without_a_restart(scene: Scene) -> None:
    limiter = await scene.ready()
    scene.server.kill()
    begun = time.monotonic()
    for _ in range(3):
        with pytest.raises(NotSentError, match="the limits cannot be kept, nothing was sent: redis://127"):
            await use(limiter)
    assert time.monotonic() - begun < 0.6
    scene.server.start()
    await asyncio.sleep(0.15)
    with pytest.raises(SlotTimeoutError):  # it is empty, and pauses
        await use(limiter, max_wait=0)
    await limiter.vouch()
    await use(limiter)


async def test_panic_waits_for_no_dead_server_and_sends_one_in_a_window(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    limiter = await scene.ready()
    scene.server.kill()
    with caplog.at_level(logging.WARNING, "okx_async"):
        assert await use(limiter, Priority.PANIC) < 0.25
        assert 0.25 < await use(limiter, Priority.PANIC) < 0.8
        with pytest.raises(NotSentError):
            await use(limiter, Priority.PANIC, max_wait=0.05)
        told(limiter)
    assert "is out of reach" in caplog.text
    assert caplog.text.count("without it this process sends 1 in 0.3 s") == 1


async def test_what_panic_took_alone_is_reported_on_return(scene: Scene) -> None:
    limiter = await scene.ready()
    scene.server.kill()
    async with limiter.slot(KEY, priority=Priority.PANIC):
        scene.server.start()
        other = await scene.ready()
        await asyncio.sleep(0.2)
        async with limiter.slot(KEY) as slot:  # the server pauses no more; who asks it tells it, too
            slot.refund()
        for one in (limiter, other):
            await one.vouch()  # by then all that was told is there
        found = await asyncio.to_thread(report_server, scene.server.url)
        assert [key.in_flight for key in found.keys] == [1]


async def test_a_server_that_forgot_is_told_what_the_program_has_out(scene: Scene) -> None:
    limiter = await scene.ready()
    async with limiter.slot(KEY), limiter.slot(KEY):
        scene.server.said("FLUSHALL")
        with pytest.raises(SlotTimeoutError):  # it pauses
            await use(limiter, max_wait=0)
        await limiter.vouch()  # by then all that was told is there
        found = await asyncio.to_thread(report_server, scene.server.url)
        assert [key.in_flight for key in found.keys] == [2]


async def test_panic_waits_for_no_pause(scene: Scene) -> None:
    limiter = await scene.ready()
    assert scene.server.said("FLUSHALL") == b"+OK"
    with pytest.raises(SlotTimeoutError):
        await use(limiter, max_wait=0)
    assert await use(limiter, Priority.PANIC) < 0.2
    assert await use(limiter, Priority.PANIC) > 0.25
    assert 0.0 < await use(limiter) < 3.0  # the pause ends by itself


async def test_panic_waits_for_no_server_that_is_silent(scene: Scene) -> None:
    limiter = await scene.ready()
    assert scene.server.process is not None
    os.kill(scene.server.process.pid, signal.SIGSTOP)
    try:
        assert await use(limiter, Priority.PANIC) < 0.4
        begun = time.monotonic()
        with pytest.raises(SlotTimeoutError):
            await use(limiter, max_wait=0.1)
        assert time.monotonic() - begun < 0.6
    finally:
        os.kill(scene.server.process.pid, signal.SIGCONT)
    await asyncio.sleep(0.3)
    await use(limiter, max_wait=5.0)


async def test_with_local_each_process_goes_on_with_its_part_after_a_hold(scene: Scene) -> None:
    limiter = await scene.ready(on_loss="local", processes=2)
    scene.server.kill()
    with pytest.raises(NotSentError):
        await use(limiter)
    await asyncio.sleep(1.7)
    begun = time.monotonic()
    for _ in range(4):
        await use(limiter)
    assert 0.25 < time.monotonic() - begun < 0.9  # two, a window, two


async def test_a_flushed_script_is_not_noticed(scene: Scene) -> None:
    limiter = await scene.ready()
    assert scene.server.said("SCRIPT", "FLUSH") == b"+OK"
    assert await use(limiter) < 0.2


async def use_through(
    proxy: Proxy, limiters: list[RedisLimiter], *, tasks: int, pause: float, delay: float, times: int, seconds: float
) -> list[float]:
    """Return when slots were had, in order, while answers are late, lost and doubled so many times."""
    sent: list[float] = []

    async def work(limiter: RedisLimiter) -> None:
        while time.monotonic() < end:
            try:
                async with limiter.slot(KEY, max_wait=0.5):
                    sent.append(time.monotonic())
            except NotSentError:
                await asyncio.sleep(0.02)

    async def disturb() -> None:
        for _ in range(times):
            await asyncio.sleep(pause)
            proxy.delay = delay - proxy.delay
            proxy.drops += 1
            await asyncio.sleep(pause)
            proxy.doubles += 1

    end = time.monotonic() + seconds
    await asyncio.gather(disturb(), *(work(limiter) for limiter in limiters for _ in range(tasks)))
    proxy.close()
    return sorted(sent)


async def test_two_limiters_keep_one_limit_while_answers_are_late_lost_and_doubled(scene: Scene) -> None:
    proxy = Proxy(scene.server.port)
    await scene.ready()
    limiters = [scene.limiter(proxy.url), scene.limiter()]
    at = await use_through(proxy, limiters, tasks=4, pause=0.15, delay=0.01, times=4, seconds=1.5)
    assert len(at) >= 8
    assert all(later - first > QUOTA.per for first, later in zip(at, at[QUOTA.limit :], strict=False))


async def test_a_cancelled_ask_leaves_nothing_behind(scene: Scene) -> None:
    proxy = Proxy(scene.server.port)
    limiter = await scene.ready(proxy.url)
    proxy.delay = 0.05
    for _ in range(6):
        task = asyncio.create_task(limiter.slot(KEY).__aenter__())
        await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.wait([task])
    proxy.delay = 0.0
    await asyncio.sleep(0.3)
    begun = time.monotonic()
    for _ in range(QUOTA.limit):
        await use(limiter)
    assert time.monotonic() - begun < 0.2
    proxy.close()


async def test_a_wrong_server_is_refused_even_in_panic(scene: Scene) -> None:
    scene.server.said("CONFIG", "SET", "maxmemory", "100mb")
    scene.server.said("CONFIG", "SET", "maxmemory-policy", "volatile-ttl")
    limiter = scene.limiter()
    for priority in Priority:
        with pytest.raises(InvalidRequestError, match="volatile-ttl"):
            await use(limiter, priority)


def child(limiter: RedisLimiter, out: "multiprocessing.SimpleQueue[float]") -> None:
    async def take() -> None:
        out.put(await use(limiter))
        await limiter.aclose()

    asyncio.run(take())


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.long)])
async def test_a_child_shares_the_limit_of_its_parent(scene: Scene, method: str) -> None:
    limiter = await scene.ready()
    context: Any = multiprocessing.get_context(method)
    out = context.SimpleQueue()
    process = context.Process(target=child, args=(limiter, out))
    async with limiter.slot(KEY):
        process.start()
        await asyncio.to_thread(process.join)
        assert out.get() < 5.0
        await use(limiter)
    found = await asyncio.to_thread(report_server, scene.server.url)
    assert process.exitcode == 0
    assert found.paused == 0.0


async def test_the_user_whom_the_manual_names_may_do_all_that_is_needed(scene: Scene) -> None:
    [rights] = re.findall(r"^ACL SETUSER okx on >password (.*)$", MANUAL.read_text(), re.MULTILINE)
    words = [*rights.split(), *re.findall(r"`(\+select)`", MANUAL.read_text())]
    assert scene.server.said("ACL", "SETUSER", "limits", "on", ">pass", *words) == b"+OK"
    url = f"redis://limits:pass@127.0.0.1:{scene.server.port}"
    assert scene.server.said("SCRIPT", "FLUSH") == b"+OK"
    for database in ("", "/3"):
        limiter = await scene.ready(url + database)
        await use(limiter)
        limiter.remember("who", "me")
        assert await limiter.recall("who") == "me"
        found = await asyncio.to_thread(report_server, url + database)
        assert len(found.keys) == 1
        assert found.server is not None


async def test_what_is_likely_to_be_a_mistake_is_told_at_the_start(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    await scene.ready(prefix="other")
    with caplog.at_level(logging.WARNING, "okx_async"):
        limiter = await scene.ready()
        await limiter.vouch()  # by then all that is done at the start is done
        told(limiter)
    assert caplog.text.count("programs with another prefix (other) keep limits there too, or did lately") == 1


async def test_panic_waits_for_no_handler_of_the_programs_log(scene: Scene) -> None:
    limiter, goes_on = await scene.ready(), threading.Event()
    slow = logging.Handler()
    slow.emit = lambda _: goes_on.wait(5.0)  # type: ignore[assignment,method-assign]
    log = logging.getLogger("okx_async")
    log.addHandler(slow)
    try:
        scene.server.kill()
        for number in range(2):
            async with asyncio.timeout(2.0), limiter.slot((f"{number}",), priority=Priority.PANIC):
                pass
    finally:
        goes_on.set()
        log.removeHandler(slow)


async def test_panic_waits_for_no_silent_server_at_keys_that_were_not_used_before(scene: Scene) -> None:
    limiter, quota = await scene.ready(), Quota(1, 7.0)
    assert scene.server.process is not None
    os.kill(scene.server.process.pid, signal.SIGSTOP)
    try:
        asking = asyncio.create_task(use(limiter))  # the thread now waits for the server
        await asyncio.sleep(0.05)
        begun = time.monotonic()
        async with limiter.slot(("new",), priority=Priority.PANIC, quota=quota):
            assert time.monotonic() - begun < 0.6  # it gives the server up after 1 s
        assert limiter._agent.worker.keys["new",].quota == quota
        with pytest.raises(NotSentError):
            await asking
    finally:
        os.kill(scene.server.process.pid, signal.SIGCONT)


async def test_a_host_may_have_a_name_of_any_bytes(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: os.fsdecode(b"j\xf6rg"))
    await use(await scene.ready())
    [key] = (await asyncio.to_thread(report_server, scene.server.url)).keys
    assert key.holders == {f"{os.getpid()}@j?rg": 1}


async def test_panic_does_not_take_a_server_that_is_far_away_for_a_silent_one(scene: Scene) -> None:
    await (await scene.ready()).aclose()
    proxy = Proxy(scene.server.port)
    proxy.delay = 0.06
    scene.made += [RedisLimiter(proxy.url, Quota(1, 20.0), lease=1.0, doubt_grace=0.2) for _ in range(2)]
    first, second = scene.made[-2:]
    async with first.slot(("far",), priority=Priority.PANIC) as slot:  # over a connection that is opened for it
        with pytest.raises(SlotTimeoutError, match="the earliest possible one"):
            await second.slot(("far",), priority=Priority.PANIC, max_wait=2.0).__aenter__()
        slot.refund()
    proxy.delay = 0.2
    await use(first, max_wait=2.0)
    async with first.slot(("far",), priority=Priority.PANIC):
        with pytest.raises(SlotTimeoutError, match="the earliest possible one"):
            await second.slot(("far",), priority=Priority.PANIC, max_wait=2.0).__aenter__()
    proxy.close()


async def test_panic_does_not_wait_until_a_silent_server_is_given_up_though_it_never_answered(scene: Scene) -> None:
    assert scene.server.process is not None
    os.kill(scene.server.process.pid, signal.SIGSTOP)
    try:
        assert await use(scene.limiter(), Priority.PANIC) < 0.95
    finally:
        os.kill(scene.server.process.pid, signal.SIGCONT)
