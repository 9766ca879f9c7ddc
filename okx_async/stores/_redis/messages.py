"""What is said between an agent and the script of `shared_quick.lua`: times become whole microseconds of the server.

Pure. A duration that holds something back is rounded up. Messages, and the records in replies, are packed as the script
unpacks them: little-endian, without gaps, times as floats of 8 bytes, in which whole microseconds are exact.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import ceil
from struct import Struct
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias
from zlib import crc32

from okx_async._quota import Quota
from okx_async.stores._agent.waiters import Key, Note
from okx_async.stores.lease import SharedBucket, Terms, Token
from okx_async.stores.line import Answer, Ask
from okx_async.stores.records import key_text

TAGS: Final = 64
"""Hash tags: all keys of one tag are on one server of a cluster, and have one epoch."""
Held: TypeAlias = dict[str, Token]
NEVER: Final = -1
"""Stands for a time that is not there."""
_WANTS: Final = {"hello": 0, "look": 1, "vouch": 2, "visit": 3}
_KINDS: Final = {"settle": 0, "doubt": 1, "refund": 2, "block": 3, "refuse": 4}
_MESSAGE: Final = Struct("<BBBHHHdddddddd")
_SIZE: Final = Struct("<H")
_NOTE: Final = Struct("<B24sdd")
_HELD: Final = Struct("<24sddB")
_ASK: Final = Struct("<24sdBBH")
_SEEN: Final = Struct("<ddII??")
_HEAD: Final = Struct("<4s7d6I")
_TOKEN: Final = Struct("<24sIdd")
_ANSWER: Final = Struct("<ddd")


@lru_cache(maxsize=4096)
def tag_of(key: Key) -> int:
    """Return the hash tag of a key."""
    return crc32(key_text(key).encode()) % TAGS


@lru_cache(maxsize=4096)
def epoch_name(prefix: str, tag: int) -> str:
    """Return where the epoch of a tag stands."""
    return f"{prefix}:{{{prefix}-{tag}}}:epoch"


def bucket_name(prefix: str, key: Key) -> str:
    """Return where the bucket of a key stands."""
    return f"{prefix}:{{{prefix}-{tag_of(key)}}}:{key_text(key)}"


def told_name(prefix: str, tag: int, name: str) -> str:
    """Return where stands what programs tell each other under a name: among no buckets."""
    return f"{prefix}:{{{prefix}-{tag}}}={name}"


@lru_cache(maxsize=4096)
def names_of(prefix: str, key: Key) -> tuple[str, str]:
    """Return where the epoch of a key stands, and its bucket."""
    return epoch_name(prefix, tag_of(key)), bucket_name(prefix, key)


def micro(seconds: float) -> int:
    """Return seconds as microseconds, rounded up."""
    return ceil(round(seconds * 1e6, 3))


class Visit(NamedTuple):
    """What a process has to say of a key at one moment of its own clock."""

    key: Key
    quota: Quota
    notes: Sequence[Note] = ()
    asks: Sequence[Ask] = ()
    serve: bool = False
    """Whether its places in line are to be looked at: it has waiters, or had some."""
    held: Mapping[str, Token] = MappingProxyType({})
    """Tokens that are to be entered if the store does not know of them; times of the process's own clock."""


@dataclass(eq=False)
class Seen:
    """What the store answered; times of the process's own clock unless something else is said."""

    since: int
    """Of the epoch, in microseconds of the server."""
    opens: int
    """When the pause after a loss of memory ends, in microseconds of the server; -1: there is none."""
    pause: float
    """How many seconds of it are left."""
    agreed: bool
    """Whether another program uses the key with another quota."""
    told: bool
    """Whether waiters of this process stand in line."""
    answers: list[Answer]
    quota: Quota
    record: "Record"
    now: float
    """When the server answered, in its microseconds."""
    received: float
    holder: str
    terms: Terms

    @cached_property
    def bucket(self) -> SharedBucket:
        """The bucket without its line; made when it is first needed, and of most answers none is."""
        record, local = self.record, self.local
        found: Held = {}
        for number, (ident, name, at, free_at, cooling) in enumerate(record.tokens()):
            if name == record.mine:
                found[ident.rstrip(b"\0").decode(errors="replace")] = Token(
                    self.holder, local(at), local(free_at), cooling
                )
            else:
                found[f"?{number}"] = Token("", 0.0, local(free_at), cooling)
        return SharedBucket(
            self.quota,
            self.terms,
            found,
            {},
            local(record.blocked) if record.blocked else 0.0,
            None if record.refused == NEVER else local(record.refused),
            record.given_up,
            int(record.refusals),
            int(record.granted),
        )

    @property
    def expires(self) -> float:
        """From when on nothing is lost by forgetting the bucket."""
        return self.local(self.record.ends)

    def local(self, at: float) -> float:
        """Return a time of the server by the process's clock, counted from the arrival of the answer."""
        return self.received + (at - self.now) / 1e6


class Frame(NamedTuple):
    """What is the same in each message of a turn to one server; times are microseconds of the server."""

    run: str
    """The incarnation of the server."""
    expected: int
    """What its clock shows at most; NEVER: that is not known."""
    terms: tuple[int, int, int]
    """What all holders agree upon: see `terms_of`."""
    holder: str = ""
    not_after: int = NEVER
    """When nothing is to be granted any more."""


@lru_cache(maxsize=16)
def terms_of(terms: Terms) -> tuple[int, int, int]:
    """Return what all holders agree upon, as a part of a message."""
    return micro(terms.lease), micro(terms.doubt_grace), micro(terms.guard)


