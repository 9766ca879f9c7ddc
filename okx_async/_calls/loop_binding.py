"""To which event loop a client belongs: that of its first call, until it is closed."""

import asyncio


class LoopBinding:
    """The event loop of one client, and whether the client was closed."""

    __slots__ = ("_bound", "closed")

    def __init__(self) -> None:
        self._bound: dict[str, asyncio.AbstractEventLoop] = {}
        self.closed = False
        """Whether nothing more is sent."""

    def use(self) -> None:
        """Bind the client to the running loop, or raise RuntimeError if it is closed or belongs to another one."""
        if self.closed:
            raise RuntimeError("this client is closed")
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError(
                "no event loop of asyncio is running, and okx_async works on no other: Trio, say"
            ) from None
        if self._bound.setdefault("loop", loop) is not loop:  # in one step: threads may make the first call at once
            raise RuntimeError("this client belongs to another event loop: make one for each, they share their limits")

    def close(self) -> bool:
        """Note that the client is closed, and return whether there is something to end: it was used in this loop."""
        if self._bound and not self.closed:
            self.use()
        self.closed = True
        return self._bound.get("loop") is asyncio.get_running_loop()
