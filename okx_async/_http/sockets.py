"""What is known of a connection below its event loop: whether something came over it, and how it ends at once.

Closing the connection of a request in doubt is not enough: the kernel would still deliver its send buffer. With
SO_LINGER (1, 0) the kernel drops the buffer and sends RST.
"""

import asyncio
import select
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

RESET: Final = struct.pack("ii", 1, 0)
"""The SO_LINGER of a socket whose end is a reset."""

_POLLS: Final = hasattr(select, "poll")  # not on Windows
_NEWS: Final = (select.POLLIN | getattr(select, "POLLRDHUP", 0)) if _POLLS else 0
TURNS: Final = 5
"""Turns of the loop in which a TLS connection is read before a request: it has session tickets, which are no answer.

Reading takes two turns on asyncio's own loop.
"""


def extra_info(transport: asyncio.BaseTransport, name: str) -> Any:
    """Return what a transport knows of itself; a TLS transport that has ended may raise AttributeError instead."""
    try:
        return transport.get_extra_info(name)
    except AttributeError:
        return None


def readable(transport: asyncio.BaseTransport) -> bool:
    """Return whether the kernel has bytes, the end or an error of a connection that the loop has not read yet."""
    return watch(transport)()


def watch(transport: asyncio.BaseTransport) -> Callable[[], bool]:
    """Return what tells, for as long as the connection is open, whether it is `readable`."""
    sock = extra_info(transport, "socket")
    if sock is None or (number := sock.fileno()) < 0:
        return lambda: False
    if not _POLLS:
        return lambda: bool(select.select([number], [], [], 0)[0])
    poll = select.poll()
    poll.register(number, _NEWS)
    return lambda: bool(poll.poll(0))


def reset(transport: asyncio.BaseTransport | None) -> None:
    """Drop a connection so that the kernel sends no more of its buffer."""
    # Event loops other than asyncio's have transports that are no asyncio.Transport.
    abort = getattr(transport, "abort", None)
    if transport is None or abort is None:
        return
    sock = extra_info(transport, "socket")
    if sock is not None:  # a caller's session did not make its sockets with our factory
        with suppress(OSError, ValueError):  # it is closed by now; uvloop's says so by ValueError
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    with suppress(NotImplementedError):  # asyncio.BaseTransport has the name, and no more
        abort()
