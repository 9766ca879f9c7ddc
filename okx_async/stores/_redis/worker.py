"""The thread of one process that asks a server for tokens; without the server, PANIC still gets one a window.

A refusal for rate costs two seconds, an exit that is not sent costs money: so a waiter in the lane PANIC does not wait
for a server that is out of reach or that has lost its memory. Its token is reported as soon as that is possible.
"""

import os
import socket
import threading
from collections.abc import Callable
from math import inf
from typing import Any, Final, TypeVar

from okx_async._errors import InvalidRequestError
from okx_async._quota import Quota
from okx_async.stores._agent.waiters import Key, LocalKey, Note, Waiter, closed
from okx_async.stores._agent.worker import TIDY, Asks, Worker
from okx_async.stores._redis.hints import Hints, channel_of
from okx_async.stores._redis.loops import FAR, Loops
from okx_async.stores._redis.messages import NEVER, Held, Seen, Visit, tag_of
from okx_async.stores._redis.store import RedisStore
from okx_async.stores.lease import Lease, SharedBucket
from okx_async.stores.line import Answer

T = TypeVar("T")
SILENT, LONGEST_SILENT = 0.15, 0.6
"""Seconds after which a store that is being asked counts as silent: at least, and at most, if it is far away."""
STEPS: Final = 8
"""Round trips of an ask that opens a connection, and more: one that is answered step by step is not silent."""
CHUNK: Final = 64
"""Most keys of one round trip."""
AGAIN: Final = 0.1
"""Seconds after which a waiter that may go on without the store looks again whether it has come back."""


