import asyncio
import gc
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from okx_async import NotSentError, Quota
from okx_async.stores._agent.agent import Agent
from okx_async.stores._agent.waiters import Note
from okx_async.stores._redis.address import read_address
from okx_async.stores._redis.store import RedisStore
from okx_async.stores._sqlite.transactions import Database
from okx_async.stores.clocks import shared_clock
from okx_async.stores.lease import Terms
from tests.stores.servers import wait_for
from tests.stores.threads import held, is_held

KEY = ("k",)
QUOTA = Quota(2, 2.0)


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    made = Agent(Database(tmp_path / "limits.sqlite3", Terms()), QUOTA, shared_clock)
    yield made
    made.close(1.0)


async def ask(agent: Agent, max_wait: float | None = None) -> object:
    waiter = agent.ask(KEY, QUOTA, asyncio.get_running_loop(), panic=False, max_wait=max_wait)
    error = await waiter.future
    return error or waiter.token


async def told(agent: Agent) -> None:
    """Wait until the agent has done all it was told."""
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    agent.call(lambda _: None, lambda _: loop.call_soon_threadsafe(done.set))
    await done.wait()


async def test_statistics_show_what_was_last_seen_and_add_up(agent: Agent) -> None:
    assert agent.statistics(KEY).free == agent.statistics("no tuple").free == 2
    first, _ = await ask(agent), await ask(agent)
    agent.tell(KEY, Note("settle", str(first), agent.clock()))
    waiter = agent.ask(KEY, QUOTA, asyncio.get_running_loop(), panic=False, max_wait=None)
    await told(agent)
    seen = agent.statistics(KEY)
    assert (seen.limit, seen.free, seen.in_flight, seen.cooling, seen.waiting, seen.granted) == (2, 0, 1, 1, 1, 2)
    assert agent.keys() == [KEY]
    agent.leave(waiter)


def test_a_loop_that_was_closed_in_the_midst_of_a_wait_does_not_live_on(agent: Agent) -> None:
    def run() -> "weakref.ref[asyncio.AbstractEventLoop]":
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(lambda *_: None)  # of the task that is destroyed
        assert not loop.create_task(ask(agent)).done()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
        return weakref.ref(loop)

    with held(agent.worker.lock):
        found = run()
        assert [waiter.loop for waiter in agent.waiters] == [found()]
    wait_for(lambda: gc.collect() >= 0 and found() is None)
    assert not agent.waiters


async def test_one_thread_serves_all_loops(agent: Agent) -> None:
    def elsewhere() -> None:
        asyncio.run(use())

    async def use() -> None:
        for _ in range(5):
            token = await ask(agent)
            agent.tell(KEY, Note("refund", str(token), agent.clock()))

    others = threading.enumerate()
    threads = [threading.Thread(target=elsewhere) for _ in range(3)]
    for thread in threads:
        thread.start()
    await use()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    assert [t.name for t in threading.enumerate() if t not in others].count("okx_async limits") == 1


async def test_a_closed_agent_ends_every_wait(agent: Agent) -> None:
    await ask(agent)
    await ask(agent)
    waiting = asyncio.create_task(ask(agent))
    await told(agent)
    await asyncio.to_thread(agent.close, 1.0)
    assert isinstance(await waiting, NotSentError)
    assert isinstance(await ask(agent), NotSentError)


def test_a_server_that_is_being_asked_holds_no_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    store = RedisStore(read_address("redis://host"), Terms(), "okx-async", clock=shared_clock)
    abandoned: list[bool] = []
    monkeypatch.setattr(store, "abandon", lambda: abandoned.append(True))
    agent = Agent(store, QUOTA, shared_clock)
    parents = agent.worker
    with held(parents.lock):
        begun = shared_clock()
        agent.before_fork()
        assert shared_clock() < begun + 0.5
        agent.after_fork()
        assert is_held(parents.lock), "it is the thread's, which goes on"
        agent.before_fork()
        agent.begin_in_child(prepared=True)
        assert abandoned == [True]
    agent.before_fork()
    agent.begin_in_child(prepared=True)
    assert abandoned == [True], "its connections were closed"


def test_a_file_that_is_being_used_holds_a_fork_until_it_is_closed(agent: Agent) -> None:
    prepared, forked = threading.Event(), threading.Event()

    def fork() -> None:
        agent.before_fork()
        prepared.set()
        forked.wait()
        agent.after_fork()

    forking = threading.Thread(target=fork)
    with agent.worker.lock:
        forking.start()
        assert not prepared.wait(0.2)
    assert prepared.wait(5.0)
    assert is_held(agent.worker.lock)
    forked.set()
    forking.join(5.0)
    assert not is_held(agent.worker.lock)
