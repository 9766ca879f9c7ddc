"""The network of a virtual loop: who listens where, and what connecting to it is like.

Everything is drawn from the seed, for each wire from a sequence of its own, so that what happens on one changes
nothing on another.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from random import Random
from typing import TYPE_CHECKING, Any

from okx_async.simulator.virtual.links import Path
from okx_async.simulator.virtual.wires import Wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from okx_async.simulator.virtual.loop import VirtualLoop
    from okx_async.simulator.virtual.wires import End

__all__ = ["Listener", "Network"]

_FIRST_PORT = 20000


class Network:
    """Wires between the clients and servers of one virtual loop.

    `inward`, `outward`: what the ways to and from a server are like. `trace`: takes (time, text) of all that happens.
    """

    loop: VirtualLoop

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
        """The connections that are open, at one end at least."""
        self.made = 0
        self._seed = seed
        self._random = Random(f"{seed} connects")
        self._listeners: dict[tuple[str, int], Listener] = {}
        self._sought: dict[socket.socket, Listener] = {}
        self._refusing = self._silent = 0
        self._slow = 0.0
        self._pairs: list[socket.socket] = []

    def attach(self, loop: VirtualLoop) -> None:
        """Belong to this loop."""
        self.loop = loop
        self._pairs = [*socket.socketpair(), *socket.socketpair()]
        self._pairs.pop().close()

    @property
    def standing(self) -> int:
        """A descriptor whose peer is there."""
        return self._pairs[0].fileno()

    @property
    def ended(self) -> int:
        """A descriptor whose peer has hung up."""
        return self._pairs[2].fileno()

    # --- what goes wrong; of single wires see Wire ---

    def refuse(self, seconds: float) -> None:
        """Refuse every connection in the next `seconds`."""
        self._refusing += 1
        self.loop.call_later(seconds, self._end_refusing)

    def swallow(self, seconds: float) -> None:
        """Answer no attempt to connect that is made in the next `seconds`."""
        self._silent += 1
        self.loop.call_later(seconds, self._end_silence)

    def slow_down(self, seconds: float, by: float) -> None:
        """Let connecting take `by` s longer in the next `seconds`."""
        self._slow += by
        self.loop.call_later(seconds, self._end_slowness, by)

    def outage(self, seconds: float) -> None:
        """Let nothing depart on any wire for `seconds`, and answer no attempt to connect."""
        self.swallow(seconds)
        for wire in tuple(self.wires.values()):
            wire.stall(seconds)

    # --- what the loop asks for ---

    def listen(self, factory: Callable[[], asyncio.Protocol], host: str, port: int) -> Listener:
        """Let a server be found at `host` and `port`; 0: any free one."""
        if not port:
            port = next(p for p in range(_FIRST_PORT, 65536) if (host, p) not in self._listeners)
        if (host, port) in self._listeners:
            raise OSError(errno.EADDRINUSE, f"{host}:{port} is in use")
        listener = self._listeners[host, port] = Listener(self, (host, port), factory)
        return listener

    async def connect(self, sock: socket.socket, address: tuple[Any, ...]) -> None:
        """Find who listens at `address`, in the time that takes."""
        rng = self._random
        there, back = (path.delay + path.jitter * rng.random() for path in (self.inward, self.outward))
        listener = self._listeners.get((address[0], address[1]))
        refused = self._refusing or listener is None
        if self._silent:
            await self.loop.create_future()  # until its maker has had enough
        await asyncio.sleep(there + back + self._slow)
        if refused or listener is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"Connect call failed {address[:2]}")
        self._sought[sock] = listener

    def join(self, factory: Callable[[], asyncio.Protocol], sock: socket.socket) -> tuple[End, asyncio.Protocol]:
        """Make the wire of a socket that was connected."""
        listener = self._sought.pop(sock)
        self.made += 1
        wire = Wire(self, self.made, (self.inward, self.outward), Random(f"{self._seed} wire {self.made}"))
        wire.near.hold_socket(sock)
        self.wires[wire.number] = wire
        protocol = factory()
        wire.open(protocol, listener.accept)
        return wire.near, protocol

    async def look_up(self, host: str, port: int) -> list[Any]:
        """Return the address of a name."""
        await asyncio.sleep(self.inward.delay + self.outward.delay)
        address = self.names.get(host)
        if address is None:
            raise socket.gaierror(socket.EAI_NONAME, f"{host}: name not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port))]

    def forget(self, wire: Wire) -> None:
        """Drop a wire that has ended at both ends."""
        if wire.ended:
            self.wires.pop(wire.number, None)

    def shut(self) -> None:
        """Free what wires that were left open hold: nobody is told."""
        for wire in self.wires.values():
            wire.near.free()
        for sock in self._pairs:
            sock.close()

    def close(self, listener: Listener) -> None:
        """Let a server be found no more."""
        self._listeners.pop(listener.address, None)

    def _end_refusing(self) -> None:
        self._refusing -= 1

    def _end_silence(self) -> None:
        self._silent -= 1

    def _end_slowness(self, by: float) -> None:
        self._slow -= by


class Listener(asyncio.AbstractServer):
    """A server that can be found; made by `loop.create_server`."""

    def __init__(self, network: Network, address: tuple[str, int], factory: Callable[[], asyncio.Protocol]) -> None:
        self._network = network
        self._factory = factory
        self._serving = True
        self.address = address

    @property
    def sockets(self) -> tuple[Listener]:
        """Return what can be asked for its name, as of a real server."""
        return (self,)

    def getsockname(self) -> tuple[str, int]:
        """Return host and port."""
        return self.address

    def accept(self) -> asyncio.Protocol | None:
        """Return a protocol for a new connection; None: closed meanwhile."""
        return self._factory() if self._serving else None

    def close(self) -> None:
        """Be found no more; connections stay."""
        self._serving = False
        self._network.close(self)

    def is_serving(self) -> bool:
        """Whether it can be found."""
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
        """Return its loop."""
        return self._network.loop
