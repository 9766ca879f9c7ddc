"""Connections in memory, and whatever befalls them.

A wire has two ends, each an `asyncio.Transport`, and a way in each direction.

How an end closes is decided as the kernel decides it. The client's end holds the real socket that its maker set up;
with SO_LINGER (1, 0) closing drops the queue and sends RST, without it the queue is still delivered, then FIN.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
from collections import deque
from typing import TYPE_CHECKING, Any

from okx_async.simulator.virtual.links import Mark, Way

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from okx_async.simulator.virtual.links import Path
    from okx_async.simulator.virtual.network import Network

__all__ = ["End", "Wire"]

_HIGH_WATER = 65536
_LINGER = struct.pack("ii", 1, 0)


class Wire:
    """One connection: `near` is the client's end, `far` the server's."""

    def __init__(self, network: Network, number: int, paths: tuple[Path, Path], rng: Random) -> None:
        self.network = network
        self.number = number
        self.near = End(self, f"client {number}")
        self.far = End(self, f"server {number}")
        self.near.way = Way(self.near, self.far, paths[0], rng)
        self.far.way = Way(self.far, self.near, paths[1], rng)
        self.near.inbound, self.far.inbound = self.far.way, self.near.way

    @property
    def ended(self) -> bool:
        """Whether neither end will hear of it again."""
        return self.near.lost and (self.far.lost or not self.far.made)

    def open(self, protocol: asyncio.Protocol, accept: Callable[[], asyncio.Protocol | None]) -> None:
        """Connect: the client at once, the server when word of it arrives."""
        self.far.accept = accept
        self.near.make(protocol)
        self.near.way.put(Mark.OPEN)

    def reset(self) -> None:
        """Cut it in the middle: both ends are told, each in its time."""
        for end in (self.near, self.far):
            end.way.put_reset()

    def vanish(self) -> None:
        """Deliver nothing any more, in either direction, and tell nobody: half-open."""
        for end in (self.near, self.far):
            end.way.dead = True

    def stall(self, seconds: float, *, inward: bool = True, outward: bool = True) -> None:
        """Let nothing depart for `seconds`; inward: to the server."""
        for end, meant in ((self.near, inward), (self.far, outward)):
            if meant:
                end.way.stall(seconds)


class Held:
    """The socket of a connection as its maker may reach it, by `get_extra_info`: what it is, and one option."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.family, self.type, self.proto = sock.family, sock.type, sock.proto
        self.linger = sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)

    def fileno(self) -> int:
        """Return a descriptor that can be polled; -1 once closed."""
        return self._sock.fileno()

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        """Note SO_LINGER; no other option makes a difference here."""
        if (level, option) == (socket.SOL_SOCKET, socket.SO_LINGER):
            self.linger = value


