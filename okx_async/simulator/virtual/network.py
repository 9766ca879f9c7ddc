"""The network of a virtual loop: its servers, its connections, and the faults of all of them.

Delays are drawn from the seed, for each wire from a sequence of its own: what happens on one wire changes nothing on
another.
"""

import asyncio
import errno
import socket
from collections.abc import Callable
from random import Random
from typing import Any

from okx_async.simulator.virtual.jumping_loop import JumpingLoop
from okx_async.simulator.virtual.links import Path
from okx_async.simulator.virtual.transport import HeldSocket, MemoryTransport
from okx_async.simulator.virtual.wires import Wire

_FIRST_PORT = 20000


class Network:
    """The wires between the clients and servers of one virtual loop.

    Args:
        seed: Decides every delay; by default 0.
        inward: How the direction to a server behaves; by default without delay.
        outward: How the direction to a client behaves; by default without delay.
        trace: Takes (time, text) of all that happens, if given.
    """

    loop: JumpingLoop

    def __init__(
        self,
        *,
        seed: int | str = 0,
        inward: Path = Path(),  # noqa: B008 - frozen
        outward: Path = Path(),  # noqa: B008 - frozen
        trace: list[tuple[float, str]] | None = None,
    ) -> None:
        self.inward, self.outward = inward, outward
        self.trace = trace
        self.names: dict[str, str] = {}
        """Addresses by host name."""
        self.wires: dict[int, Wire] = {}
        """The connections that are open at one end at least, by number."""
        self.made = 0
        """Connections so far."""
        self.on_data: Callable[[bytes], object] | None = None
        """Called with the bytes that a client's protocol is about to be given."""
        self._seed = seed
        self._random = Random(f"{seed} connects")
        self._listeners: dict[tuple[str, int], Listener] = {}
        self._connected: dict[socket.socket, Listener] = {}
        self._refusing = self._silent = 0
        self._slow = 0.0
        self._pairs: list[socket.socket] = []

    def attach(self, loop: JumpingLoop) -> None:
        """Belong to this loop.

        Args:
            loop: The loop; `VirtualLoop` calls this.
        """
        self.loop = loop
        # The first stands, over the second came a byte, the third has ended.
        self._pairs = [*socket.socketpair(), *socket.socketpair(), *socket.socketpair()]
        self._pairs[3].send(b"x")
        self._pairs.pop().close()

    # --- faults; those of one connection are in Wire ---

    def refuse(self, seconds: float) -> None:
        """Refuse every connection in the next `seconds`.

        Args:
            seconds: Seconds from now.
        """
        self._refusing += 1
        self.loop.call_later(seconds, self._end_refusing)

    def swallow(self, seconds: float) -> None:
        """Never answer an attempt to connect that is made in the next `seconds`.

        Args:
            seconds: Seconds from now.
        """
        self._silent += 1
        self.loop.call_later(seconds, self._end_silence)

    def slow_down(self, seconds: float, by: float) -> None:
        """Let connecting take longer in the next `seconds`.

        Args:
            seconds: Seconds from now.
            by: Seconds that each connection takes longer.
        """
        self._slow += by
        self.loop.call_later(seconds, self._end_slowness, by)

    def outage(self, seconds: float) -> None:
        """Let nothing depart on any wire for `seconds`, and answer no attempt to connect.

        Args:
            seconds: Seconds from now.
        """
        self.swallow(seconds)
        for wire in tuple(self.wires.values()):
            wire.stall(seconds)

    # --- for the loop ---

    def listen(self, factory: Callable[[], asyncio.Protocol], host: str, port: int) -> "Listener":
        """Return a server that listens at `host` and `port`.

        Args:
            factory: Makes the protocol of each connection.
            host: Its address.
            port: Its port; 0: any free one.
        """
        if not port:
            port = next(p for p in range(_FIRST_PORT, 65536) if (host, p) not in self._listeners)
        if (host, port) in self._listeners:
            raise OSError(errno.EADDRINUSE, f"{host}:{port} is in use")
        listener = self._listeners[host, port] = Listener(self, (host, port), factory)
        return listener

    async def connect(self, sock: socket.socket, address: tuple[Any, ...]) -> None:
        """Connect `sock` to the server at `address`; takes a round trip.

        Args:
            sock: The client's socket.
            address: Host and port.
        """
        rng = self._random
        there, back = (path.delay + path.jitter * rng.random() for path in (self.inward, self.outward))
        listener = self._listeners.get((address[0], address[1]))
        refused = self._refusing or listener is None
        if self._silent:
            await asyncio.get_running_loop().create_future()  # until the caller gives up
        await asyncio.sleep(there + back + self._slow)
        if refused or listener is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"Connect call failed {address[:2]}")
        self._connected[sock] = listener

    def join(
        self, factory: Callable[[], asyncio.Protocol], sock: socket.socket
    ) -> tuple[MemoryTransport, asyncio.Protocol]:
        """Make the wire of a connected socket; return the client's transport and protocol.

        Args:
            factory: Makes the client's protocol.
            sock: The socket that `connect` has connected.
        """
        listener = self._connected.pop(sock)
        self.made += 1
        standing, unread, ended = (pair.fileno() for pair in self._pairs[::2])
        wire = self.wires[self.made] = Wire(
            self.loop,
            self.made,
            HeldSocket(sock, standing, unread, ended),
            inward=self.inward,
            outward=self.outward,
            rng=Random(f"{self._seed} wire {self.made}"),
            trace=self.trace,
            on_ended=self._forget,
            on_data=self.on_data,
        )
        protocol = factory()
        wire.open(protocol, listener.accept)
        return wire.near, protocol

    async def look_up(self, host: str, port: int) -> list[Any]:
        """Return the addresses of a name, as `loop.getaddrinfo` does.

        Args:
            host: The name, one of `names`.
            port: The port that the addresses have.
        """
        await asyncio.sleep(self.inward.delay + self.outward.delay)
        address = self.names.get(host)
        if address is None:
            raise socket.gaierror(socket.EAI_NONAME, f"{host}: name not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port))]

    def shut(self) -> None:
        """Close the sockets of wires that were left open, without a report to their protocols."""
        for wire in self.wires.values():
            wire.near.free()
        for sock in self._pairs:
            sock.close()

    def close(self, listener: "Listener") -> None:
        """Remove a server.

        Args:
            listener: The server, as `listen` returned it.
        """
        self._listeners.pop(listener.address, None)

    def _forget(self, wire: Wire) -> None:
        self.wires.pop(wire.number, None)

    def _end_refusing(self) -> None:
        self._refusing -= 1

    def _end_silence(self) -> None:
        self._silent -= 1

    def _end_slowness(self, by: float) -> None:
        self._slow -= by


class Listener(asyncio.AbstractServer):
    """A server on the network, made by `loop.create_server`."""

    def __init__(self, network: Network, address: tuple[str, int], factory: Callable[[], asyncio.Protocol]) -> None:
        self._network = network
        self._factory = factory
        self._serving = True
        self.address = address

    @property
    def sockets(self) -> tuple["Listener"]:
        """Itself, which has a `getsockname` as the sockets of a real server have."""
        return (self,)

    def getsockname(self) -> tuple[str, int]:
        """Return host and port."""
        return self.address

    def accept(self) -> asyncio.Protocol | None:
        """Return a protocol for a new connection; None: closed meanwhile."""
        return self._factory() if self._serving else None

    def close(self) -> None:
        """Stop listening; connections stay."""
        self._serving = False
        self._network.close(self)

    def is_serving(self) -> bool:
        """Whether it listens."""
        return self._serving

    async def start_serving(self) -> None:
        """Do nothing: it serves from the start."""

    async def serve_forever(self) -> None:
        """Wait until cancelled, then close."""
        try:
            await self._network.loop.create_future()
        finally:
            self.close()

    async def wait_closed(self) -> None:
        """Return at once: nothing is left to wait for."""

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop of the network."""
        return self._network.loop
