"""The agent of one program at a store in memory: the real worker, whose messages take time and may be lost."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import inf
from random import Random
from typing import Any, TypeAlias

from okx_async import Quota
from okx_async.stores import SqliteLimiter
from okx_async.stores._agent.agent import Agent
from okx_async.stores._agent.waiters import Key, LocalKey, Note
from okx_async.stores._agent.worker import Asks, Worker
from okx_async.stores.lease import PPM, Lease, Terms
from okx_async.stores.line import Answer
from okx_async.stores.store import StoreError
from okx_async.torture.sharing.memory_store import MemoryStore, Message, Seen, Visit
from okx_async.torture.sharing.side_loop import SideLoop

Work: TypeAlias = Callable[[Any], object]
"""What a store is to do."""
PATIENCE = 0.5
"""Seconds after which a message that has no answer counts as lost."""


@dataclass(slots=True)
class Post:
    """How messages between a program and its store fare; shares of them, and seconds."""

    delay: float = 0.0
    """The longest time of one way."""
    lost: float = 0.0
    """Lost on the way there."""
    unheard: float = 0.0
    """Carried out, while the answer is lost."""
    repeated: float = 0.0
    """Sent once more, as no answer came in time; the first one may have been carried out."""
    doubled: float = 0.0
    """Carried out once more, `late` seconds later at most."""
    late: float = 0.0
    down: bool = False
    """Whether nothing comes through at this moment."""


class _Nowhere:
    """Stands where a worker has its file."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.path = "a store in memory"
        self.vouched_by = "no command"
        self.yields = False
        self.fork_waits = -1.0

    def close(self) -> None:
        """Do nothing."""


