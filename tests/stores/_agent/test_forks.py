"""Forks and ends of real processes; each story is a program of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from okx_async.stores._agent import forks
from okx_async.stores.reports import report
from tests.stores.stories import LEAN, STORY, tell


def test_a_child_shares_the_limit_of_its_parent_and_the_parent_goes_on(tmp_path: Path) -> None:
    tell(
        tmp_path,
        """
async def main():
    async with limiter.slot(KEY):
        assert child(lambda: not asyncio.run(free())) == 0
        assert child(lambda: asyncio.run(free(("other",)))) == 0
        assert not await free()
        assert await free(("other",))
asyncio.run(main())
""",
    )


def test_a_slot_of_the_parent_is_not_the_childs_to_end(tmp_path: Path) -> None:
    tell(
        tmp_path,
        """
def use(slot):
    try:
        slot.check(0.0)
    except NotSentError as error:
        assert "of a parent process" in str(error)
    else:
        return False
    slot.refund()
    return not asyncio.run(free())

async def main():
    async with limiter.slot(KEY) as slot:
        assert child(lambda: use(slot)) == 0
        slot.check(0.0)
        assert not await free()
asyncio.run(main())
""",
    )


def test_forks_beside_busy_threads_leave_both_sides_able_to_go_on(tmp_path: Path) -> None:
    tell(
        tmp_path,
        """
async def busy(number):
    for turn in range(200):
        assert await free(("busy", str(number)))

async def main():
    tasks = [asyncio.create_task(busy(number)) for number in range(4)]
    for _ in range(10):
        await asyncio.sleep(0.003)
        assert child(lambda: asyncio.run(free(("other",)))) == 0
    await asyncio.gather(*tasks)
asyncio.run(main())
""",
    )


@pytest.mark.share(2)
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_worker_of_multiprocessing_tells_the_store_what_became_of_its_last_request(
    tmp_path: Path, method: str
) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        STORY.replace("Quota(1, 60.0)", "Quota(1, 0.2)")
        + f"""
import multiprocessing

async def use(limiter):
    async with limiter.slot(KEY):
        pass

def work(limiter):
    asyncio.run(use(limiter))

if __name__ == "__main__":
    context = multiprocessing.get_context({method!r})
    process = context.Process(target=work, args=(limiter,))
    process.start()
    process.join()
    assert process.exitcode == 0
    time.sleep(0.25)
    assert asyncio.run(free()), "its slot is out as if it had died"
"""
    )
    command = [sys.executable, "-W", "ignore", str(program), str(tmp_path / "limits.sqlite3")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False, env=LEAN)  # noqa: S603
    assert done.returncode == 0, done.stderr


def test_the_end_of_a_program_delivers_what_became_of_its_last_request(tmp_path: Path) -> None:
    story = """
async def main():
    async with limiter.slot(KEY, quota=Quota(1, 0.2)):
        pass
asyncio.run(main())
"""
    tell(tmp_path, story)
    tell(
        tmp_path,
        """
async def main():
    await asyncio.sleep(0.2)
    async with limiter.slot(KEY, max_wait=0, quota=Quota(1, 0.2)):
        pass
asyncio.run(main())
""",
    )


def test_the_end_of_a_program_waits_for_a_limiter_that_nothing_refers_to_any_more(tmp_path: Path) -> None:
    """As where one is made in a function and never closed: its thread still has the end of the last request to tell."""
    story = """
from okx_async.stores._sqlite.transactions import Database
transact = Database.transact

def slowly(*args):
    time.sleep(0.05)  # what follows the last line of a program takes less
    return transact(*args)

Database.transact = slowly

async def main():
    own = SqliteLimiter(sys.argv[1], Quota(1, 0.2))
    async with own.slot(KEY):
        pass
asyncio.run(main())
"""
    tell(tmp_path, story)
    keys = report(tmp_path / "limits.sqlite3").keys
    assert not any(key.in_flight for key in keys), "its slot is out as if it had died"


def test_the_end_of_a_program_waits_a_second_at_most_though_many_limiters_have_something_to_tell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Silent:
        def flush(self, seconds: float) -> None:
            waits.append(seconds)
            now[0] += seconds

    waits: list[float] = []
    now, agents = [100.0], [Silent() for _ in range(8)]
    monkeypatch.setattr(forks, "_living", lambda: agents)
    forks._at_exit(lambda: now[0])
    monkeypatch.undo()
    assert waits == pytest.approx([0.2] * 5 + [0.0] * 3)


def test_a_fork_waits_for_the_last_message_of_a_limiter_that_nothing_refers_to_any_more(tmp_path: Path) -> None:
    """Its connection crossed the fork in the middle of a transaction: the file was locked for the child for ever."""
    tell(
        tmp_path,
        """
