"""What event loops ask a server by themselves: for a slot that is likely to be free, if nothing is as it should not be.

The thread of the agent asks for all that waits, in whatever state the server is. A loop asks for one slot at a time,
which is not to wait, by a connection of its own (`redis_direct`); it saves the way to the thread and back. If the
answer is not a slot, for whatever reason, the waiter is the thread's. An ask whose answer is not known is given up: its
token is refunded, and the thread asks for another one.
"""

import asyncio
import os
import threading
import weakref
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from math import inf
from typing import Any, Final, Protocol

from okx_async._errors import InvalidRequestError
from okx_async.stores.handover import PATIENCE, Handover
from okx_async.stores.lease import Lease
from okx_async.stores.line import Ask
from okx_async.stores.redis_address import Address
from okx_async.stores.redis_direct import Direct
from okx_async.stores.redis_link import Call, Link
from okx_async.stores.redis_messages import Seen, Visit, names_of, read_seen, tag_of, write_visit
from okx_async.stores.redis_store import RedisStore
from okx_async.stores.transactions import StoreError
from okx_async.stores.waiters import Key, Note, Waiter, deliver

REST: Final = 1.0
"""Seconds from the begin of a connection of a loop until another one is opened in its place."""
FAR: Final = 0.005
"""Seconds of a round trip from which on the way to the thread does not matter."""
MANY: Final = 1024
"""Keys after which those at which no wait is underway are forgotten."""


class Thread(Protocol):
    """What the agent's thread does for its loops: see `RedisWorker`."""

    holder: str

    def post(self, act: Callable[[], object]) -> bool:
        """Have a function called in the thread."""

    def join(self, waiter: Waiter) -> None:
        """Let a waiter wait; in the thread."""

    def look_by(self, at: float) -> None:
        """See to it that the thread looks at what is due by that time; in any thread."""

    def tell(self, key: Key, note: Note) -> None:
        """Have the store told; in any thread."""

    def unmarked(self, waiter: Waiter) -> bool:
        """Return whether nothing is known of a key that a waiter's ask must heed; in any thread."""

    def book(self, waiter: Waiter, seen: Seen) -> None:
        """Book what the store said of the key of a waiter that got a token; in any thread."""


class LoopAsks:
    """What one event loop asks; all of it is called in that loop, but `granted`."""

    def __init__(self, loops: "Loops", loop: AbstractEventLoop) -> None:
        self.direct: Direct | None = None
        self._loops = loops
        self._loop = weakref.ref(loop)
        self._last: dict[Key, weakref.ref[Waiter]] = {}  # who asked last; those that wait keep their order
        self._grants = 0
        self._begun = -REST

    def ask(self, waiter: Waiter) -> bool:
        """Ask for a token; return False if the thread is to."""
        loops, key, direct = self._loops, waiter.key, self.direct
        last = self._last.get(key)
        before = None if last is None else last()
        self._remember(key, waiter)
        if direct is None or not direct.free or (before is not None and not before.future.done()):
            return False
        link = loops.store.ready(tag_of(key))
        if link is None or not loops.thread.unmarked(waiter):
            return False
        if (link.label, link.run) != (direct.label, direct.run):  # another server has taken its place
            self.end()
            return False
        now = loops.clock()
        lease = Lease(now, loops.wall(), loops.store.terms.lease)  # noted before the ask is sent
        token = waiter.token = os.urandom(12).hex()
        asks = [Ask(waiter.ident, token, waiter.panic, stays=False)]
        visit = Visit(key, waiter.quota, (), asks, serve=True)
        message = write_visit(visit, now, now, loops.store.frame(link, now, loops.thread.holder))
        loops.handover.expect(waiter, now)  # if this loop hangs, the thread takes it back
        if not direct.ask(
            Call(names_of(loops.store.prefix, key), message), partial(self._answered, waiter, token, lease)
        ):
            loops.handover.forget(waiter)
            waiter.token = ""
            return False
        loops.thread.look_by(now + PATIENCE)
        return True

    def granted(self, now: float, link: Link) -> None:
        """Hear in the thread that it got a token for this loop: one that goes on asking gets a connection."""
        self._grants += 1
        has_one = self.direct is not None and not self.direct.ended
        if has_one or self._grants == 1 or now < self._begun + REST or link.sharded or link.socket() is None:
            return
        self._begun = now
        thread = threading.Thread(target=self._open, args=(link.address, link.run), name="okx_async loop", daemon=True)
        with suppress(RuntimeError):  # no thread can begin now
            thread.start()

    def end(self) -> None:
        """Close the connection."""
        if self.direct is not None:
            self.direct.end()
            self.direct = None

    def _open(self, address: Address, run: str) -> None:
        """Open a connection to the same server and give it to the loop; in a thread of its own, as that takes time."""
        try:
            link = Link(address)
        except (StoreError, InvalidRequestError):
            return
        loop = self._loop()
        with suppress(RuntimeError):  # it is closed
            if loop is not None and link.run == run:
                loop.call_soon_threadsafe(self._take_over, link)
                return
        link.close()

    def _take_over(self, link: Link) -> None:
        found, loop = link.socket(), self._loop()
        if self._loops.closed or found is None or loop is None:
            link.close()
            return
        try:
            self.direct = Direct(link, found, loop)
        except NotImplementedError:
            self._begun = inf
            link.close()

    def _answered(self, waiter: Waiter, token: str, lease: Lease, reply: list[Any] | None) -> None:
        """Hear what became of an ask."""
        loops = self._loops
        mine = loops.handover.taken(waiter)
        done = waiter.future.done()  # it was given up
        seen = None
        if reply is not None and reply[0] == b"ok":
            seen = read_seen(reply, loops.clock(), loops.thread.holder, loops.store.terms)
        got = seen is not None and seen.answers[0].at is not None
        if seen is not None and got and mine and not done and seen.since == loops.store.eras.get(tag_of(waiter.key)):
            waiter.lease = lease
            loops.thread.book(waiter, seen)
            deliver([(waiter, None)])
            return
        if got or reply is None:
            loops.thread.tell(waiter.key, Note("refund", token, loops.clock()))
        if done:
            return
        if mine:
            waiter.token = ""
            loops.thread.post(partial(loops.thread.join, waiter))
        else:
            loops.thread.post(partial(loops.handover.come_back, waiter.loop))

    def _remember(self, key: Key, waiter: Waiter) -> None:
        if len(self._last) >= MANY:
            self._last = {
                name: ref for name, ref in self._last.items() if (one := ref()) is not None and not one.future.done()
            }
        self._last[key] = weakref.ref(waiter)