class RedisWorker(Worker):
    """As `Worker`; `shares` is by how many processes a limit is divided without the store, 0: only PANIC goes on."""

    def __init__(
        self,
        store: RedisStore,
        quota: Quota,
        clock: Callable[[], float],
        wall: Callable[[], float],
        shares: int = 0,
    ) -> None:
        super().__init__(store, quota, clock, wall)
        # Process ids are of a host; the reports show both.
        host = socket.gethostname()[:24].encode(errors="replace").decode()  # it may be of any bytes
        self.holder = f"{os.getpid()}@{host}-{os.urandom(6).hex()}"
        self.rescues = True
        self.chunk = CHUNK  # a server carries out each call by itself
        self._store = store
        store.warn = self._notices.warning
        self._shares = shares
        self._alone: dict[Key, SharedBucket] = {}
        self._begun = clock()
        self._busy = inf  # since when the store is being asked
        self._way = inf  # seconds that an ask takes
        self._lending = threading.RLock()
        self._eras: dict[Key, int] = {}
        self._pausing: frozenset[Key] | set[Key] = frozenset()
        self._warned = False
        self._looked = False
        self._served: list[Waiter] = []  # in this turn
        self._loops = Loops(store, self, self._handover, clock, wall)
        self._hints = Hints(channel_of(store.prefix, self.holder), self.look_again, clock)

    def stop(self, flush: float) -> None:
        """End every wait, deliver what is to be told within `flush` seconds, and end the threads."""
        self._hints.end()
        self._loops.close()
        super().stop(flush)

    def before_fork(self) -> None:
        """Close what a child could take for its own, besides the store."""
        self._loops.before_fork()

    def abandon(self) -> None:
        """Leave alone what is the parent's: this is a forked child, which has another worker."""
        self._loops.abandon()

    def begin(self, waiter: Waiter) -> bool:
        """Have a waiter wait, called in its loop, which may ask by itself; return False if no thread can begin now."""
        return self._loops.ask(waiter) or super().begin(waiter)

    def unmarked(self, waiter: Waiter) -> bool:
        """Return whether nothing is known of a key that a waiter's ask must heed; called in its loop."""
        if self._stopping or waiter.key in self._alone or waiter.key in self._pausing:
            return False
        local = self.keys.get(waiter.key)
        if local is None:
            return True
        # What it has forgotten it must be told with the next ask.
        return not (local.waiting() or local.told or local.lost or self._heals(local)) and local.quota == waiter.quota

    def book(self, waiter: Waiter, seen: Seen) -> None:
        """Book what the store said of a key where a waiter got a token; called in its loop."""
        local = self._local(waiter.key, waiter.quota)
        self._eras[waiter.key] = seen.since
        self._store.met = self._clock()  # "local" counts from the last token that the server gave
        local.look((seen.since, seen.now), lambda: seen.bucket, seen.expires)
        if seen.agreed:
            self.post(lambda: self._notices.quota(local.key, local.quota, seen.quota))

    def tell(self, key: Key, note: Note) -> None:
        """Have the store told, and at once what is used without it: the thread may hang at the store."""
        self._note_alone(key, note)
        super().tell(key, note)

    def note(self, key: Key, note: Note) -> None:
        """Tell the store, and the bucket that a token may have come from without it."""
        self._note_alone(key, note)
        super().note(key, note)

    def _note_alone(self, key: Key, note: Note) -> None:
        with self._lending:
            # A block holds at once, for what goes on without the store too.
            alone = self._alone.get(key) if note.token else self._own(self._local(key))
            if alone is not None and (note.token in alone.tokens or not note.token):
                note.apply(alone, self._clock(), self.holder)

    def attempt(self, work: Callable[[Any], T]) -> T | Exception:
        """Return the result of a call of the store, or the error that it met."""
        self._busy = self._clock()
        try:
            return super().attempt(work)
        finally:
            self._busy = inf

    def leave(self, waiter: Waiter) -> None:
        """Give up a wait, or the token that it brought and that is not used."""
        if waiter.lease is None and self._handover.taken(waiter):  # its loop has asked, and may be closed by now
            self.note(waiter.key, Note("refund", waiter.token, self._clock()))
        super().leave(waiter)

    def rescue(self, waiter: Waiter) -> bool:
        """Give a waiter a token without the store if that is silent; called in the waiter's loop."""
        now = self._clock()
        if now - self._busy < min(LONGEST_SILENT, max(SILENT, STEPS * self._way)) or self._stopping:
            return False
        with self._lending:
            local = self._local(waiter.key, waiter.quota)  # the thread that asks may not have seen it yet
            ident = os.urandom(12).hex()
            if waiter.token or not self._lend(local, ident, "does not answer"):  # it has one, or its loop has asked
                return False
            waiter.token, waiter.lease = ident, Lease(now, self._wall(), self._store.terms.lease)
        self.post(lambda: self._rescued(waiter))
        return True

    def look_again(self, key: Key) -> None:
        """Have a key looked at again if something waits there; called in any thread."""
        local = self.keys.get(key)
        if local is not None and local.waiting():
            self.post(lambda: self._hot.update({key: local}))

    def _look_around(self) -> None:
        """Tell what stands in the server and is likely to be a mistake, once."""
        found = self.attempt(lambda store: store.doubts())
        for text in [] if isinstance(found, Exception) else found:
            self._notices.warning("%s: %s", self._store.path, text)

    def _rescued(self, waiter: Waiter) -> None:
        local = self._local(waiter.key)
        local.waiters[waiter.panic].pop(waiter.ident, None)
        self._hot[local.key] = local

    def _visit_all(self, transaction: Any, chunk: list[LocalKey], asks: list[Asks]) -> tuple[float, list[list[Answer]]]:
        sent = self._clock()
        visits = [
            Visit(
                local.key,
                local.quota,
                tuple(local.notes),
                [ask for _, ask in own],
                serve=bool(own or local.told),
                held=self._held(local, sent),
            )
            for local, own in zip(chunk, asks, strict=True)
        ]
        heals = [self._heals(local) for local in chunk]
        found = transaction.visit(visits, self.holder, sent)
        if not self._turns % TIDY:
            for key in [key for key in list(self._eras) if key not in self.keys]:  # loops add some meanwhile
                del self._eras[key]
        self._way = min(self._clock() - sent, 2 * self._way)  # one that was slow by chance says little
        self._warned = False
        if not self._looked:
            self._looked = True
            self.at_last(self._look_around)
        for local, own, seen, healed in zip(chunk, asks, found, heals, strict=True):
            self._saw(local, seen, waits=bool(own), healed=healed)
        return 0.0, [seen.answers for seen in found]

    def _heals(self, local: LocalKey) -> bool:
        """Return whether the store has forgotten this process's tokens of a key, as far as is known."""
        return self._eras.get(local.key) != self._store.eras.get(tag_of(local.key))

    def _held(self, local: LocalKey, now: float) -> Held:
        """Return the tokens that the store may not know of: it has forgotten them, or never gave them."""
        held: Held = {}
        if self._heals(local):
            held |= local.out(self.holder)
        with self._lending:
            alone = self._alone.get(local.key)
            if alone is not None:
                alone.drop(now)
                held |= alone.tokens
                if not alone.tokens and alone.blocked_until <= now:
                    del self._alone[local.key]
        return held

    def _saw(self, local: LocalKey, seen: Seen, *, waits: bool, healed: bool) -> None:
        """Book what the store says of a key."""
        key, now = local.key, self._clock()
        if seen.agreed:
            self._notices.quota(key, local.quota, seen.quota)
        if waits and seen.pause:
            self._notices.pause(seen.opens / 1e6, seen.pause)
        self._pausing = {*self._pausing, key} if seen.pause else self._pausing - {key}
        lost: Held = {}
        if (
            not healed and self._eras.get(key, seen.since) != seen.since
        ):  # it has forgotten: it is told in the next turn
            ended = {note.token for note in local.notes if note.kind == "refund"}
            mine = local.out(self.holder).items()
            lost = {ident: token for ident, token in mine if token.free_at > now and ident not in ended}
            self._eras[key] = NEVER
            self._hot[key] = local
        else:
            self._eras[key] = seen.since
        local.look((seen.since, seen.now), lambda: seen.bucket, seen.expires)
        local.told, local.lost = seen.told, lost

    def _answered(self, local: LocalKey, asks: Asks, answers: list[Answer], lease: Lease) -> list[Waiter]:
        with self._lending:
            open_asks: Asks = []
            open_answers: list[Answer] = []
            for (waiter, ask), found in zip(asks, answers, strict=True):
                answer = found
                if waiter.lease is not None:  # it was rescued meanwhile
                    local.waiters[waiter.panic].pop(waiter.ident, None)
                    if answer.at is not None:
                        local.notes.append(Note("refund", ask.token, self._clock()))
                        self._hot[local.key] = local
                    continue
                if waiter.panic and answer.at is None and local.key in self._pausing:
                    answer = self._without(local, ask.token, answer)
                open_asks.append((waiter, ask))
                open_answers.append(answer)
            granted = super()._answered(local, open_asks, open_answers, lease)
        if local.waiting():
            self._listen(local.key)
        self._served += granted
        return granted

    def _turn(self, chunk: list[LocalKey]) -> None:
        super()._turn(chunk)
        served, self._served = self._served, []
        if self._way < FAR:
            for waiter in served:  # they have their tokens by now: this takes time
                self._loops.granted(waiter, self._clock())

    def _end_all(self) -> None:
        for waiter in self._handover.expected():
            self.note(waiter.key, Note("refund", waiter.token, self._clock()))
            self._end(waiter, closed(waiter))
        super()._end_all()

    def _listen(self, key: Key) -> None:
        """Hear of tokens that come back early, now that something waits for them."""
        link = self._store.nodes.known(tag_of(key))
        if link is not None:
            self._hints.listen(link.address)

    def _without(self, local: LocalKey, ident: str, answer: Answer) -> Answer:
        """Return the answer for a waiter that does not wait for the end of a pause."""
        alone, now = self._own(local), self._clock()
        if self._lend(local, ident, "has lost its memory"):
            return Answer(now)
        earliest = min(answer.earliest, alone.earliest(now, 0, panic=True))
        return Answer(None, min(answer.again, max(earliest, now + AGAIN)), earliest)

    def _failed(self, local: LocalKey, error: Exception) -> None:
        with self._lending:
            self._failed_alone(local, error)

    def _failed_alone(self, local: LocalKey, error: Exception) -> None:
        """Let those wait on that may go on without the store, and end the waits of the others."""
        now = self._clock()
        for waiter in list(local.in_order()):
            if waiter.lease is not None:  # it was rescued meanwhile
                del local.waiters[waiter.panic][waiter.ident]
        kept: tuple[dict[str, Waiter], dict[str, Waiter]] = {}, {}
        known = self._store.met is not None or not isinstance(error, InvalidRequestError)
        if known and not self._stopping:
            for waiter in list(local.in_order()):
                if not waiter.panic and not self._divided(local, now):
                    continue
                lease = Lease(now, self._wall(), self._store.terms.lease)
                ident = os.urandom(12).hex()
                if self._lend(local, ident, f"is out of reach ({error})"):
                    waiter.token, waiter.lease = ident, lease
                    del local.waiters[waiter.panic][waiter.ident]
                    self._in_loop(waiter.loop, [(waiter, None)])
                elif waiter.stays and self._own(local).earliest(now, 0, panic=waiter.panic) <= waiter.deadline:
                    kept[waiter.panic][waiter.ident] = local.waiters[waiter.panic].pop(waiter.ident)
        super()._failed(local, error)
        local.waiters = kept
        if any(kept):
            self._agenda.wake(local, now + AGAIN)

    def _divided(self, local: LocalKey, now: float) -> bool:
        """Return whether all may go on without the store, each process with its part of the limit."""
        met = self._begun if self._store.met is None else self._store.met
        return self._shares > 0 and now > met + self._store.terms.hold(local.quota)

    def _own(self, local: LocalKey) -> SharedBucket:
        """Return what this process may use of a key without the store."""
        seen = None if local.seen is None else local.seen()
        quota = local.quota if seen is None else seen.quota
        limit = max(1, quota.limit // self._shares) if self._divided(local, self._clock()) else 1
        alone = self._alone.setdefault(local.key, SharedBucket(Quota(1, quota.per), self._store.terms))
        alone.quota = Quota(limit, quota.per)
        alone.blocked_until = max(alone.blocked_until, 0.0 if seen is None else seen.blocked_until)
        return alone

    def _lend(self, local: LocalKey, ident: str, why: str) -> bool:
        """Take a token without the store if one may be had now."""
        alone, now = self._own(local), self._clock()
        alone.drop(now)
        if now < alone.blocked_until or alone.free(now, panic=True) <= 0:
            return False
        alone.take(now, ident, self.holder)
        if not self._warned:
            self._warned = True
            self._notices.warning(
                "the store of the limits %s: without it this process sends %d in %g s for each key",
                why,
                alone.quota.limit,
                alone.quota.per,
            )
        return True
