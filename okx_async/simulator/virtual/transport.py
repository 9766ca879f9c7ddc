"""One end of a connection in memory, as an `asyncio.Transport`.

An end closes as a kernel closes it. The client's end holds the real socket that its maker set up: with SO_LINGER (1, 0)
closing drops the queue and sends RST; without it the queue is delivered first, then FIN.
"""

import asyncio
import errno
import os
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Any

from okx_async.simulator.virtual.jumping_loop import JumpingLoop
from okx_async.simulator.virtual.links import Control, Link

_HIGH_WATER = 65536
_NO_LINGER = struct.pack("ii", 1, 0)


class HeldSocket:
    """The client's real socket, which carries no byte: it has options, and a descriptor that can be polled.

    Args:
        sock: The socket; its descriptor is replaced, and closed at the end.
        standing: Descriptor of a connection that stands; `sock` becomes a copy of it.
        unread: Descriptor of a connection over which bytes came that were not read; `sock` becomes a copy of it by
            `show_unread`.
        ended: Descriptor of a connection whose peer has hung up; `sock` becomes a copy of it by `hang_up`.
    """

    def __init__(self, sock: socket.socket, standing: int, unread: int, ended: int) -> None:
        self._sock = sock
        self._standing, self._unread, self._ended = standing, unread, ended
        self._shown = standing
        self.family, self.type, self.proto = sock.family, sock.type, sock.proto
        self._linger: Any = sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)
        os.dup2(standing, sock.fileno(), inheritable=False)

    @property
    def resets(self) -> bool:
        """Whether closing sends a reset."""
        return bool(self._linger == _NO_LINGER)

    def fileno(self) -> int:
        """Return a descriptor that can be polled; -1 once closed."""
        return self._sock.fileno()

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        """Note SO_LINGER; no other option makes a difference here."""
        if (level, option) == (socket.SOL_SOCKET, socket.SO_LINGER):
            self._linger = value

    def hang_up(self) -> None:
        """Let the descriptor show that the peer has hung up."""
        self._show(self._ended)

    def show_unread(self, *, unread: bool) -> None:
        """Let the descriptor show whether bytes came that were not read; a hang-up stays visible."""
        if self._shown != self._ended:
            self._show(self._unread if unread else self._standing)

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()

    def _show(self, descriptor: int) -> None:
        if self._shown != descriptor and self._sock.fileno() >= 0:
            os.dup2(descriptor, self._sock.fileno(), inheritable=False)
            self._shown = descriptor


