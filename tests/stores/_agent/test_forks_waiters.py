"""Waits that a fork finds in line: the child has no thread that would end them."""

from pathlib import Path

import pytest

from tests.stores.stories import tell


def test_a_program_that_becomes_a_daemon_between_two_runs_of_its_loop_loses_no_waiter(tmp_path: Path) -> None:
    tell(
        tmp_path,
        """
from okx_async import Priority

async def use(max_wait, priority):
    async with limiter.slot(KEY, quota=Quota(1, 0.5), max_wait=max_wait, priority=priority) as slot:
        slot.check()

async def begin():
    async with limiter.slot(KEY, quota=Quota(1, 0.5)):
        pass
    tasks = [asyncio.create_task(use(max_wait, priority)) for max_wait in (None, 9.0) for priority in Priority]
    tasks.append(asyncio.create_task(use(0.6, Priority.NORMAL)))
    await asyncio.sleep(0.05)
    return tasks

async def go_on(tasks):
    done, waiting = await asyncio.wait(tasks, timeout=8.0)
    assert not waiting, "no thread of the child's knows of them"
    assert not [task for task in tasks[:4] if task.exception()]
    assert isinstance(tasks[4].exception(), SlotTimeoutError)
    assert not limiter._agent.waiters
    return True

loop = asyncio.new_event_loop()
tasks = loop.run_until_complete(begin())
assert child(lambda: loop.run_until_complete(go_on(tasks))) == 0
os._exit(0)
""",
    )


def test_a_child_gives_back_no_token_that_is_its_parents(tmp_path: Path) -> None:
    tell(
        tmp_path,
        """
async def wait():
    async with limiter.slot(KEY) as slot:
        await asyncio.sleep(60.0)

async def cancel(task):
    task.cancel()
    await asyncio.wait([task])
    return not await free()

loop = asyncio.new_event_loop()
task = loop.create_task(wait())
act = lambda: [loop.run_until_complete(cancel(task))] == [True]
loop.call_soon(loop.stop)
loop.run_forever()
time.sleep(0.2)  # its token is on its way to the loop
assert child(act) == 0
os._exit(0)
""",
    )


@pytest.mark.parametrize("step", ["before_fork", "after_fork"])
def test_a_signal_may_fork_in_the_midst_of_a_fork(tmp_path: Path, step: str) -> None:
    """A handler of SIGCHLD that starts the next child hung for ever, and with it the program."""
    tell(
        tmp_path,
        f"""
import signal, threading
from okx_async.stores._agent.agent import Agent
step, nested = Agent.{step}, []

def handler(*_):
    Agent.{step} = step
    nested.append(child(lambda: use("nested")))

def interrupted(agent):
    step(agent)
    signal.raise_signal(signal.SIGUSR1)

def use(name):  # in another thread, not one of concurrent.futures: its own lock hangs there
    found = []
    thread = threading.Thread(target=lambda: found.append(asyncio.run(free((name,)))), daemon=True)
    thread.start()
    thread.join(20.0)
    return found == [True]

signal.signal(signal.SIGUSR1, handler)
assert use("before")
Agent.{step} = interrupted
assert child(lambda: use("child")) == 0
assert nested == [0], nested
assert use("parent")
assert child(lambda: use("another")) == 0
""",
    )
