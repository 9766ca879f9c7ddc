"""The servers that keep limits, as the agent of one process sees it: visits of keys, epochs, and the server's clock.

Each message says what the server's clock may show at most. A server that is ahead of that carries nothing out: either
the message was late on its way, or its clock was stepped. The round trip tells which. A message on its way for longer
than the clock is ahead explains it, and is sent once more; a clock that is ahead by more than the way took was stepped.
"""

from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import Any, Final, TypeAlias, TypeVar

from okx_async._errors import InvalidRequestError
from okx_async._log import logger
from okx_async.stores._redis.address import Address
from okx_async.stores._redis.link import SCRIPT, TIMEOUT, Call, EndedError, Link, UnreachableError
from okx_async.stores._redis.messages import (
    NEVER,
    TAGS,
    Frame,
    Seen,
    Visit,
    epoch_name,
    micro,
    names_of,
    read_seen,
    read_terms,
    tag_of,
    terms_of,
    told_name,
    write_epoch,
    write_visit,
)
from okx_async.stores._redis.neighbours import MANY, doubts, elsewhere, in_use, names_in, size_of
from okx_async.stores._redis.nodes import NodeError, Nodes
from okx_async.stores.epoch import MEANWHILE, disagreement
from okx_async.stores.lease import PPM, Terms
from okx_async.stores.notices import vouching
from okx_async.stores.store import BusyError, StoreError