import threading
from okx_async.stores._sqlite.transactions import Database
transact, underway = Database.transact, threading.Event()

def slowly(database, work, until):
    def act(transaction):
        underway.set()
        time.sleep(0.05)
        return work(transaction)
    return transact(database, act, until)

Database.transact = slowly

async def use():
    own = SqliteLimiter(sys.argv[1])
    async with own.slot(("another",)):
        underway.clear()

asyncio.run(use())
assert underway.wait(5.0)
assert child(lambda: asyncio.run(free())) == 0
""",
    )


def test_a_fork_behind_pythons_back_is_refused(tmp_path: Path) -> None:
    tell(
        tmp_path,
        """
from okx_async.stores._agent import forks
assert asyncio.run(free())
limiter._agent.worker.lock.acquire()  # the thread of a parent does not cross a fork
forks._FORK.in_child()  # as an embedding program calls it, without the step before the fork
try:
    asyncio.run(free())
except NotSentError as error:
    assert "make the limiter after the fork" in str(error)
else:
    raise SystemExit("granted")
""",
    )


def test_threads_that_fork_at_the_same_moment_leave_no_limiter_without_its_thread(tmp_path: Path) -> None:
    tell(
        tmp_path,
        """
import threading
others = [SqliteLimiter(f"{sys.argv[1]}.{number}") for number in range(3)]

def forks():
    for _ in range(25):
        assert child(lambda: True) == 0

threads = [threading.Thread(target=forks, daemon=True) for _ in range(3)]
for thread in threads:
    thread.start()

async def main():
    global limiter
    for limiter in others * 10:
        assert await asyncio.wait_for(free(), 5.0)

asyncio.run(main())
for thread in threads:
    thread.join(20.0)
    assert not thread.is_alive()
""",
    )


def test_a_fork_while_another_thread_makes_limiters_is_prepared(tmp_path: Path) -> None:
    tell(
        tmp_path,
        """
from okx_async.stores._agent import forks
assert asyncio.run(free())
class Other:
    before_fork = after_fork = flush = lambda *_: None
    begin_in_child = lambda *_, prepared: None
others = []

def another_threads_turn(frame, event, arg):  # at each line of the step before the fork
    others.append(Other())
    forks.watch(others[-1])
    return another_threads_turn

def act():
    sys.settrace(None)  # the parent may have yet to tell that its own slot is free
    return any(asyncio.run(free()) or time.sleep(0.05) for _ in range(100))

sys.settrace(lambda frame, event, arg: another_threads_turn if frame.f_code.co_filename.endswith(
    ("forks.py", "_threads.py", "weakref.py", "_weakrefset.py")) and len(others) < 99 else None)
assert child(act) == 0
sys.settrace(None)
assert others
""",
    )


def test_a_log_handler_may_fork(tmp_path: Path) -> None:
    tell(
        tmp_path,
        """
import logging
forked = []

class Forks(logging.Handler):
    def emit(self, record):
        forked.append(child(lambda: True))

logging.getLogger("okx_async").addHandler(Forks())

async def main():
    async with limiter.slot(KEY):
        other = SqliteLimiter(sys.argv[1], Quota(1, 50.0))
        try:
            async with asyncio.timeout(10.0), other.slot(KEY, max_wait=0):
                pass
        except SlotTimeoutError:
            await other.aclose()
        other._agent.worker._notices.join(time.monotonic() + 10.0)
        assert forked == [0]
asyncio.run(main())
""",
    )


def test_a_del_at_the_very_end_is_told_that_nothing_was_sent(tmp_path: Path) -> None:
    tell(
        tmp_path,
        """
assert asyncio.run(free())
limiter_at_end, run, Error = limiter, asyncio.run, NotSentError

async def ends():
    try:
        async with limiter_at_end.slot(KEY):
            return "granted"
    except Error as error:
        said = str(error)
    try:
        await limiter_at_end.vouch()
    except Error:
        await limiter_at_end.aclose()
        return said

class AtEnd:
    def __del__(self, write=os.write):
        write(1, run(ends()).encode())

at_end = AtEnd()
""",
        "k: the limits cannot be kept, nothing was sent: no thread can begin in this process, or it ends",
    )
