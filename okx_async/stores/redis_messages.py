"""What is said between an agent and the script `shared_bucket.lua`: times become whole microseconds of the server.

Pure. A duration that holds something back is rounded up.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import ceil
from typing import Any, Final, TypeAlias
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


def terms_of(terms: Terms) -> dict[str, int]:
    """Return what all holders agree upon, as parts of a message."""
    return {"lease": micro(terms.lease), "grace": micro(terms.doubt_grace), "guard": micro(terms.guard)}


def write_visit(visit: Visit, now: float, sent: float, frame: dict[str, Any]) -> bytes:
    """Return the message of a visit.

    Args:
        visit: What is to be said.
        now: The process's time: ages count until then.
        sent: When its asks were first sent.
        frame: What is the same for each visit of a turn.
    """
    quota = visit.quota
    return orjson.dumps(
        {
            "what": "visit",
            "limit": quota.limit,
            "per": micro(quota.per),
            "reserve": quota.reserve,
            "notes": [[n.kind, n.token, _age(now, n.at), micro(n.seconds)] for n in visit.notes],
            "adopt": [
                [ident, _age(now, token.at), micro(token.free_at - now), int(token.cooling)]
                for ident, token in visit.held.items()
                if token.free_at > now
            ],
            "asks": [
                [ask.waiter, ask.token, int(ask.panic), _age(now, sent - ask.age), int(ask.stays)] for ask in visit.asks
            ],
            "serve": visit.serve,
            **frame,
        }
    )


@lru_cache(maxsize=256)
def _quota(limit: int, per: int, reserve: int) -> Quota:
    return Quota(limit, per / 1e6, reserve)


def _age(now: float, at: float) -> int:
    """Return how long ago something was; too little is safe."""
    return max(0, int((now - at) * 1e6))


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
    answers, tokens = reply[16:18]

    def local(at: int) -> float:
        return received + (at - int(now)) / 1e6

    found: Held = {}
    out: Held = {}
    for number in range(0, len(tokens), 4):
        ident, at, free_at, cooling = tokens[number : number + 4]
        name = ident.decode()
        token = Token(holder if name else "", local(at), local(free_at), bool(cooling))
        found[name or f"?{number}"] = token
        if name:
            out[name] = token
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
