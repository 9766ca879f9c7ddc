"""An event loop in virtual time whose connections and servers live on a network in memory.

Hours pass in a second, and nothing depends on the machine: no sockets, no threads, no real clock.

`async-solipsism` has such a loop, but its sockets deliver everything at once, in order and unharmed, know no reset,
and its licence is not ours; `looptime` makes only the clock virtual and keeps real sockets, whose order of arrival no
seed decides. Hence this one.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from aiohttp import connector

from okx_async.simulator.virtual.jumping_loop import JumpingLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from okx_async.simulator.virtual.network import Listener, Network
    from okx_async.simulator.virtual.wires import End

__all__ = ["VirtualLoop", "aiohttp_by", "run"]

_T = TypeVar("_T")


class VirtualLoop(JumpingLoop):
    """The loop of a network; `clock` is its exact time, `time()` what its timers go by.

    `start`: its first time, in seconds. `coarse`: `time()` is whole milliseconds and up to one ahead of the clock, so
    that timers fire early, as uvloop's do. `lag`: called at each jump, seconds by which the timer is late.
    """

    def __init__(
        self,
        network: Network,
        *,
        start: float = 1000.0,
        coarse: bool = False,
        lag: Callable[[], float] | None = None,
    ) -> None:
        super().__init__(start=start, coarse=coarse, lag=lag)
        self._network = network
        network.attach(self)

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connect over the network; the socket itself stays as it is."""
        await self._network.connect(sock, address)

    async def create_connection(  # type: ignore[override]  # what a virtual loop can do of it
        self,
        protocol_factory: Callable[[], asyncio.Protocol],
        host: str | None = None,
        port: int | None = None,
        *,
        sock: socket.socket | None = None,
        **options: Any,
    ) -> tuple[End, asyncio.Protocol]:
        """Join a protocol to the server at `host` and `port`, or to the one that `sock` was connected to."""
        if options.get("ssl"):
            raise NotImplementedError("there is no TLS on this network")
        if sock is None:
            sock = socket.socket()
            try:
                await self.sock_connect(sock, (host, port))
            except BaseException:
                sock.close()
                raise
        end, protocol = self._network.join(protocol_factory, sock)
        try:
            await asyncio.sleep(0)  # as real loops do, so that a cancellation may strike here
        except BaseException:
            end.abort()
            raise
        return end, protocol

    async def create_server(  # type: ignore[override]  # what a virtual loop can do of it
        self, protocol_factory: Callable[[], asyncio.Protocol], host: str, port: int, **_options: Any
    ) -> Listener:
        """Serve on the network."""
        return self._network.listen(protocol_factory, host, port)

    async def getaddrinfo(self, host: Any, port: Any, **_options: Any) -> list[Any]:
        """Look a name up in the network's list."""
        return await self._network.look_up(host, port)

    def close(self) -> None:
        """Close the loop, and the sockets of connections that were left open."""
        super().close()
        self._network.shut()

    def run_in_executor(self, *_: Any) -> NoReturn:  # type: ignore[override]  # there is nothing to return
        """Refuse: a thread takes real time."""
        raise NotImplementedError("no threads in virtual time")


@contextmanager
def aiohttp_by(clock: Callable[[], float]) -> Iterator[None]:
    """Let aiohttp's pools go by this clock: they ask the machine how long a connection has been idle."""
    names = vars(connector)
    real = names["monotonic"]
    names["monotonic"] = clock
    try:
        yield
    finally:
        names["monotonic"] = real


def run(main: Callable[[VirtualLoop], Coroutine[Any, Any, _T]], loop: VirtualLoop) -> _T:
    """Run `main` on the loop and close it; while it runs, aiohttp's pools go by the loop's clock.

    Not asyncio.run: that handles SIGINT anew for each run, which takes longer than many a history.
    """
    try:  # and no set_event_loop: it would drop a loop that stands, and nobody would close that
        with aiohttp_by(loop.clock):
            try:
                return loop.run_until_complete(main(loop))
            finally:
                left = asyncio.all_tasks(loop)
                for task in left:
                    task.cancel()
                loop.run_until_complete(asyncio.gather(*left, return_exceptions=True) if left else asyncio.sleep(0))
                loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
