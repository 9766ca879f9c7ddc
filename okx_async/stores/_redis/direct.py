"""A connection of one event loop: it asks the server one thing at a time, and neither waits nor hangs.

The agent's thread serves all loops, but the way to it and back takes longer than the server. A question that is one of
many, or to which anything but an answer comes, is the thread's: so whatever is odd ends this connection.
"""

import weakref
from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable
from socket import socket
from typing import Any, Final, TypeAlias

from redis.utils import HIREDIS_AVAILABLE

from okx_async.stores._redis.link import Call, Link

if HIREDIS_AVAILABLE:  # else the library reads in its own way, which waits, and there is no such connection
    import hiredis

PATIENCE: Final = 0.05
"""Seconds after which an answer is not waited for any more."""
_PIECE: Final = 65536

Done: TypeAlias = Callable[[list[Any] | None], object]


class Direct:
    """One connection, from the moment at which its loop takes it over.

    Args:
        link: A connection of its own, opened by another thread.
        found: Its socket.
        loop: Writes and reads it from now on; this is called in it.

    Raises:
        NotImplementedError: This kind of loop watches no sockets.
    """

    def __init__(self, link: Link, found: socket, loop: AbstractEventLoop) -> None:
        self.run = link.run
        self.label = link.label
        self.ended = False
        self.patience = PATIENCE
        self._link = link
        self._socket = found
        self._loop = weakref.ref(loop)  # a loop that nothing else keeps must not live on
        self._answers = hiredis.Reader()
        self._done: Done | None = None
        self._nonce = b""
        self._until = 0.0
        self._timer: TimerHandle | None = None  # one for all that is asked in its time
        found.settimeout(0.0)
        loop.add_reader(found.fileno(), self._readable)

    @property
    def free(self) -> bool:
        """Whether it may be asked something now."""
        return not self.ended and self._done is None

    def ask(self, call: Call, done: Done) -> bool:
        """Ask for a call of the script; return False if nothing was sent that the server could carry out.

        Args:
            call: What is asked.
            done: Called once in the loop: with the reply to this call, or None if it is not known what became of it.
        """
        nonce, command = self._link.command(call)
        self._nonce, message = nonce.encode(), hiredis.pack_command(command)
        try:
            sent = self._socket.send(message)
        except OSError:  # it ended, or the server does not read
            sent = 0
        loop = self._loop()
        if sent < len(message) or loop is None:
            self.end()
            return False
        self._done = done
        self._until = loop.time() + self.patience
        if self._timer is None:
            self._timer = loop.call_at(self._until, self._look)
        return True

    def end(self) -> None:
        """Close it; called in its loop, or in any thread if that does not run."""
        loop = self._loop()
        if not self.ended:
            self.ended = True
            if loop is not None and not loop.is_closed():
                loop.remove_reader(self._socket.fileno())
            self._link.close()
            if self._timer is not None:
                self._timer.cancel()
        self._tell(None)

    def _look(self) -> None:
        """End it if the answer is late."""
        loop, self._timer = self._loop(), None
        if self._done is None or loop is None:
            return
        if loop.time() < self._until:
            self._timer = loop.call_at(self._until, self._look)
        else:
            self.end()

    def _readable(self) -> None:
        if self.ended:  # in a forked child it is the parent's, and so is what it brings
            return
        try:
            piece = self._socket.recv(_PIECE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            piece = b""
        answer: Any = None
        if piece:
            try:
                self._answers.feed(piece)
                answer = self._answers.gets()
            except hiredis.ProtocolError:
                pass
            else:
                if answer is False:  # a part of it
                    return
        if self._done is None or not isinstance(answer, list) or not answer[1:] or answer[0] != self._nonce:
            self.end()
        else:
            self._tell(answer[1])

    def _tell(self, reply: list[Any] | None) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(reply)
