"""The event loop of the commands: that of uvloop where it is installed, else asyncio's own."""

import asyncio
import errno
import importlib
import os
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from okx_async import NotSentError

_T = TypeVar("_T")
_FILES: Final = 15
"""Files that a loop, a connection and the file of the limits take together; uvloop ends the process without its own."""


def run(work: Coroutine[Any, Any, _T]) -> _T:
    """Run `work` to its end, as `asyncio.run` does.

    Raises:
        NotSentError: This process may not open the few files that a loop and a connection need; nothing was begun.
    """
    try:
        _check_files()
    except BaseException:
        work.close()
        raise
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(work)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes an event loop of uvloop, None where it is missing or made for another machine."""
    try:
        uvloop = importlib.import_module("uvloop")
    except ImportError:
        return None
    make: Callable[[], asyncio.AbstractEventLoop] | None = getattr(uvloop, "new_event_loop", None)
    return make


def _check_files() -> None:
    taken: list[int] = []
    try:
        taken += (os.open(os.devnull, os.O_RDONLY) for _ in range(_FILES))
    except OSError as error:
        if error.errno not in {errno.EMFILE, errno.ENFILE}:  # there is no such device here, which says nothing
            return
        words = f"nothing was sent: {error.strerror}, and {_FILES} more are needed (ulimit -n 1024)"
        raise NotSentError(words) from None
    finally:
        for number in taken:
            os.close(number)