T = TypeVar("T")
Ask: TypeAlias = Callable[[int, Frame, float], Call]
"""Returns the call of that number, for a server, as of a moment."""
REMEMBERED: Final = 30 * 24 * 3600
"""Seconds for which a server keeps what programs tell each other and look at no more."""
LATE_FOR: Final = 0.5
"""Seconds after which a server that is ahead of all expectation is taken to be stepped, though the way may explain it.

They count from the first answer that says so, which a server that halted for a while gives once. A machine
whose cores are busy sends some messages late, one after another; a way that has become longer stays so."""


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
        self.vouched_by = vouching(address.form, prefix)
        self.terms = terms
        self.yields = False
        """Set by another thread: begin nothing."""
        self.fork_waits = 0.05  # a silent server holds no fork: the child leaves an open connection to its parent
        self.warn: Callable[..., object] = logger.warning
        """How to tell what a person is to know; an agent's way keeps no handler in the way of what waits."""
        self.met: float | None = None
        """When it last answered; None: not yet."""
        self.eras: dict[int, int] = {}
        """Since when the epoch of each tag is, in microseconds of the server."""
        self.nodes = Nodes(address, prefix, script, clock)
        self.prefix = prefix
        self._clock = clock
        self._slack = slack
        self._agreed = terms_of(terms)
        self._seen: dict[str, tuple[int, float]] = {}  # by run id: server's time, when that message was sent

    def transact(self, work: Callable[[Any], T], until: float) -> T:
        """Do `work` with this store, connected; `until` is for stores that have a lock."""
        del until
        if self.yields:
            raise BusyError(f"{self.path}: the process is about to fork")
        try:
            result = work(self)
        except (StoreError, InvalidRequestError) as error:
            if not isinstance(error, NodeError):
                self.close()
            raise
        self.met = self._clock()
        return result

    def close(self) -> None:
        """Close the connections; the next call opens others."""
        self.nodes.close()

    def abandon(self) -> None:
        """Forget the connections without a word to the servers: this is a forked child, and they are the parent's."""
        _ABANDONED.extend(self.nodes.forget())
        self._seen.clear()

    def visit(self, visits: Sequence[Visit], holder: str, sent: float) -> list[Seen]:
        """Say what is to be said of some keys, and return what the server answers.

        Args:
            visits: One for each key.
            holder: The process.
            sent: When these asks were first sent.
        """

        def call(number: int, frame: Frame, now: float) -> Call:
            visit = visits[number]
            return Call(names_of(self.prefix, visit.key), write_visit(visit, now, sent, frame))

        tags = [tag_of(visit.key) for visit in visits]
        replies = self._asked(tags, call, holder)
        received = self._clock()
        for tag, reply in zip(tags, replies, strict=True):
            self.eras[tag] = reply[2]
        return [read_seen(reply, received, holder, self.terms) for reply in replies]

    def doubts(self) -> list[str]:
        """Return what stands in a server and is likely to be a mistake; it is not looked through if it is large."""
        told: list[str] = []
        for link in self.nodes.links:
            told += doubts(in_use(link, names_in(link)), self.prefix) if size_of(link) < MANY else []
            told += elsewhere(link, self.prefix)
        return told

    def recall(self, name: str) -> str | None:
        """Return what was told under a name; it stands for another month, since programs rely on what they saw."""
        found = self._at(name, lambda link, at: link.read(at, REMEMBERED))
        return None if not found else found.decode(errors="replace")

    def remember(self, name: str, value: str) -> None:
        """Write what all are to know, for a month after it was last looked at."""
        self._at(name, lambda link, at: link.commands([("SET", at, value, "EX", REMEMBERED)]))

    def _at(self, name: str, act: Callable[[Link, str], T]) -> T:
        """Do something with what stands for a name, over the connection to its server."""
        tag = tag_of((name,))
        return self._tried(tag, lambda link: act(link, told_name(self.prefix, tag, name)))

    def vouch(self) -> None:
        """Say that no holder is about that the servers know nothing of."""
        self._epochs("vouch", range(TAGS))

    def _epochs(self, what: str, tags: Iterable[int], *, stepped: bool = False) -> None:
        """Enter the epochs of tags."""
        tags = list(tags)

        def call(number: int, frame: Frame, _: float) -> Call:
            return Call((epoch_name(self.prefix, tags[number]),), write_epoch(what, frame, stepped=stepped))

        for tag, reply in zip(tags, self._asked(tags, call), strict=True):
            self.eras[tag] = reply[2]

    def _asked(self, tags: Sequence[int], call: Ask, holder: str = "") -> list[list[Any]]:
        """Return the replies of calls, each to the server of its tag."""
        by_server: dict[Link, list[int]] = {}
        for number, tag in enumerate(tags):
            by_server.setdefault(self._link(tag), []).append(number)
        replies: list[list[Any]] = [[]] * len(tags)
        for numbers in by_server.values():
            found = self._tried(tags[numbers[0]], lambda link: self._carried_out(link, numbers, call, holder))  # noqa: B023
            for number, reply in zip(numbers, found, strict=True):
                replies[number] = reply
        return replies

    def _link(self, tag: int) -> Link:
        """Return the connection to the server of a tag, whose epochs are known."""
        link = self.nodes.link(tag)
        if not link.greeted:
            link.greeted = True
            self._epochs("hello", self.nodes.tags(link))  # at once for all of its tags: the pause is for all
        return link

    def _tried(self, tag: int, act: Callable[[Link], T]) -> T:
        """Return what the server of a tag answers, over another connection if it ended the one that was open."""
        link = self._link(tag)
        try:
            try:
                return act(link)
            except EndedError:  # it may have carried it out: a message that comes twice changes nothing
                self.nodes.drop(link)
                link = self._link(tag)
                return act(link)
        except UnreachableError as error:
            raise self.nodes.fail(link, error) from None

    def _carried_out(self, link: Link, numbers: Sequence[int], call: Ask, holder: str) -> list[list[Any]]:
        """Return the replies of calls that one server carried out."""
        late_since, stepped = inf, False
        while True:
            sent = self._clock()
            frame = self.frame(link, sent, holder)
            replies = link.script(call(number, frame, sent) for number in numbers)
            received = self._clock()
            refused = [reply for reply in replies if reply[0] != b"ok"]
            if not refused:
                self._seen[link.run] = replies[-1][1], sent
                return replies
            late = [reply for reply in refused if reply[0] == b"late"]
            if not late:
                raise self._refused(refused[0])
            if stepped:
                raise UnreachableError(f"{link.label}: its clock was stepped")
            late_since = min(late_since, received)
            ahead = (max(reply[1] for reply in late) - self._until(link, sent)) / 1e6
            if ahead > received - sent + self._slack or received > late_since + LATE_FOR:
                self.warn(
                    "%s: its clock was set forward by %.3f s, or the way to it has become so much longer: nothing is "
                    "granted until no request of before can matter",
                    link.label,
                    ahead,
                )
                self._seen.pop(link.run, None)
                self._epochs("hello", self.nodes.tags(link), stepped=True)
                stepped = True

    def _refused(self, reply: list[Any]) -> Exception:
        match reply[0]:
            case b"terms":
                words = disagreement(read_terms(self._agreed), read_terms(reply[2:5]))
                return InvalidRequestError(
                    f"{self.path}: {words}; once no program uses the others: {self.vouched_by}; {MEANWHILE}"
                )
            case b"newer":
                return InvalidRequestError(
                    f"{self.path}: the limits are kept by a newer version of this library: format {reply[2]}"
                )
            case _:
                return StoreError(f"{self.path}: what stands under {self.prefix}: is of another program, or damaged")

    def ready(self, tag: int) -> Link | None:
        """Return the connection to the server of a tag if its clock and epochs are known; from any thread."""
        link = None if self.yields else self.nodes.known(tag)
        return link if link is not None and tag in self.eras and link.run in self._seen else None

    def frame(self, link: Link, now: float, holder: str, patience: float = TIMEOUT) -> Frame:
        """Return what is the same in each message to a server, as of a moment; from any thread.

        Args:
            link: The connection to the server, whose clock is known.
            now: The process's time.
            holder: The process.
            patience: Seconds for which its answer is waited for.
        """
        until = self._until(link, now)
        expected = until + micro(self._slack) if link.run in self._seen else NEVER
        # Later than `not_after` nothing is granted: nothing waits for it any more.
        return Frame(link.run, expected, self._agreed, holder, until + micro(patience + self._slack))

    def _until(self, link: Link, now: float) -> int:
        """Return what a server's clock shows at most if a message takes no longer than the last one."""
        at, sent = self._seen.get(link.run, (0, now))
        return at + micro((now - sent) * (1 + 2 * PPM))


_ABANDONED: list[Link] = []
"""Connections of parents, kept from being closed: that would end the parent's, too."""
