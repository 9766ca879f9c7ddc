"""A process in which no thread can begin, and locks of another thread."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def no_threads() -> Iterator[None]:
    """Let no thread begin meanwhile, as where there are too many."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        yield


def is_held(lock: threading.RLock) -> bool:
    """Return whether another thread than one of its own could not take a lock now."""
    free: list[bool] = []

    def look() -> None:
        if lock.acquire(blocking=False):
            lock.release()
            free.append(True)

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    return not free


@contextmanager
def held(lock: threading.RLock) -> Iterator[None]:
    """Have a lock held by another thread meanwhile."""
    taken, done = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            taken.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    taken.wait()
    yield
    done.set()
    thread.join()