class End(asyncio.Transport):
    """One end of a wire."""

    way: Way
    inbound: Way

    def __init__(self, wire: Wire, name: str) -> None:
        super().__init__()
        self.wire = wire
        self.name = name
        self.accept: Callable[[], asyncio.Protocol | None] | None = None
        self.made = False
        self.lost = False
        self._loop = wire.network.loop
        self._protocol: asyncio.Protocol | None = None
        self._closing = False
        self._held: set[str] = set()  # why nothing is read: the protocol asked, or a fault
        self._unread: deque[bytes | Mark] = deque()
        self.unread = 0
        """Bytes that arrived and were not read yet."""
        self.full = False
        """Whether the protocol was asked to write no more."""
        self._high, self._low = _HIGH_WATER, _HIGH_WATER // 4
        self._sock: socket.socket | None = None
        self._socket: Held | None = None

    def __repr__(self) -> str:
        return f"<End {self.name}{' closing' if self._closing else ''}{' lost' if self.lost else ''}>"

    # --- the transport's side, as the protocol sees it ---

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return "socket", of the client's end, or "peername" of the server's."""
        if name == "socket":
            return self._socket if self._socket is not None else default
        if name == "peername" and self._socket is None:
            return ("127.0.0.1", 49152 + self.wire.number % 16384)
        return default

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol."""
        if self._protocol is None:
            raise RuntimeError(f"{self!r} has no protocol yet")
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Set another protocol."""
        if not isinstance(protocol, asyncio.Protocol):
            raise TypeError(f"a stream needs an asyncio.Protocol, got {protocol!r}")
        self._protocol = protocol

    def is_closing(self) -> bool:
        """Whether it is closed or about to be."""
        return self._closing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send."""
        if self._closing or not data:
            return
        way = self.way
        way.put(bytes(data))
        if not self.full and way.backlog > self._high:
            self.full = True
            self.get_protocol().pause_writing()

    def room(self) -> None:
        """Let the protocol write on, if there is room again."""
        if self.full and self.way.backlog <= self._low:
            self.full = False
            self.get_protocol().resume_writing()

    def get_write_buffer_size(self) -> int:
        """Count the bytes that did not arrive yet."""
        return self.way.backlog

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set when the protocol is to pause writing, and to resume."""
        self._high = _HIGH_WATER if high is None else high
        self._low = self._high // 4 if low is None else low

    def can_write_eof(self) -> bool:
        """Return False: half a close is not offered."""
        return False

    def is_reading(self) -> bool:
        """Whether the protocol takes what arrives."""
        return not self._held and not self._closing

    def pause_reading(self) -> None:
        """Leave unread what arrives."""
        self.hold("protocol")

    def resume_reading(self) -> None:
        """Read on."""
        self.release("protocol")

    def close(self) -> None:
        """Close: with what stands in the queue delivered first, unless the socket lingers not."""
        if self._closing:
            return
        self._closing = True
        if self._socket is not None and self._socket.linger == _LINGER:
            self.way.put_reset()
        else:
            self.way.put(Mark.FIN)
        self._loop.call_soon(self.lose, None)

    def abort(self) -> None:
        """Close: the kernel makes no difference between the two."""
        self.close()

    def reset(self) -> None:
        """Close with a reset, whatever the socket's options."""
        if not self._closing:
            self._closing = True
            self.way.put_reset()
            self._loop.call_soon(self.lose, None)

    # --- the network's side ---

    def make(self, protocol: asyncio.Protocol) -> None:
        """Join the protocol to this end."""
        self.made = True
        self._protocol = protocol
        protocol.connection_made(self)

    def hold_socket(self, sock: socket.socket) -> None:
        """Keep the client's socket: its options count, and it can be asked whether the peer hung up.

        No byte goes through it: its descriptor becomes one of a connection that stands, and one of a connection that
        has ended when the end arrives.
        """
        self._socket = Held(sock)
        os.dup2(self.wire.network.standing, sock.fileno(), inheritable=False)
        self._sock = sock

    def hold(self, why: str) -> None:
        """Leave unread what arrives, until released."""
        self._held.add(why)

    def release(self, why: str) -> None:
        """Read on, if nobody else holds it."""
        self._held.discard(why)
        while self._unread and not self._held:
            item = self._unread.popleft()
            if isinstance(item, bytes):
                self.unread -= len(item)
            self._read(item)
        self.inbound.depart()

    def arrive(self, item: bytes | Mark) -> None:
        """Take what came over the wire."""
        if isinstance(item, bytes) and not (self._held or self._closing) and self._protocol is not None:
            self._protocol.data_received(item)  # the rule
        elif item is Mark.OPEN:
            protocol = None if self.accept is None else self.accept()
            if protocol is None:  # nobody listens any more
                self._closing = self.lost = True
                self.way.put_reset()
            else:
                self.make(protocol)
        elif self._closing or self.lost:
            if isinstance(item, bytes):
                self.wire.near.way.note(f"{len(item)} bytes came to a closed {self.name}")
                self.way.put_reset()
        elif item is Mark.RST:
            self._closing = True
            self._drop_unread()
            self.way.drop()
            self._pull()
            error = ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
            self._loop.call_soon(self.lose, error)
        elif self._held:
            self._unread.append(item)
            if isinstance(item, bytes):
                self.unread += len(item)
            else:
                self._pull()
        else:
            self._read(item)

    def lose(self, error: Exception | None) -> None:
        """Tell the protocol that it is over."""
        if self.lost:
            return
        self.lost = True
        self._drop_unread()
        if self._protocol is not None:
            self._protocol.connection_lost(error)
        self.free()
        self.wire.network.forget(self.wire)

    def free(self) -> None:
        """Close the socket."""
        if self._sock is not None:
            self._sock.close()

    def _read(self, item: bytes | Mark) -> None:
        if self._closing or self._protocol is None:
            return
        if item is Mark.FIN:
            self._pull()
            # A turn later: for so long the end has come and the loop does not know it.
            self._loop.call_soon(self._hear_end)
        elif isinstance(item, bytes):
            self._protocol.data_received(item)

    def _hear_end(self) -> None:
        if not self._closing and self._protocol is not None and not self._protocol.eof_received():
            self.close()

    def _drop_unread(self) -> None:
        self._unread.clear()
        self.unread = 0

    def _pull(self) -> None:
        if self._sock is not None and self._sock.fileno() >= 0:
            os.dup2(self.wire.network.ended, self._sock.fileno(), inheritable=False)
