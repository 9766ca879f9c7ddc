"""A limiter on both sides of a fork, and in a process that was spawned."""

import asyncio
import logging
import multiprocessing
import re
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import cast

import pytest

from okx_async import Limiter, NotSentError, Quota, Slot, SlotTimeoutError, Statistics
from okx_async._limiter import registry as registry_module
from okx_async._limiter.default import default_limiter
from tests._limiter.scenes import Clock, hold, in_a_new_loop, take
from tests.stores.threads import is_held


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limiter(clock: Clock) -> Limiter:
    return Limiter(Quota(3, 2.0), clock=clock)


def _in_a_child(job: Callable[[], object], method: str = "fork") -> object:
    """Return what a job returns in a child process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12: forking with threads; that is the subject
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
            return pool.submit(job).result(20)


class Inherited:
    """What a child process does with the limiter that it finds."""

    limiter: Limiter
    slot: Slot

    @classmethod
    def look(cls) -> tuple[Statistics, list[str]]:
        """Return what the child sees once it has used the keys, and what it was told."""
        told: list[str] = []
        handler = logging.Handler()
        handler.emit = lambda record: told.append(record.getMessage())  # type: ignore[method-assign]
        logging.getLogger("okx_async").addHandler(handler)

        async def use_both() -> None:
            for key in ("k", "another"):
                await take(cls.limiter, key)
                await asyncio.sleep(0)
            await take(Limiter())

        in_a_new_loop(use_both())
        return cls.limiter.statistics("k"), told

    @classmethod
    def check(cls) -> str:
        try:
            cls.slot.check()
        except NotSentError as error:
            cls.slot.refund()  # the parent's own: it changes nothing here
            return f"{error} {cls.limiter.statistics('k').free}"
        return "held"


@pytest.mark.parametrize("running", [False, True], ids=["between runs", "inside a running loop"])
def test_a_forked_child_has_a_quota_of_its_own_less_what_its_parent_had_out(limiter: Limiter, *, running: bool) -> None:
    Inherited.limiter = limiter

    async def parent() -> object:
        await take(limiter)
        await hold(limiter)
        return _in_a_child(Inherited.look) if running else None

    seen, told = cast("tuple[Statistics, list[str]]", in_a_new_loop(parent()) or _in_a_child(Inherited.look))
    assert (seen.free, seen.in_flight, seen.cooling, seen.granted) == (0, 0, 3, 1)
    assert [text for text in told if "OKX_LIMITS" in text] == [registry_module.FORKED]
    assert limiter.statistics("k").granted == 2


def test_a_forked_child_may_use_every_key_when_the_parents_requests_cannot_be_counted_any_more(
    limiter: Limiter, clock: Clock
) -> None:
    registry = limiter._registry
    in_a_new_loop(take(limiter))
    in_a_new_loop(hold(limiter))
    registry.begin_in_child()
    in_a_new_loop(take(limiter))
    with pytest.raises(SlotTimeoutError):
        in_a_new_loop(take(limiter))
    clock.now += 2.1
    assert limiter.statistics("k").free == 2
    clock.now += 5.0
    assert limiter.statistics("k").free == 3


def test_a_slot_of_the_parent_is_lost_in_the_child_and_changes_nothing_there(limiter: Limiter) -> None:
    Inherited.limiter = limiter

    async def parent() -> object:
        Inherited.slot = await limiter.slot("k").__aenter__()
        return _in_a_child(Inherited.check)

    said = in_a_new_loop(parent())
    assert said == "'k': the slot was lost while its loop did not run; nothing was sent 3"
    Inherited.slot.check()
    Inherited.slot.refund()


async def test_a_child_that_goes_on_in_its_parents_loop_asks_anew(limiter: Limiter, clock: Clock) -> None:
    await limiter.block("k", 1.0, refused=False)
    waiter = asyncio.ensure_future(take(limiter, max_wait=None))
    await asyncio.sleep(0)
    clock.now += 1.1  # its time has come, the timer has not fired
    limiter._registry.begin_in_child()
    await waiter
    assert limiter.statistics("k").granted == 1


def test_no_thread_holds_a_lock_that_a_child_finds_locked() -> None:
    limiter = Limiter(Quota(10_000, 2.0))
    Inherited.limiter = limiter
    ends = threading.Event()

    async def hammer() -> None:
        while not ends.is_set():
            for _ in range(100):
                async with limiter.slot("busy") as slot:
                    slot.refund()

    thread = threading.Thread(target=in_a_new_loop, args=(hammer(),))
    thread.start()
    try:
        for _ in range(5):
            assert _in_a_child(Inherited.look)
    finally:
        ends.set()
        thread.join(10)


def test_a_fork_in_the_midst_of_another_leaves_no_lock_held(limiter: Limiter) -> None:
    """As a handler of SIGCHLD makes it that starts the next child."""
    lock = limiter._registry.lock
    registry_module._FORK.before()
    registry_module._FORK.before()
    registry_module._FORK.in_parent()
    assert is_held(lock)
    registry_module._FORK.in_parent()
    assert not is_held(lock)
    registry_module._FORK.before()
    registry_module._FORK.before()
    registry_module._FORK.in_child()
    assert not is_held(lock)
    registry_module._FORK.in_parent()  # the child goes on with what was interrupted
    registry_module._Fork.to_be_told = False


BEHIND = """
import asyncio, ctypes, os
import okx_async as okx
limiter = okx.Limiter(okx.Quota(1, 60.0))

async def use():
    async with limiter.slot("k", max_wait=0):
        pass

asyncio.run(use())
pid = ctypes.PyDLL(None).fork()
if pid == 0:
    ctypes.pythonapi.PyOS_AfterFork_Child()  # as uWSGI calls it, without the step before the fork
    try:
        asyncio.run(use())
    except okx.SlotTimeoutError:
        os._exit(0)
    os._exit(1)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
"""


@pytest.mark.skipif(sys.platform != "linux", reason="fork of the C library")
@pytest.mark.skipif(sys.version_info >= (3, 13), reason="Python ends such a child: its import lock is nobody's")
def test_a_fork_behind_pythons_back_is_a_fork_too() -> None:
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", BEHIND], capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert re.fullmatch("this process was forked, [^\n]*\n", done.stderr), done.stderr


def test_a_spawned_process_begins_with_nothing() -> None:
    assert _in_a_child(_state_of_the_default, "spawn") == 0


def _state_of_the_default() -> int:
    in_a_new_loop(take(default_limiter()))
    return default_limiter().statistics("k").in_flight
