"""The thread of one process that asks a store for tokens, and delivers what became of them.

Everything here belongs to that thread, so there is nothing to lock: which waiters a key has, what is to be told the
store, and when to ask again. Others put functions into its inbox. The decisions are the store's (`line`, `lease`).

A message that ends a token is a note with the time of the event. It is kept until the store has it, for as long as it
can matter, and never awaited.
"""

import os
import threading
import time
from asyncio import AbstractEventLoop
from collections.abc import Callable
from itertools import islice
from math import inf
from traceback import format_exception
from typing import Final, TypeAlias, TypeVar

from okx_async._errors import OkxError
from okx_async._quota import Priority, Quota
from okx_async.stores._agent.access import Access
from okx_async.stores._agent.agenda import SOON, Agenda
from okx_async.stores._agent.handover import Ended, Handover
from okx_async.stores._agent.inbox import Inbox
from okx_async.stores._agent.visits import heal, visit
from okx_async.stores._agent.waiters import Key, LocalKey, Note, Waiter, closed, refusal, too_late
from okx_async.stores._sqlite.transactions import Transaction
from okx_async.stores.lease import Lease
from okx_async.stores.line import Answer, Ask
from okx_async.stores.notices import Notices
from okx_async.stores.store import BusyError, Store, StoreError

T = TypeVar("T")

Asks: TypeAlias = list[tuple[Waiter, Ask]]

ENDS: Final = {"settle", "doubt"}
"""Notes of which a waiter learns nothing before the window is over."""
RETRY: Final = 0.5
"""Seconds until notes that could not be delivered are tried again."""
CHUNK: Final = 16
"""Most keys of one transaction: other processes wait meanwhile."""
TIDY: Final = 256
"""Turns after which idle keys are forgotten."""
LONGEST_REST: Final = 60.0