def read_terms(agreed: Sequence[int]) -> Terms:
    """Return the terms that a part of a message holds."""
    return Terms(*(each / 1e6 for each in agreed))


def write_epoch(what: str, frame: Frame, *, stepped: bool = False) -> bytes:
    """Return a message about an epoch, or a look: "hello", "vouch" or "look".

    Args:
        what: What it is.
        frame: What is the same for each message of a turn.
        stepped: Whether the server's clock was found to be stepped.
    """
    return _begin(what, frame, _NO_QUOTA, stepped=stepped)


_NO_QUOTA: Final = Quota(1, 1.0)


def _begin(
    what: str,
    frame: Frame,
    quota: Quota,
    counts: tuple[int, int, int] = (0, 0, 0),
    *,
    stepped: bool = False,
    serve: bool = False,
) -> bytes:
    """Return the beginning of a message, which is all of one without notes, tokens and asks."""
    head = _MESSAGE.pack(
        _WANTS[what],
        stepped,
        serve,
        *counts,
        frame.expected,
        *frame.terms,
        frame.not_after,
        quota.limit,
        micro(quota.per),
        quota.reserve,
    )
    return head + _sized(frame.run, frame.holder)


@lru_cache(maxsize=64)
def _sized(*names: str) -> bytes:
    return b"".join(_SIZE.pack(len(name.encode())) + name.encode() for name in names)


def write_visit(visit: Visit, now: float, sent: float, frame: Frame) -> bytes:
    """Return the message of a visit.

    Args:
        visit: What is to be said.
        now: The process's time: ages count until then.
        sent: When its asks were first sent.
        frame: What is the same for each visit of a turn.
    """
    held = [(ident, token) for ident, token in visit.held.items() if token.free_at > now]
    parts = [
        _begin("visit", frame, visit.quota, (len(visit.notes), len(held), len(visit.asks)), serve=visit.serve),
        *(_NOTE.pack(_KINDS[n.kind], n.token.encode(), _age(now, n.at), micro(n.seconds)) for n in visit.notes),
        *(
            _HELD.pack(ident.encode(), _age(now, token.at), micro(token.free_at - now), token.cooling)
            for ident, token in held
        ),
    ]
    for ask in visit.asks:
        waiter = ask.waiter.encode()
        parts += (
            _ASK.pack(ask.token.encode(), _age(now, sent - ask.age), ask.panic, ask.stays, len(waiter)),
            waiter,
        )
    return b"".join(parts)


@lru_cache(maxsize=256)
def _quota(limit: int, per: float, reserve: int) -> Quota:
    return Quota(limit, per / 1e6, reserve)


def _age(now: float, at: float) -> int:
    """Return how long ago something was; too little is safe."""
    return max(0, int((now - at) * 1e6))


class Record(NamedTuple):
    """What a reply says of a bucket; times are microseconds of the server."""

    opens: float
    ends: float
    """From when on the bucket may be forgotten."""
    mine: int
    """Where the asking holder's name begins among the names, from 1; 0: not there."""
    agreed: bool
    told: bool
    answers: bytes
    per: float
    blocked: float
    refused: float
    refusals: float
    granted: float
    limit: int
    reserve: int
    given_up: int
    names: bytes
    cooled: bytes
    flying: bytes

    def holder_at(self, place: int) -> str:
        """Return the name that begins there."""
        return self.names[place - 1 : self.names.index(b"\0", place)].decode()

    def tokens(self) -> Iterator[tuple[bytes, int, float, float, bool]]:
        """Yield of each token: id, where the name of its holder begins, taken at, back at, whether it cools."""
        for packed, cooling in ((self.cooled, True), (self.flying, False)):
            for ident, name, at, free_at in _TOKEN.iter_unpack(packed):
                yield ident, name, at, free_at, cooling


def read_record(body: bytes) -> Record:
    """Return what a reply says of a bucket, without its line."""
    _, opens, mine, size, agreed, told = _SEEN.unpack_from(body)
    head = _SEEN.size + size
    _, ends, _, per, blocked, refused, refusals, granted, limit, reserve, given_up, size, ended, _ = _HEAD.unpack_from(
        body, head
    )
    names = head + _HEAD.size
    cooled = names + size
    out = cooled + ended * _TOKEN.size
    return Record(
        opens,
        ends,
        mine,
        agreed,
        told,
        body[_SEEN.size : head],
        per,
        blocked,
        refused,
        refusals,
        granted,
        limit,
        reserve,
        given_up,
        body[names:cooled],
        body[cooled:out],
        body[out:],
    )


def read_seen(reply: list[Any], received: float, holder: str, terms: Terms) -> Seen:
    """Return what a reply of the script says.

    Args:
        reply: All of it: "ok", the server's time, since when its epoch is, and the bucket.
        received: When it arrived, by the process's clock. Times are counted from then, so none is too early.
        holder: The process.
        terms: What its tokens were taken on.
    """
    now, since, record = reply[1], reply[2], read_record(reply[3])
    seen = Seen(
        since,
        int(record.opens),
        max(0.0, (record.opens - now) / 1e6),
        record.agreed,
        record.told,
        [],
        _quota(record.limit, record.per, record.reserve),
        record,
        now,
        received,
        holder,
        terms,
    )
    for at, again, earliest in _ANSWER.iter_unpack(record.answers):
        taken = None if at == NEVER else seen.local(at)
        seen.answers.append(Answer(taken, seen.local(again), seen.local(earliest)))
    return seen