class StoreWorker(Worker):
    """A worker that runs in the loop of its program.

    Args:
        store: Its store.
        loop: The loop of its program.
        name: Of the program: it decides who is first in line among equals.
        quota: The quota of keys that are given no other.
        terms: What all programs must agree upon.
        clock: The clock of the program's host.
        wall: Unix seconds.
        post: How messages fare.
        rng: Decides that.
    """

    def __init__(  # noqa: PLR0917 - the first ones are those of any worker
        self,
        store: MemoryStore,
        loop: SideLoop,
        name: str,
        quota: Quota,
        terms: Terms,
        clock: Callable[[], float],
        wall: Callable[[], float],
        *,
        post: Post,
        rng: Random,
    ) -> None:
        nowhere: Any = _Nowhere(terms)
        super().__init__(nowhere, quota, clock, wall)
        self.holder = name
        self._store = store
        self._loop = loop
        self._terms = terms
        self._post = post
        self._rng = rng
        self._chunks: list[list[LocalKey]] = []
        self._acts: list[Callable[[], object]] = []
        self._works: list[tuple[Work, Callable[[object], object]]] = []
        self._busy = self._asked_to_look = False
        self._timer: Any = None
        self._run_seen = 0
        self._met = 0.0
        self.asked = 0.0
        """When the last ask was sent, by the program's clock."""
        self._heard: tuple[float, float] | None = None  # the store's time, and this host's, when it was heard of

    def clock(self) -> float:
        """Return the time of the program's host."""
        return self._clock()

    def post(self, act: Callable[[], object]) -> bool:
        """Have a function called in the worker's turn."""
        self._acts.append(act)
        self._look_soon()
        return True

    def tell(self, key: Key, note: Note) -> None:
        """Have the store told in the worker's turn."""
        self.post(lambda: self.note(key, note))

    def stop(self, flush: float) -> None:  # noqa: ARG002 - it has no thread to wait for
        """End every wait, and tell what is to be told."""
        self.post(self._stop)

    def transact(self, work: Work, done: Callable[[object], object]) -> None:
        """Have a function of the store called after all that was asked and told so far, and `done` with its result."""

        def add() -> None:
            self._works.append((work, done))

        self.post(add)

    def _look_soon(self) -> None:
        if not self._asked_to_look:
            self._asked_to_look = True
            self._loop.call_soon(self._look)

    def _look(self) -> None:
        self._asked_to_look = False
        if self._busy:
            return
        self._look_at_due(self._clock())
        acts, self._acts = self._acts, []
        for act in acts:
            act()
        while self._hot and not self._chunks:
            self._chunks.append(self._next_chunk())
        if self._chunks:
            self._visit(self._chunks.pop(0))
        elif self._works:
            work, done = self._works.pop(0)
            self._send(lambda: work(self._store), partial(self._told, done))
        elif (due := self._agenda.next()) < inf:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_later(max(0.0005, due - self._clock()), self._look_soon)

    def _turn(self, chunk: list[LocalKey]) -> None:
        self._chunks.append(chunk)

    def _visit(self, chunk: list[LocalKey]) -> None:
        """Tell and ask of some keys, and book the answer, if one comes in time."""
        lease, asks = self._prepare(chunk)
        self.asked = lease.asked
        message = self._message(chunk, asks)
        self._send(lambda: self._store.take(message), partial(self._book, chunk, lease, asks))

    def _send(self, act: Callable[[], object], book: Callable[[Any], None]) -> None:
        """Send a message that has the store carry something out; `book` gets the result, or the error, in time."""
        self._busy = True
        main, post, rng = self._loop.main, self._post, self._rng
        tries = 2 if rng.random() < post.repeated else 1
        for attempt in range(tries):
            begun = attempt * PATIENCE
            there, back = rng.uniform(0.0, post.delay), rng.uniform(0.0, post.delay)
            lost = post.down or rng.random() < post.lost
            unheard = attempt + 1 < tries or rng.random() < post.unheard
            if not lost:
                main.call_later(begun + there, self._arrive, act, None if unheard else book, back)
                if rng.random() < post.doubled:
                    main.call_later(begun + rng.uniform(there, post.late), self._arrive, act, None, 0.0)
            if (lost or unheard) and attempt + 1 == tries:
                self._loop.call_later(begun + PATIENCE, book, StoreError("no answer of the store came"))

    def _message(self, chunk: list[LocalKey], asks: list[Asks]) -> Message:
        now, store = self._clock(), self._store
        if self._run_seen != store.run:  # a connection ends with its server: it connects anew
            self._run_seen, self._met, self._heard = store.run, store.clock(), None
        estimate = None
        if self._heard is not None:
            estimate = self._heard[0] + (now - self._heard[1]) * (1 + PPM) + self._post.delay + PATIENCE
        visits = (
            Visit(
                local.key,
                local.quota,
                tuple((note, max(0.0, now - note.at)) for note in local.notes),
                tuple(ask for _, ask in own),
            )
            for local, own in zip(chunk, asks, strict=True)
        )
        late = store.clock() + 2 * PATIENCE
        return Message(self.holder, self._terms, tuple(visits), estimate, self._met, late)

    def _arrive(self, act: Callable[[], object], book: Callable[[Any], None] | None, delay: float) -> None:
        """Carry a message out; its sender may be dead by now."""
        result: object
        try:
            result = act()
        except Exception as error:  # noqa: BLE001 - it is the answer
            result = error
        if book is not None:
            self._loop.call_later(delay, book, result)

    def _told(self, done: Callable[[object], object], result: object) -> None:
        self._busy = False
        done(result)
        self._look_soon()

    def _book(self, chunk: list[LocalKey], lease: Lease, asks: list[Asks], result: list[Seen] | Exception) -> None:
        self._busy = False
        if isinstance(result, Exception):
            self._conclude(chunk, lease, asks, result)
        else:
            self._heard = result[0].now, lease.asked  # an answer may rest while its program is stopped
            answers = [self._saw(local, seen, lease.asked) for local, seen in zip(chunk, result, strict=True)]
            self._conclude(chunk, lease, asks, (result[0].since, answers))
        self._look_soon()

    def _saw(self, local: LocalKey, seen: Seen, asked: float) -> list[Answer]:
        """Return the answers by this host's clock, and keep what was seen."""
        shift, bucket = asked - seen.now, seen.bucket
        for token in bucket.tokens.values():
            token.free_at += shift
        bucket.blocked_until += shift
        bucket.refused_at = None if bucket.refused_at is None else bucket.refused_at + shift
        local.seen, local.expires = lambda: bucket, bucket.expires()
        local.told = any(place.holder == self.holder for place in bucket.line.values())
        return [Answer(each.at, each.again + shift, each.earliest + shift) for each in seen.answers]


class StoreAgent(Agent):
    """The agent of one program, at a store in memory."""

    worker: StoreWorker

    def call(self, work: Work, done: Callable[[object], object]) -> None:
        """Have a function of the store called after all that was asked and told so far; see Agent.call."""
        self.worker.transact(work, done)
        if self.closed:
            done(StoreError("the limiter was closed"))


class StoreLimiter(SqliteLimiter):
    """The limiter of one program, at a store in memory."""

    def __init__(self, make: Callable[[Any], StoreWorker], quota: Quota, terms: Terms, clock: Any, wall: Any) -> None:
        nowhere: Any = _Nowhere(terms)
        self._quota = quota
        self._terms = terms
        self._agent = StoreAgent(nowhere, quota, clock, wall)
        self.worker = self._agent.worker = make(self)

    async def aclose(self) -> None:
        """End every waiter."""
        self._agent.close(0.0)

    def keys(self) -> list[Key]:
        """Return the keys that this program has seen in use."""
        return self._agent.keys()

    def __repr__(self) -> str:
        return "<StoreLimiter>"