class Worker:
    """The thread, from the first message to the last.

    Args:
        database: The store.
        quota: The quota of keys that are given no other.
        clock: The host's clock.
        wall: Unix seconds.
    """

    def __init__(self, database: Store, quota: Quota, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self.holder = f"{os.getpid()}-{os.urandom(6).hex()}"
        self.keys: dict[Key, LocalKey] = {}
        self.chunk = CHUNK
        self.rescues = False
        """Whether `rescue` may give something."""
        self.keeps: object = None
        """What is to live until the thread has ended."""
        self._database = database
        self._quota = quota
        self._clock = clock
        self._wall = wall
        self._notices = Notices(database.vouched_by)
        self._access = Access(database, self._notices, clock)
        self.lock = self._access.lock
        """Held while the connection is in use, and while this thread forks."""
        self._handover = Handover(self.post, self.join)
        self._inbox = Inbox(self._run)
        self._hot: dict[Key, LocalKey] = {}  # to be looked at in this turn
        self._last: list[Callable[[], object]] = []  # to be called at the end of this turn
        self._agenda = Agenda()
        self._turns = 0
        self._since = -inf  # of the epoch that was last seen
        self._stopping = False
        self._ends = False  # whether the thread was told to end

    def post(self, act: Callable[[], object]) -> bool:
        """Have a function called in the thread; return False if no thread can begin now, so that it is called later."""
        return self._inbox.put(act)

    def tell(self, key: Key, note: Note) -> None:
        """Have the store told; called in any thread."""
        self._inbox.leave(lambda: self.note(key, note))
        self.look_by(note.at + SOON if note.kind in ENDS else -inf)

    def look_by(self, at: float) -> None:
        """See to it that the thread looks by that time at what is there; called in any thread."""
        self._inbox.look_by(at)

    def stop(self, flush: float) -> None:
        """End every wait, deliver what is to be told within `flush` seconds, and end the thread."""
        until = self._clock() + flush
        if self._inbox.lives():
            self._ends = True
            self.post(self._stop)
            self._inbox.join(flush)
        else:
            self.keeps = None
        self._notices.join(until - self._clock())

    def flush(self, seconds: float) -> None:
        """End every wait, deliver what is to be told within so many seconds, and close the store until it is needed.

        The process ends; but a function of `atexit` that is called after this may have positions to close.
        """
        told, until = threading.Event(), self._clock() + seconds
        if self._ends:
            self._inbox.join(seconds)
        elif self._inbox.lives():
            self.post(self._end_all)
            self.post(lambda: self.at_last(self._access.close))
            self.post(lambda: self.at_last(told.set))
            told.wait(seconds)
        self._notices.join(until - self._clock())

    def begin(self, waiter: Waiter) -> bool:
        """Have a waiter wait, called in its loop; return False if no thread can begin now."""
        return self.post(lambda: self.join(waiter))

    def join(self, waiter: Waiter) -> None:
        """Let a waiter wait."""
        if self._stopping or waiter.left:
            self._end(waiter, closed(waiter))
            return
        local = self._hot[waiter.key] = self._local(waiter.key, waiter.quota)
        local.waiters[waiter.panic][waiter.ident] = waiter

    def leave(self, waiter: Waiter) -> None:
        """Give up a wait, or the token that it brought and that is not used."""
        waiter.left = True
        self._handover.forget(waiter)
        local = self._local(waiter.key)
        if waiter.lease is not None:
            self.note(waiter.key, Note("refund", waiter.token, self._clock()))
        elif local.waiters[waiter.panic].pop(waiter.ident, None) is not None:
            self._hot[waiter.key] = local

    def note(self, key: Key, note: Note) -> None:
        """Tell the store, and ask again for those that wait."""
        local = self._local(key)
        local.notes.append(note)
        if note.kind in ENDS:  # its token comes back a window later, so others may go first
            self._agenda.tell_soon(local, note.at)
        else:
            self._hot[key] = local

    def before_fork(self) -> None:
        """Close what a child could take for its own, besides the store."""

    def abandon(self) -> None:
        """Leave alone what is the parent's: this is a forked child, which has another worker."""

    def rescue(self, waiter: Waiter) -> bool:  # noqa: ARG002 - another worker's
        """Give a waiter a token without a store that is silent, if that may be; called in the waiter's loop."""
        return False

    def at_last(self, act: Callable[[], object]) -> None:
        """Call a function when all that came before has been done."""
        self._hot |= self._agenda.ended()
        self._last.append(act)

    def attempt(self, work: Callable[[Transaction], T]) -> T | Exception:
        """Return the result of a transaction, or the error that it met."""
        return self._access.attempt(work)

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._round()
            except BaseException as error:  # noqa: BLE001 - a log's handler may raise SystemExit
                self._broke(error)
        self._access.close()
        self.keeps = None

    def _round(self) -> None:
        self._inbox.looks_at = inf  # from here on whatever comes is seen at once
        self._inbox.take(0.0)
        now = self._clock()
        self._look_at_due(now)
        rest = 0.0 if self._hot or self._last or self._stopping else self._rest(now)
        self._inbox.looks_at = now + rest
        self._inbox.take(rest)
        while self._hot:
            self._turn(self._next_chunk())
            if not self._last:  # else that would wait for all that comes meanwhile
                self._inbox.take(0.0)
        while self._last:
            self._last.pop(0)()

    def _broke(self, error: BaseException) -> None:
        """End all waits after an error that is not expected, and go on: without the thread they would never end."""
        failure = StoreError(f"{self._database.path}: {error!r}")
        for local in list(self.keys.values()):
            Worker._failed(self, local, failure)  # not as another worker does, which may have raised it
        time.sleep(SOON)  # it may come again at once
        if isinstance(error, Exception):
            self._notices.error("the limits cannot be kept: %s", "".join(format_exception(error)))

    def _next_chunk(self) -> list[LocalKey]:
        """Return keys that are to be looked at, as many as one message may be about; of a crowd PANIC goes first."""
        crowd = len(self._hot) > self.chunk
        first = [key for key, local in self._hot.items() if local.waiters[Priority.PANIC]] if crowd else []
        keys = list(islice(first or self._hot, self.chunk))
        for key in keys:
            self._agenda.told(key)
        return [self._hot.pop(key) for key in keys]

    def _look_at_due(self, now: float) -> None:
        """Have the keys looked at whose time has come, and take back what hanging loops were given."""
        for waiter, token in self._handover.take_back(now, self.keys):
            self.note(waiter.key, Note("refund", token, now))
        self._hot |= self._agenda.take(now)

    def _rest(self, now: float) -> float:
        """Return the seconds until something is due, at most."""
        return max(0.0, min(now + LONGEST_REST, self._handover.due(), self._agenda.next()) - now)

    def _stop(self) -> None:
        self._stopping = True
        self._end_all()

    def _end_all(self) -> None:
        self._handover.return_all()  # each is told that the limiter is closed
        for local in list(self.keys.values()):
            for waiter in local.in_order():
                self._end(waiter, closed(waiter))
            local.waiters = {}, {}
            if local.notes or local.told:
                self._hot[local.key] = local

    def _local(self, key: Key, quota: Quota | None = None) -> LocalKey:
        local = self.keys.get(key)
        if local is None:
            # A loop may have it made by a rescue at the same moment.
            local = self.keys.setdefault(key, LocalKey(key, self._quota if quota is None else quota))
        elif quota is not None:
            local.quota = quota
        return local

    def _turn(self, chunk: list[LocalKey]) -> None:
        """Tell the store what is to be told of some keys, and ask for tokens for their waiters."""
        lease, asks = self._prepare(chunk)
        self._conclude(chunk, lease, asks, self.attempt(lambda transaction: self._visit_all(transaction, chunk, asks)))

    def _prepare(self, chunk: list[LocalKey]) -> tuple[Lease, list[Asks]]:
        """Return what the waiters of some keys ask for, and the lease of what they will get."""
        self._turns += 1
        asked = self._clock()
        if not self._turns % TIDY:
            for key in [key for key, local in list(self.keys.items()) if local.idle(asked)]:
                del self.keys[key]
        lease = Lease(asked, self._wall(), self._database.terms.lease)  # noted before the ask is sent
        return lease, [self._asks(local, asked) for local in chunk]

    def _conclude(
        self,
        chunk: list[LocalKey],
        lease: Lease,
        asks: list[Asks],
        result: tuple[float, list[list[Answer]]] | Exception,
    ) -> None:
        """Book what the store says of some keys."""
        if isinstance(result, Exception):
            now = self._clock()
            for local, own in zip(chunk, asks, strict=True):
                # Whether a commit or a call that failed was carried out is not known; if so, these tokens are out.
                local.notes += [Note("refund", ask.token, now) for _, ask in own]
            if len(chunk) > 1 and not isinstance(result, BusyError):
                for local in chunk:  # it may be the matter of one of them
                    self._turn([local])
            else:
                for local in chunk:
                    self._failed(local, result)
            return
        self._since, answers = result
        granted: dict[AbstractEventLoop, list[tuple[Waiter, OkxError | None]]] = {}
        try:
            for local, own, answered in zip(chunk, asks, answers, strict=True):
                local.notes.clear()
                for waiter in self._answered(local, own, answered, lease):
                    granted.setdefault(waiter.loop, []).append((waiter, None))
        finally:
            for loop, ended in granted.items():
                self._in_loop(loop, ended)

    def _asks(self, local: LocalKey, now: float) -> Asks:
        """Return the asks for the named waiters of a key, and end the waits of others that cannot end in time."""
        for waiter, earliest in local.hopeless(now):
            self._end(waiter, too_late(waiter, earliest - now))
        return [(w, Ask(w.ident, os.urandom(12).hex(), w.panic, stays=w.stays)) for w in local.named()]

    def _visit_all(
        self, transaction: Transaction, chunk: list[LocalKey], asks: list[Asks]
    ) -> tuple[float, list[list[Answer]]]:
        """Do a transaction, and return since when its epoch is and the answers for each key."""
        if transaction.epoch.since != self._since:
            heal(transaction, self.keys.values(), self.holder)
        answers = [
            visit(transaction, local, [ask for _, ask in own], self.holder, self._notices)
            for local, own in zip(chunk, asks, strict=True)
        ]
        return transaction.epoch.since, answers

    def _answered(self, local: LocalKey, asks: Asks, answers: list[Answer], lease: Lease) -> list[Waiter]:
        """Book the answers, see when to ask again, and return the waiters that got a token."""
        due, granted = local.next_deadline(), []
        for (waiter, ask), answer in zip(asks, answers, strict=True):
            if answer.at is not None:
                waiter.token, waiter.lease = ask.token, lease
                granted.append(waiter)
            elif waiter.stays and answer.earliest <= waiter.deadline and lease.asked < waiter.deadline:
                due = min(due, answer.again, waiter.deadline)
                continue
            else:
                self._end(waiter, too_late(waiter, max(0.0, answer.earliest - lease.asked)))
            del local.waiters[waiter.panic][waiter.ident]
        named = len(asks) - sum(waiter.ident not in local.waiters[waiter.panic] for waiter, _ in asks)
        if named < min(local.waiting(), local.quota.limit) or (not named and local.told):
            self._hot[local.key] = local  # others are to be named now, or none any more
        self._agenda.wake(local, due)
        return granted

    def _failed(self, local: LocalKey, error: Exception) -> None:
        """End the waits at a key that the store could not be asked about, and keep what it is to be told."""
        now = self._clock()
        hold = self._database.terms.hold(local.quota)
        local.notes = [note for note in local.notes if now - note.at <= max(hold, note.seconds)]
        for waiter in local.in_order():
            self._end(waiter, refusal(waiter, error))
        local.waiters = {}, {}
        if local.notes and not self._stopping:
            self._agenda.wake(local, now + RETRY)

    def _end(self, waiter: Waiter, error: OkxError) -> None:
        self._in_loop(waiter.loop, [(waiter, error)])

    def _in_loop(self, loop: AbstractEventLoop, ended: Ended) -> None:
        """End waits in the loop that they belong to; a closed loop has lost what it was given."""
        for waiter in self._handover.give(loop, ended, self._clock()):
            self.leave(waiter)
