"""What event loops ask a server by themselves: for a slot that is likely to be free, if nothing is as it should not be.

The thread of the agent asks for all that waits, in whatever state the server is. A loop asks for one slot at a time,
which is not to wait, by a connection of its own (`direct`); it saves the way to the thread and back. If the
answer is not a slot, for whatever reason, the waiter is the thread's. An ask whose answer is not known is given up: its
token is refunded, and the thread asks for another one.
"""

import asyncio
import os
import threading
import weakref
from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from math import inf
from typing import Any, Final, Protocol

from okx_async._errors import InvalidRequestError
from okx_async._log import logger
from okx_async.stores._agent.handover import PATIENCE, Handover
from okx_async.stores._agent.waiters import Key, Note, Waiter, closed, deliver
from okx_async.stores._redis.address import Address
from okx_async.stores._redis.direct import Direct
from okx_async.stores._redis.link import Call, Link
from okx_async.stores._redis.messages import Seen, Visit, names_of, read_seen, tag_of, write_visit
from okx_async.stores._redis.store import RedisStore
from okx_async.stores.lease import Lease
from okx_async.stores.line import Ask
from okx_async.stores.store import StoreError

REST: Final = 1.0
"""Seconds from the begin of a connection of a loop until another one is opened in its place."""
FAR: Final = 0.005
"""Seconds of a round trip from which on the way to the thread does not matter."""
MANY: Final = 1024
"""Keys, at least, after which those at which nothing waits are forgotten."""


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

    def look_again(self, key: Key) -> None:
        """Have those named to the store that wait at a key; in any thread."""


class LoopAsks:
    """What one event loop asks; all of it is called in that loop, but `granted` and `_join`."""

    def __init__(self, loops: "Loops", loop: AbstractEventLoop) -> None:
        self.direct: Direct | None = None
        self._loops = loops
        self._loop = weakref.ref(loop)
        self._order = Order()
        self._asking: Waiter | None = None
        self._behind: list[Waiter] = []  # of its key and lane, until it is known what becomes of it
        self._grants = 0
        self._begun = -REST

    def ask(self, waiter: Waiter) -> bool:
        """Ask for a token, or see to it that it will be asked for; return False if the thread is to, now."""
        loops, key, direct, asking = self._loops, waiter.key, self.direct, self._asking
        first = self._order.is_first(waiter)
        if asking is not None and (asking.key, asking.panic) == (key, waiter.panic):
            self._behind.append(waiter)
            return True
        if not first or direct is None or not direct.free:
            return False
        tag = tag_of(key)
        link, era = loops.store.ready(tag), loops.store.eras.get(tag)
        if link is None or not loops.thread.unmarked(waiter):
            return False
        if (link.label, link.run) != (direct.label, direct.run):  # another server has taken its place
            self.end()
            return False
        now = loops.clock()
        lease = Lease(now, loops.wall(), loops.store.terms.lease)  # noted before the ask is sent
        token = waiter.token = os.urandom(12).hex()
        visit = Visit(key, waiter.quota, (), [Ask(waiter.ident, token, waiter.panic, stays=False)], serve=True)
        frame = loops.store.frame(link, now, loops.thread.holder, patience=direct.patience)
        call = Call(names_of(loops.store.prefix, key), write_visit(visit, now, now, frame))
        loops.handover.expect(waiter, now)  # if this loop hangs, the thread takes it back
        if not direct.ask(call, partial(self._answered, waiter, token, lease, era)):
            waiter.token = ""
            loops.handover.forget(waiter)
            return False
        self._asking = waiter  # not before: none may wait behind an ask that Ctrl-C broke off
        loops.thread.look_by(now + PATIENCE)
        return True

    def granted(self, now: float, link: Link) -> None:
        """Hear in the thread that it got a token for this loop: one that goes on asking gets a connection."""
        self._grants += 1
        if self._has_one() or self._grants == 1 or now < self._begun + REST or link.sharded or link.socket() is None:
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

    def _has_one(self) -> bool:
        return self.direct is not None and not self.direct.ended

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
        if self._loops.closed or self._has_one() or found is None or loop is None:
            link.close()
            return
        try:
            self.direct = Direct(link, found, loop)
        except NotImplementedError:
            self._begun = inf
            link.close()

    def _answered(self, waiter: Waiter, token: str, lease: Lease, era: int | None, reply: list[Any] | None) -> None:
        """Hear what became of an ask; `era`: of the epoch that was known when it was sent."""
        behind, self._behind, self._asking = self._behind, [], None  # first: whatever comes, none is put behind it
        loops = self._loops
        # Else the thread took it back, and it may have another one.
        mine = waiter.token == token and loops.handover.taken(waiter)
        done = waiter.future.done()  # it was given up
        seen = self._read(reply)
        got = seen is not None and seen.answers[0].at is not None
        kept = got and mine and not done  # and the epoch is the one that `unmarked` knew, and the present one
        if seen is not None and kept and era == seen.since == loops.store.eras.get(tag_of(waiter.key)):
            waiter.lease = lease
            loops.thread.book(waiter, seen)
            deliver([(waiter, None)])
        else:
            if got or seen is None:
                loops.thread.tell(waiter.key, Note("refund", token, loops.clock()))
            if not mine:
                loops.thread.post(partial(loops.handover.come_back, waiter.loop))
            elif not done:
                waiter.token = ""
                behind.insert(0, waiter)
        if behind := [each for each in behind if not each.future.done()]:
            loops.thread.post(partial(self._join, behind))  # in one message: they may be thousands
        if seen is not None:  # those that began to wait meanwhile have lost their places, as it did not name them
            loops.thread.look_again(waiter.key)
        if loops.closed:  # the thread may have ended before it saw them
            with suppress(RuntimeError):  # the loop is closed, so that nothing waits any more
                deliver([(each, closed(each)) for each in behind])

    def _join(self, waiters: list[Waiter]) -> None:
        """Let waiters wait; in the thread."""
        for each in waiters:
            self._loops.thread.join(each)

    def _read(self, reply: list[Any] | None) -> Seen | None:
        """Return what the server says of the key; None: nothing that is of use."""
        try:
            if reply is not None and reply[0] == b"ok":  # else it did nothing, and the thread will hear why
                seen = read_seen(reply, self._loops.clock(), self._loops.thread.holder, self._loops.store.terms)
                if seen.answers:
                    return seen
        except Exception as error:  # noqa: BLE001 - whatever stands there, the thread will say so
            logger.debug("an answer of the store of the limits cannot be read: %r", error)
        return None


