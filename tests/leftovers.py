"""What a test has left in its loop."""

import asyncio
from typing import Any

from okx_async._http.timeouts import TimeoutGroup
from okx_async.simulator.virtual.jumping_loop import JumpingLoop


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
