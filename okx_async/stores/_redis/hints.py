"""Hints of a server that a waiter may be served earlier than it was told: a thread of the agent's that listens.

A waiter is told when to ask again. If a token or a place before it is given back early, the script publishes the key on
the channel of the process that waits, and that process asks at once. A hint that is lost costs time and nothing else:
so there is no ping, nothing is repeated, and a connection that ends is opened again only when something waits.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import redis.exceptions as problems

from okx_async._log import logger
from okx_async.stores._agent.waiters import Key
from okx_async.stores._redis.address import Address
from okx_async.stores._redis.link import connection_to
from okx_async.stores.records import UnreadableError, key_of

REST: Final = 1.0
"""Seconds after the begin of a connection until another one is opened in its place."""
IDLE: Final = 60.0
"""Seconds after the last waiter for which it goes on listening."""


def channel_of(prefix: str, holder: str) -> str:
    """Return the channel of a process, as the script builds it."""
    return f"{prefix}:hints:{holder}"


class Hints:
    """The hints for one process, from the first waiter to the end of its agent.

    Args:
        channel: Of the process.
        act: Called with the key, in the thread that listens.
        clock: The host's clock.
    """

    def __init__(self, channel: str, act: Callable[[Key], object], clock: Callable[[], float]) -> None:
        self._channel = channel
        self._act = act
        self._clock = clock
        self._begun = -REST
        self._wanted = -IDLE
        self._thread: threading.Thread | None = None
        self._ended = False

    def listen(self, address: Address) -> None:
        """See to it that hints of this server are heard; called again and again while something waits."""
        self._wanted = self._clock()
        if (self._thread is not None and self._thread.is_alive()) or self._clock() < self._begun + REST or self._ended:
            return
        self._begun = self._clock()
        thread = threading.Thread(target=self._run, args=(address,), name="okx_async hints", daemon=True)
        with suppress(RuntimeError):  # no thread can begin now, so it goes without hints
            thread.start()
            self._thread = thread

    def end(self) -> None:
        """Let the thread end."""
        self._ended = True

    def _run(self, address: Address) -> None:
        connection = connection_to(address)
        try:
            connection.send_command("SUBSCRIBE", self._channel)  # type: ignore[no-untyped-call]
            while not self._ended and self._clock() < self._wanted + IDLE:
                # Nothing for the time-out of a connection: the thread looks if it is to end, since no other one may
                # touch a TLS connection.
                with suppress(problems.TimeoutError):
                    self._hear(connection.read_response(disconnect_on_error=False))
        except (problems.RedisError, OSError, ValueError, TypeError, UnreadableError) as error:
            logger.debug("no hints of the store of the limits: %s", type(error).__name__)
        finally:
            connection.disconnect()  # type: ignore[no-untyped-call]

    def _hear(self, answer: Any) -> None:
        kind, _, name = answer
        if kind == b"message":
            self._act(key_of(name.decode().partition("}:")[2]))
