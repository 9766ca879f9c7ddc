"""What is said between an agent and the script `shared_bucket.lua`: times become whole microseconds of the server.

Pure. A duration that holds something back is rounded up.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import ceil
from typing import Any, Final, NamedTuple, TypeAlias
from zlib import crc32

import orjson

from okx_async._quota import Quota
from okx_async.stores.lease import SharedBucket, Terms, Token
from okx_async.stores.line import Answer, Ask
from okx_async.stores.records import key_text
from okx_async.stores.waiters import Key, Note

TAGS: Final = 64
"""Hash tags: all keys of one tag are on one server of a cluster, and have one epoch."""
Held: TypeAlias = dict[str, Token]
NEVER: Final = -1
"""Stands for a time that is not there."""


@lru_cache(maxsize=4096)
def tag_of(key: Key) -> int:
    """Return the hash tag of a key."""
    return crc32(key_text(key).encode()) % TAGS


@lru_cache(maxsize=4096)
def epoch_name(prefix: str, tag: int) -> str:
    """Return where the epoch of a tag stands."""
    return f"{prefix}:{{{prefix}-{tag}}}:epoch"


@lru_cache(maxsize=4096)
def bucket_name(prefix: str, key: Key) -> str:
    """Return where the bucket of a key stands."""
    return f"{prefix}:{{{prefix}-{tag_of(key)}}}:{key_text(key)}"


def micro(seconds: float) -> int:
    """Return seconds as microseconds, rounded up."""
    return ceil(round(seconds * 1e6, 3))


@dataclass(frozen=True, slots=True)
class Visit:
    """What a process has to say of a key at one moment of its own clock."""

    key: Key
    quota: Quota
    notes: Sequence[Note] = ()
    asks: Sequence[Ask] = ()
    serve: bool = False
    """Whether its places in line are to be looked at: it has waiters, or had some."""
    held: Held = field(default_factory=dict)
    """Tokens that are to be entered if the store does not know of them; times of the process's own clock."""


@dataclass(frozen=True, slots=True)
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
    bucket: SharedBucket
    out: Held
    """This process's tokens."""
    answers: list[Answer]


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


def write_epoch(what: str, frame: Frame, *, stepped: bool = False) -> bytes:
    """Return a message about an epoch, or a look: "hello", "vouch" or "look".

    Args:
        what: What it is.
        frame: What is the same for each message of a turn.
        stepped: Whether the server's clock was found to be stepped.
    """
    return orjson.dumps(_message(what, frame, int(stepped), (1, 1, 0, 0, (), (), ())))


def _message(what: str, frame: Frame, stepped: int, parts: tuple[Any, ...]) -> list[Any]:
    """Return the parts of a message, in the order in which the script unpacks them."""
    return [what, stepped, frame.run, frame.expected, *frame.terms, frame.holder, frame.not_after, *parts]


def write_visit(visit: Visit, now: float, sent: float, frame: Frame) -> bytes:
    """Return the message of a visit.

    Args:
        visit: What is to be said.
        now: The process's time: ages count until then.
        sent: When its asks were first sent.
        frame: What is the same for each visit of a turn.
    """
    quota = visit.quota
    return orjson.dumps(
        _message(
            "visit",
            frame,
            0,
            (
                quota.limit,
                micro(quota.per),
                quota.reserve,
                int(visit.serve),
                [(n.kind, n.token, _age(now, n.at), micro(n.seconds) if n.seconds else 0) for n in visit.notes],
                [
                    (ident, _age(now, token.at), micro(token.free_at - now), int(token.cooling))
                    for ident, token in visit.held.items()
                    if token.free_at > now
                ],
                [
                    (ask.waiter, ask.token, int(ask.panic), _age(now, sent - ask.age), int(ask.stays))
                    for ask in visit.asks
                ],
            ),
        )
    )


@lru_cache(maxsize=256)
def _quota(limit: int, per: int, reserve: int) -> Quota:
    return Quota(limit, per / 1e6, reserve)


def _age(now: float, at: float) -> int:
    """Return how long ago something was; too little is safe."""
    return max(0, int((now - at) * 1e6))


def tokens_of(reply: list[Any]) -> tuple[list[tuple[bytes, int, int, int]], list[Any]]:
    """Return the tokens that a reply of the script names, and what comes after them."""
    end = 17 + 4 * reply[16]
    tokens = zip(reply[17:end:4], reply[18:end:4], reply[19:end:4], reply[20:end:4], strict=True)
    return list(tokens), reply[end:]


def read_seen(reply: list[Any], received: float, holder: str, terms: Terms) -> Seen:
    """Return what a reply of the script says.

    Args:
        reply: All of it: nonce, "ok", server's time and so on.
        received: When it arrived, by the process's clock. Times are counted from then, so none is too early.
        holder: The process.
        terms: What its tokens were taken on.
    """
    _, _, now, since, _, opens, limit, per, reserve, agreed, told, blocked, refused, given_up, refusals, granted = (
        reply[:16]
    )
    tokens, answers = tokens_of(reply)

    def local(at: int) -> float:
        return received + (at - int(now)) / 1e6

    found: Held = {}
    out: Held = {}
    for number, (ident, at, free_at, cooling) in enumerate(tokens):
        back = received + (free_at - now) / 1e6
        if ident:
            name = ident.decode()
            out[name] = found[name] = Token(holder, local(at), back, cooling == 1)
        else:
            found[f"?{number}"] = Token("", 0.0, back, cooling == 1)
    bucket = SharedBucket(
        _quota(limit, per, reserve),
        terms,
        found,
        {},
        local(blocked) if blocked else 0.0,
        None if refused == NEVER else local(refused),
        given_up,
        refusals,
        granted,
    )
    return Seen(
        since,
        opens,
        max(0.0, (opens - now) / 1e6),
        bool(agreed),
        bool(told),
        bucket,
        out,
        [
            Answer(None if at == NEVER else local(at), local(again), local(earliest))
            for at, again, earliest in zip(answers[::3], answers[1::3], answers[2::3], strict=True)
        ],
    )