class Order:
    """Who waits at which key, in the order in which they asked; those whose wait has ended are forgotten."""

    def __init__(self) -> None:
        self._waiting: dict[Key, deque[weakref.ref[Waiter]]] = {}
        self._many = MANY

    def is_first(self, waiter: Waiter) -> bool:
        """Add a waiter, and return whether no other one waits at its key."""
        waiting = self._waiting.get(waiter.key)
        if waiting is None:
            if len(self._waiting) >= self._many:
                self._waiting = {key: each for key, each in self._waiting.items() if _wait(each)}
                self._many = max(MANY, 2 * len(self._waiting))
            waiting = self._waiting[waiter.key] = deque()
        first = not _wait(waiting)
        waiting.append(weakref.ref(waiter))
        return first


def _wait(waiting: "deque[weakref.ref[Waiter]]") -> bool:
    """Forget the first ones whose wait has ended, and return whether any is left."""
    while waiting:
        one = waiting[0]()
        if one is not None and not one.future.done():
            return True
        waiting.popleft()
    return False


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
            self._end_closed()
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
            if loop.is_running():
                with suppress(RuntimeError):  # it is closed at this moment, with all that it reads
                    loop.call_soon_threadsafe(asks.end)
            else:
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

    def _end_closed(self) -> None:
        """Close the connections of loops that were closed in the midst of an ask, which keeps all alive."""
        for loop, asks in self._living():
            if loop.is_closed():
                asks.end()

    def _living(self) -> Iterator[tuple[AbstractEventLoop, LoopAsks]]:
        for ref in self._asks.keyrefs():  # copied at once: other threads begin loops meanwhile
            loop = ref()
            asks = None if loop is None else self._asks.get(loop)
            if loop is not None and asks is not None:
                yield loop, asks
