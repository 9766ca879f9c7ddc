"""Names of hosts, looked up once at a time, and their last known addresses for when DNS is down."""

import asyncio
import socket
from functools import partial
from typing import Any, Final

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver, ThreadedResolver

from okx_async._errors import in_words
from okx_async._log import logger
from okx_async._threads import in_own_thread

PATIENCE: Final = 0.5
"""Most seconds for which DNS is awaited while an address is known; a quarter of the time to connect if that is less."""


def system_names() -> AbstractResolver:
    """Return a resolver that asks this system.

    asyncio's own loop asks it in the threads of the loop's executor. In their place it is asked in threads of its own,
    so that no connection waits until the caller's work there is done. Where aiodns is installed it asks by itself; it
    cannot on every loop and every machine.
    """
    if DefaultResolver is not ThreadedResolver:
        try:
            return DefaultResolver()
        except Exception as error:  # noqa: BLE001 - of aiodns, pycares or c-ares
            logger.warning("aiodns cannot be used (%s): the system is asked for names", in_words(error))
    asks = getattr(asyncio.get_running_loop().getaddrinfo, "__func__", None)
    if asks is not asyncio.BaseEventLoop.getaddrinfo:
        return ThreadedResolver()
    system: Any = _System()
    return ThreadedResolver(system)


class _System:
    """What a resolver needs of its loop."""

    async def getaddrinfo(self, host: str, port: int, **options: Any) -> list[Any]:
        return await in_own_thread(partial(socket.getaddrinfo, host, port, **options))

    async def getnameinfo(self, address: tuple[Any, ...], flags: int) -> tuple[str, str]:
        return await in_own_thread(partial(socket.getnameinfo, address, flags))


class LastKnown(AbstractResolver):
    """A resolver that returns the last known addresses of a host while DNS fails or is silent.

    A lookup goes on when its caller has given up, so that the next one finds its result.

    Args:
        inner: Asks DNS. It is closed only if it is `owned`.
        patience: Seconds for which DNS is awaited while an address is known.
        owned: Whether `inner` is closed with this resolver.
    """

    def __init__(self, inner: AbstractResolver, *, patience: float = PATIENCE, owned: bool = False) -> None:
        self._inner = inner
        self._owned = owned
        self._patience = patience
        self._known: dict[tuple[str, int, int], list[ResolveResult]] = {}
        self._asking: dict[tuple[str, int, int], asyncio.Task[list[ResolveResult]]] = {}
        self._troubles: dict[str, str] = {}

    @property
    def trouble(self) -> str:
        """What is wrong with DNS, "" if nothing is known to be."""
        return next(iter(self._troubles.values()), "")

    @property
    def asking(self) -> str:
        """The host whose lookup is awaited, "" if there is none."""
        return next((host for host, _, _ in self._asking), "")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a host; raises OSError if DNS fails and none is known."""
        key = (host, port, int(family))
        known = self._known.get(key)
        task = self._asking.get(key)
        if task is None:
            task = asyncio.ensure_future(self._ask(key, family))
            if not task.done():  # an eager task may have ended by now
                self._asking[key] = task
                task.add_done_callback(lambda done: self._answered(key, done))
        try:
            async with asyncio.timeout(None if known is None else self._patience):
                return await asyncio.shield(task)
        except TimeoutError:
            trouble = f"DNS does not answer for {host}"
        except Exception as exc:  # noqa: BLE001 - a resolver of the caller's may raise what it likes
            trouble = f"DNS cannot look up {host} ({getattr(exc, 'strerror', None) or exc})"
        self._troubles[host] = trouble
        if known is None:
            raise OSError(None, trouble)
        logger.warning("%s: its last known address is used", trouble)
        return known

    async def close(self) -> None:
        """End all lookups."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._owned:
            await self._inner.close()

    async def _ask(self, key: tuple[str, int, int], family: socket.AddressFamily) -> list[ResolveResult]:
        host, port, _ = key
        try:
            found = await self._inner.resolve(host, port, family=family)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise OSError(None, "the resolver's own lookup was cancelled") from None
        if not found:
            raise OSError(None, "no address")
        self._known[key] = found
        self._troubles.pop(host, None)
        return found

    def _answered(self, key: tuple[str, int, int], task: asyncio.Task[list[ResolveResult]]) -> None:
        self._asking.pop(key, None)
        if not task.cancelled():
            task.exception()  # looked at here, also if its caller has gone
