"""A context manager around libraries that only have something to await before a request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable


class Waiting:
    """Awaits ``wait()`` on entry; there is nothing to give back."""

    __slots__ = ("_wait",)

    def __init__(self, wait: Callable[[], Awaitable[object]]) -> None:
        self._wait = wait

    async def __aenter__(self) -> None:
        await self._wait()

    async def __aexit__(self, *_: object) -> None:
        pass
