"""An event loop in virtual time whose connections and servers live on a network in memory.

Hours pass in a second, and nothing depends on the machine: no sockets, no threads, no real clock.

Why not a library: the sockets of `async-solipsism` deliver everything at once, in order and unharmed, and know no
reset, and its licence differs from ours; `looptime` makes only the clock virtual and keeps real sockets, whose order of
arrival is not decided by a seed.
"""

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

from aiohttp import connector

from okx_async.simulator.virtual.jumping_loop import JumpingLoop
from okx_async.simulator.virtual.network import Listener, Network
from okx_async.simulator.virtual.transport import MemoryTransport

_T = TypeVar("_T")

_NO_TLS = "there is no TLS on this network"
_NO_PROCESSES = "no subprocesses in virtual time: in pytest, leave out the mark okx_virtual"


class VirtualLoop(JumpingLoop):
    """The event loop of a network; `clock()` is the exact time, `time()` the time of its timers.

    Args:
        network: Carries its connections; a network serves one loop.
        start: The first time, in seconds; by default 1000.
        coarse: Whether `time()` is in whole milliseconds and up to one ahead of the clock, so that timers fire early,
            as uvloop's do; by default not.
        lag: Called at each jump; returns the seconds by which the timer is late.
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
    ) -> tuple[MemoryTransport, asyncio.Protocol]:
        """Connect a protocol to the server at `host` and `port`, or to the one that `sock` is connected to."""
        if options.get("ssl"):
            raise NotImplementedError(_NO_TLS)
        if sock is None:
            sock = socket.socket()
            try:
                await self.sock_connect(sock, (host, port))
            except BaseException:
                sock.close()
                raise
        transport, protocol = self._network.join(protocol_factory, sock)
        try:
            await asyncio.sleep(0)  # as in real loops: a cancellation may strike here
        except BaseException:
            transport.abort()
            raise
        return transport, protocol

    async def create_server(  # type: ignore[override]  # what a virtual loop can do of it
        self,
        protocol_factory: Callable[[], asyncio.Protocol],
        host: str | None = None,
        port: int | None = None,
        *,
        sock: socket.socket | None = None,
        **options: Any,
    ) -> Listener:
        """Return a server on the network, at `host` and `port`, or where `sock` is bound, which is closed."""
        if options.get("ssl"):
            raise NotImplementedError(_NO_TLS)
        if sock is not None:
            host, port = sock.getsockname()[:2]
            sock.close()
        return self._network.listen(protocol_factory, host or "127.0.0.1", port or 0)

    async def getaddrinfo(self, host: Any, port: Any, **_options: Any) -> list[Any]:
        """Look a name up on the network."""
        return await self._network.look_up(host, port)

    def close(self) -> None:
        """Close the loop and the sockets of connections that were left open."""
        super().close()
        self._network.shut()

    def add_signal_handler(self, sig: int, *_: Any) -> NoReturn:  # type: ignore[override]  # there is nothing to return
        """Refuse: a signal comes in real time."""
        raise NotImplementedError(
            f"no signals in virtual time (signal {sig}): call the handler yourself at that moment of the test, or, "
            "in pytest, leave out the mark okx_virtual; code for all systems does without handlers where the loop "
            "raises NotImplementedError"
        )

    def remove_signal_handler(self, sig: int) -> bool:  # noqa: ARG002 - as in asyncio
        """Return False: there is none."""
        return False

    def run_in_executor(self, *_: Any) -> NoReturn:  # type: ignore[override]  # there is nothing to return
        """Refuse: a thread takes real time."""
        raise NotImplementedError(
            "no threads in virtual time: call the function itself, or, in pytest, leave out the mark okx_virtual"
        )

    async def subprocess_exec(self, *_: Any, **_options: Any) -> NoReturn:
        """Refuse: a process takes real time."""
        raise NotImplementedError(_NO_PROCESSES)

    async def subprocess_shell(self, *_: Any, **_options: Any) -> NoReturn:
        """Refuse likewise."""
        raise NotImplementedError(_NO_PROCESSES)


@contextmanager
def aiohttp_by(clock: Callable[[], float]) -> Iterator[None]:
    """Let aiohttp's connection pools use this clock, instead of the machine's, for how long a connection is idle."""
    names = vars(connector)
    real = names["monotonic"]
    names["monotonic"] = clock
    try:
        yield
    finally:
        names["monotonic"] = real


def run(main: Callable[[VirtualLoop], Coroutine[Any, Any, _T]], loop: VirtualLoop) -> _T:
    """Run `main` on the loop and close it; meanwhile aiohttp's connection pools use the loop's clock.

    It does not use asyncio.run, which sets up SIGINT for each run; that takes longer than many a history.

    Args:
        main: Called with the loop; its coroutine is run.
        loop: The loop; it is closed at the end.
    """
    try:  # without set_event_loop, which would drop the current loop without closing it
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
