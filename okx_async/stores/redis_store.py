"""The server that keeps limits, as the agent of one process sees it: visits of keys, epochs, and the server's clock.

Each message says what the server's clock may show at most. A server that is ahead of that carries nothing out: either
the message was late on its way, or its clock was stepped. The round trip tells which. A message on its way for longer
than the clock is ahead explains it, and is sent once more; a clock that is ahead by more than the way took was stepped.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import orjson

from okx_async._errors import InvalidRequestError
from okx_async.stores.lease import PPM, Terms
from okx_async.stores.redis_address import Address
from okx_async.stores.redis_link import SCRIPT, TIMEOUT, Call, Link, UnreachableError
from okx_async.stores.redis_messages import (
    NEVER,
    TAGS,
    Seen,
    Visit,
    bucket_name,
    epoch_name,
    micro,
    read_seen,
    tag_of,
    terms_of,
    write_visit,
)
from okx_async.stores.transactions import BusyError, StoreError

T = TypeVar("T")
LATE_TRIES: Final = 3
"""Times that a message is sent before a server whose clock is ahead of all expectation is taken to be stepped."""
REST: Final = 0.1
"""Seconds for which a server that failed is left alone: those that ask meanwhile are answered at once."""


class RedisStore:
    """The server, and this process's connection to it; one thread at a time may use it.

    Args:
        address: The server.
        terms: What all programs that use it must agree upon.
        prefix: With which all its keys begin.
        clock: The host's clock.
        slack: Seconds by which the server's clock may be ahead of what was expected.
        script: What it carries out.
    """

    def __init__(
        self,
        address: Address,
        terms: Terms,
        prefix: str,
        *,
        clock: Callable[[], float],
        slack: float = 0.02,
        script: str = SCRIPT,
    ) -> None:
        self.path = address.label
        self.terms = terms
        self.yields = False
        """Set by another thread: begin nothing."""
        self.met: float | None = None
        """When it last answered; None: not yet."""
        self.link: Link | None = None
        self.eras: dict[int, int] = {}
        """Since when the epoch of each tag is, in microseconds of the server."""
        self._address = address
        self._prefix = prefix
        self._clock = clock
        self._slack = slack
        self._script = script
        self._seen: tuple[str, int, float] | None = None  # run id, server's time, when that message was sent
        self._failed: tuple[float, str] | None = None

    def transact(self, work: Callable[[Any], T], until: float) -> T:
        """Do `work` with this store, connected; `until` is for stores that have a lock."""
        del until
        if self.yields:
            raise BusyError(f"{self.path}: the process is about to fork")
        now = self._clock()
        if self._failed is not None and now < self._failed[0]:
            raise UnreachableError(self._failed[1])
        try:
            if self.link is None:
                self._connect()
            result = work(self)
        except UnreachableError as error:
            self.close()
            self._failed = self._clock() + REST, str(error)
            raise
        except (StoreError, InvalidRequestError):
            self.close()
            raise
        self._failed = None
        self.met = self._clock()
        return result

    def close(self) -> None:
        """Close the connection; the next call opens another one."""
        link, self.link = self.link, None
        if link is not None:
            link.close()

    def abandon(self) -> None:
        """Forget the connection without a word to the server: this is a forked child, and it is the parent's."""
        if self.link is not None:
            _ABANDONED.append(self.link)
            self.link = None
        self._seen = None

    def visit(self, visits: Sequence[Visit], holder: str, sent: float) -> list[Seen]:
        """Say what is to be said of some keys, and return what the server answers.

        Args:
            visits: One for each key.
            holder: The process.
            sent: When these asks were first sent.
        """

        def calls() -> list[Call]:
            now = self._clock()
            expected = self._expected(now)
            frame = {
                **self._frame(),
                "holder": holder,
                # Later than that nothing is granted: nothing waits for it any more.
                "not_after": self._until(now) + micro(TIMEOUT + self._slack),
                "expected": expected,
            }
            return [
                Call(
                    [epoch_name(self._prefix, tag_of(visit.key)), bucket_name(self._prefix, visit.key)],
                    write_visit(visit, now, sent, frame),
                )
                for visit in visits
            ]

        replies = self._asked(calls)
        received = self._clock()
        for visit, reply in zip(visits, replies, strict=True):
            self.eras[tag_of(visit.key)] = reply[3]
        return [read_seen(reply, received, holder, self.terms) for reply in replies]

    def vouch(self) -> None:
        """Say that no holder is about that the server knows nothing of."""
        self._epochs("vouch")

    def _connect(self) -> None:
        link = Link(self._address, self._script)
        self.link = link
        if self._seen is not None and self._seen[0] != link.run:
            self._seen = None
        try:
            self._epochs("hello")
        except BaseException:
            self.close()
            raise

    def _epochs(self, what: str, **more: Any) -> None:
        """Enter the epoch of each tag."""
        replies = self._asked(
            lambda: [
                Call(
                    [epoch_name(self._prefix, tag)],
                    orjson.dumps(
                        {**self._frame(), "what": what, "expected": self._expected(self._clock()), **more},
                    ),
                )
                for tag in range(TAGS)
            ]
        )
        self.eras = {tag: reply[3] for tag, reply in enumerate(replies)}

    def _asked(self, calls: Callable[[], Sequence[Call]]) -> list[list[Any]]:
        """Return the replies of calls that the server carried out."""
        for attempt in range(LATE_TRIES + 1):
            link = self._linked()
            sent = self._clock()
            replies = link.script(calls())
            way = self._clock() - sent
            late = [reply for reply in replies if reply[1] == b"late"]
            if not late:
                break
            ahead = (max(reply[2] for reply in late) - self._until(sent)) / 1e6
            if ahead > way + self._slack or attempt >= LATE_TRIES - 1:
                self._seen = None
                self._epochs("hello", stepped=True)
        else:
            raise UnreachableError(f"{self.path}: its clock was stepped")
        for reply in replies:
            if reply[1] != b"ok":
                raise self._refused(reply)
        self._seen = link.run, replies[-1][2], sent
        return replies

    def _refused(self, reply: list[Any]) -> Exception:
        match reply[1]:
            case b"terms":
                names = ("lease", "doubt_grace", "guard")
                mine = (self.terms.lease, self.terms.doubt_grace, self.terms.guard)
                differing = [
                    f"{name}={here:g} here, {there / 1e6:g} there"
                    for name, here, there in zip(names, mine, reply[3:6], strict=True)
                    if micro(here) != there
                ]
                return InvalidRequestError(
                    f"{self.path}: programs that share limits must agree on their terms: {'; '.join(differing)}; "
                    "once no program uses the others: okx-async limits --store URL --vouch"
                )
            case b"newer":
                return InvalidRequestError(
                    f"{self.path}: the limits are kept by a newer version of this library: format {reply[3]}"
                )
            case _:
                return StoreError(f"{self.path}: what stands under {self._prefix}: is of another program, or damaged")

    def _linked(self) -> Link:
        if self.link is None:
            raise UnreachableError(f"{self.path}: not connected")
        return self.link

    def _frame(self) -> dict[str, Any]:
        return {"run": self._linked().run, **terms_of(self.terms)}

    def _until(self, now: float) -> int:
        """Return what the server's clock shows at most if a message takes no longer than the last one."""
        if self._seen is None:
            return 0
        _, at, sent = self._seen
        return at + micro((now - sent) * (1 + 2 * PPM))

    def _expected(self, now: float) -> int:
        return NEVER if self._seen is None else self._until(now) + micro(self._slack)


_ABANDONED: list[Link] = []
"""Connections of parents, kept from being closed: that would end the parent's, too."""