class MemoryTransport(asyncio.Transport):
    """One end of a wire.

    Args:
        loop: The loop of the network.
        name: Its name in traces and reports.
        on_lost: Called when the connection has ended here.
        sock: The client's socket, at the client's end.
        peername: The client's address, at the server's end.
        on_data: Called with the bytes that the protocol is about to be given.
    """

    outbound: Link
    inbound: Link

    def __init__(
        self,
        loop: JumpingLoop,
        name: str,
        on_lost: Callable[[], None],
        *,
        sock: HeldSocket | None = None,
        peername: tuple[str, int] | None = None,
        on_data: Callable[[bytes], object] | None = None,
    ) -> None:
        super().__init__()
        self.name = name
        self._on_data = on_data
        self.accept: Callable[[], asyncio.Protocol | None] | None = None
        """At the server's end: returns the protocol of a new connection, None if it is refused."""
        self.made = False
        self.lost = False
        self._loop = loop
        self._on_lost = on_lost
        self._extra = {key: value for key, value in (("socket", sock), ("peername", peername)) if value is not None}
        self._socket = sock
        self._protocol: asyncio.Protocol | None = None
        self._closing = False
        self._held: set[str] = set()  # why nothing is read: the protocol paused, or a fault
        self._unread: deque[bytes | Control] = deque()
        self.unread = 0
        """Bytes that arrived and were not read yet."""
        self.full = False
        """Whether the protocol was asked to pause writing."""
        self._high, self._low = _HIGH_WATER, _HIGH_WATER // 4

    def __repr__(self) -> str:
        return f"<MemoryTransport {self.name}{' closing' if self._closing else ''}{' lost' if self.lost else ''}>"

    # --- as the protocol sees it ---

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return "socket" at the client's end, "peername" at the server's."""
        return self._extra.get(name, default)

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
        """Send `data`."""
        if self._closing or not data:
            return
        link = self.outbound
        link.put(bytes(data))
        if not self.full and link.backlog > self._high:
            self.full = True
            self.get_protocol().pause_writing()

    def room(self) -> None:
        """Let the protocol write again, if there is room."""
        if self.full and self.outbound.backlog <= self._low:
            self.full = False
            self.get_protocol().resume_writing()

    def get_write_buffer_size(self) -> int:
        """Count the bytes that did not arrive yet."""
        return self.outbound.backlog

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the numbers of bytes at which the protocol is to pause writing, and to resume."""
        self._high = _HIGH_WATER if high is None else high
        self._low = self._high // 4 if low is None else low

    def can_write_eof(self) -> bool:
        """Return False: half a close is not offered."""
        return False

    def is_reading(self) -> bool:
        """Whether the protocol is given what arrives."""
        return not self._held and not self._closing

    def pause_reading(self) -> None:
        """Keep unread what arrives."""
        self.hold("protocol")

    def resume_reading(self) -> None:
        """Read on."""
        self.release("protocol")

    def close(self) -> None:
        """Close: the queue is delivered first, unless the socket's SO_LINGER asks for a reset."""
        if self._socket is not None and self._socket.resets:
            self.reset()
        elif not self._closing:
            self._closing = True
            self.outbound.put(Control.FIN)
            self._loop.call_soon(self.lose, None)

    def abort(self) -> None:
        """Close: the kernel makes no difference between the two."""
        self.close()

    def reset(self) -> None:
        """Close with a reset, whatever the socket's options."""
        if not self._closing:
            self._closing = True
            self.outbound.put_reset()
            self._loop.call_soon(self.lose, None)

    # --- as the network sees it ---

    def make(self, protocol: asyncio.Protocol) -> None:
        """Join the protocol to this end."""
        self.made = True
        self._protocol = protocol
        protocol.connection_made(self)

    def hold(self, why: str) -> None:
        """Keep unread what arrives, until `release` is called with the same `why`."""
        self._held.add(why)

    def release(self, why: str) -> None:
        """Read on, unless it is held for another reason."""
        self._held.discard(why)
        while self._unread and not self._held:
            item = self._unread.popleft()
            if isinstance(item, bytes):
                self.unread -= len(item)
                self._show_unread()
            self._read(item)
        self.inbound.depart()

    def arrive(self, item: bytes | Control) -> None:
        """Take what came over the wire."""
        if isinstance(item, bytes) and not (self._held or self._closing) and self._protocol is not None:
            self._deliver(self._protocol, item)  # the usual case
        elif item is Control.OPEN:
            protocol = None if self.accept is None else self.accept()
            if protocol is None:  # the server stopped listening meanwhile
                self._closing = self.lost = True
                self.outbound.put_reset()
            else:
                self.make(protocol)
        elif self._closing or self.lost:
            if isinstance(item, bytes):
                self.outbound.note(f"{len(item)} bytes came to a closed {self.name}")
                self.outbound.put_reset()
        elif item is Control.RST:
            self._closing = True
            self._drop_unread()
            self.outbound.drop()
            self._show_end()
            error = ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
            self._loop.call_soon(self.lose, error)
        elif self._held:
            self._unread.append(item)
            if isinstance(item, bytes):
                self.unread += len(item)
                self._show_unread()
            else:
                self._show_end()
        else:
            self._read(item)

    def lose(self, error: Exception | None) -> None:
        """Report the end of the connection to the protocol."""
        if self.lost:
            return
        self.lost = True
        self._drop_unread()
        if self._protocol is not None:
            self._protocol.connection_lost(error)
        self.free()
        self._on_lost()

    def free(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()

    def _read(self, item: bytes | Control) -> None:
        if self._closing or self._protocol is None:
            return
        if item is Control.FIN:
            self._show_end()
            # In the loop's next turn: until then the socket shows the end and the loop has not reported it.
            self._loop.call_soon(self._report_eof)
        elif isinstance(item, bytes):
            self._deliver(self._protocol, item)

    def _deliver(self, protocol: asyncio.Protocol, data: bytes) -> None:
        if self._on_data is not None:
            self._on_data(data)
        protocol.data_received(data)

    def _report_eof(self) -> None:
        if not self._closing and self._protocol is not None and not self._protocol.eof_received():
            self.close()

    def _drop_unread(self) -> None:
        self._unread.clear()
        self.unread = 0

    def _show_unread(self) -> None:
        if self._socket is not None:
            self._socket.show_unread(unread=self.unread > 0)

    def _show_end(self) -> None:
        if self._socket is not None:
            self._socket.hang_up()