class Loops:
    """All event loops of a process that ask a server.

    Args:
        store: The server.
        thread: The agent's thread.
        handover: Of that thread.
        clock: The host's clock.
        wall: Unix seconds.
    """

    def __init__(
        self,
        store: RedisStore,
        thread: Thread,
        handover: Handover,
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self.store = store
        self.thread = thread
        self.handover = handover
        self.clock = clock
        self.wall = wall
        self.closed = False
        self._asks: weakref.WeakKeyDictionary[AbstractEventLoop, LoopAsks] = weakref.WeakKeyDictionary()

    def ask(self, waiter: Waiter) -> bool:
        """Have a waiter's loop, which this is called in, ask for a token; return False if the thread is to."""
        asks = self._asks.get(waiter.loop)
        if asks is None:
            asks = self._asks.setdefault(waiter.loop, LoopAsks(self, waiter.loop))
        return asks.ask(waiter)

    def granted(self, waiter: Waiter, now: float) -> None:
        """Hear that the thread got a token for a waiter; called in the thread."""
        asks, link = self._asks.get(waiter.loop), self.store.ready(tag_of(waiter.key))
        if asks is not None and link is not None and not self.closed:
            asks.granted(now, link)

    def close(self) -> None:
        """Have all connections closed, in their loops."""
        self.closed = True
        for loop, asks in self._living():
            try:
                loop.call_soon_threadsafe(asks.end)
            except RuntimeError:  # it was closed
                asks.end()

    def before_fork(self) -> None:
        """Close the connections that a child could use: those of loops that do not run in other threads."""
        running = asyncio._get_running_loop()  # noqa: SLF001 - the public way raises where none runs
        for loop, asks in self._living():
            if loop is running or not loop.is_running():
                asks.end()

    def abandon(self) -> None:
        """Leave all connections alone: this is a forked child, and they are its parent's."""
        for _, asks in self._living():
            if asks.direct is not None:
                asks.direct.ended = True

    def _living(self) -> Iterator[tuple[AbstractEventLoop, LoopAsks]]:
        for ref in self._asks.keyrefs():  # copied at once: other threads begin loops meanwhile
            loop = ref()
            asks = None if loop is None else self._asks.get(loop)
            if loop is not None and asks is not None:
                yield loop, asks
