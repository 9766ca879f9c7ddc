"""What a store has to tell the program: each thing once, in a thread of its own.

A handler of the program's may take any time, to send a message over the network for instance. No wait for a slot lasts
longer for it, nor that of another program for the lock of a file.
"""

import sys
import threading
from collections import deque
from contextlib import suppress
from shlex import quote
from typing import Final

from okx_async._limiter.slots import subject
from okx_async._log import ERROR, WARNING, logger
from okx_async._quota import Quota
from okx_async.stores.url_options import PREFIX

SAME: Final = 1.0
"""Seconds within which two ends of a pause are those of one."""


def vouching(url: str, prefix: str = PREFIX) -> str:
    """Return the command that ends a pause of these limits, as a shell takes it."""
    of = "" if prefix == PREFIX else f" --prefix {quote(prefix)}"
    return f"okx-async limits --store {quote(url)}{of} --vouch"


class Notices:
    """What was told so far, and what is to be told.

    Args:
        vouched_by: The command that ends a pause of the store.
    """

    def __init__(self, vouched_by: str) -> None:
        self._vouched_by = vouched_by
        self._told: set[object] = set()
        self._paused_at = 0.0
        self._waiting: deque[tuple[int, str, tuple[object, ...]]] = deque()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def quota(self, key: tuple[str, ...], wanted: Quota, agreed: Quota) -> None:
        """Tell that another program uses a key with another quota."""
        if (key, wanted) not in self._told:
            self._told.add((key, wanted))
            self.warning(
                "%s is in use with another quota than %s: the stricter one of both holds, %s",
                subject(key),
                wanted,
                agreed,
            )

    def pause(self, until: float, seconds: float) -> None:
        """Tell that a store which has lost its memory grants nothing for a while."""
        if until > self._paused_at + SAME:  # a server has an epoch for each part of its keys, all of one moment
            self._paused_at = until
            self.warning(
                "the limits were lost, or their store is new, so nothing is granted for %.1f s: programs that are not "
                "known may still send (if none of the account ran lately: %s)",
                seconds,
                self._vouched_by,
            )

    def warning(self, text: str, *args: object) -> None:
        """Have a warning logged."""
        self._put(WARNING, text, args)

    def error(self, text: str, *args: object) -> None:
        """Have an error logged."""
        self._put(ERROR, text, args)

    def join(self, seconds: float) -> None:
        """Wait until all is told, so many seconds at most."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(max(0.0, seconds))

    def _put(self, level: int, text: str, args: tuple[object, ...]) -> None:
        self._waiting.append((level, text, args))
        with self._lock:
            if self._thread is not None or sys.is_finalizing():
                return
            thread = threading.Thread(target=self._run, name="okx_async notices", daemon=True)
            with suppress(RuntimeError):  # there are too many, or the interpreter ends: the next notice takes it along
                thread.start()
                self._thread = thread  # which others may join only now

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                level, text, args = self._waiting.popleft()
            with suppress(KeyboardInterrupt, SystemExit):  # of a handler, which ends nothing from here
                logger.log(level, text, *args)
