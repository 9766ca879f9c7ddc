"""What a test has left in its loop."""

import asyncio
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

from okx_async._http.timeouts import TimeoutGroup
from okx_async.simulator.virtual.jumping_loop import JumpingLoop

NEAR = 2
"""Frames that are noted of each future in debug mode."""


def left_in(loop: asyncio.AbstractEventLoop) -> set[str]:
    """Describe the tasks, timers and sockets of a loop."""
    tasks = asyncio.all_tasks(loop) - {asyncio.current_task(loop)}
    left = {f"task {task!r}" for task in tasks}
    inner: Any = loop  # timers and sockets have no public view
    if isinstance(loop, JumpingLoop):
        timers = loop.timers()
    elif not hasattr(inner, "_selector"):  # uvloop does not say
        return left
    else:
        left |= {f"socket {key.fd} of {key.data!r}" for key in inner._selector.get_map().values()}
        timers = [timer for timer in inner._scheduled if not timer.cancelled()]
    return left | {f"timer {timer!r}" for timer in timers if not _is_hint(timer)}


def _is_hint(timer: Any) -> bool:
    """Whether this is the timer of an open client without requests: it stays armed until it next fires."""
    owner = getattr(timer._callback, "__self__", None)
    return isinstance(owner, TimeoutGroup) and not (owner.connecting or owner.answering or owner._closed)


def near_frames(frame: FrameType | None) -> Iterator[tuple[FrameType, int]]:
    """Yield the innermost frames only: loops in debug mode note those of each future, which is half of a test's time.

    `python -X dev` has them all, for the message about a task that was left behind.
    """
    frame = frame or sys._getframe(2)
    for _ in range(NEAR):
        yield frame, frame.f_lineno
        if frame.f_back is None:
            break
        frame = frame.f_back
