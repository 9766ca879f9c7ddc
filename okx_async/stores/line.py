"""The line of waiters of a shared key: first come, first served over all holders, PANIC before NORMAL.

A store cannot wake a waiter. Each ask therefore names the waiters of a holder, and each answer says when to ask again:
the third waiter in line, when a third token is free at the earliest. For `LATE` seconds after that its place is
kept, and a free token is left for it; a holder that died delays the others by so much and no more.

Pure, like `lease`: times are seconds of the store's clock, passed in.
"""

from collections.abc import Sequence
from math import inf
from typing import NamedTuple

from okx_async.stores.lease import PPM, Place, SharedBucket

LATE = 0.25
"""Seconds for which a place is kept after the time at which its holder was to ask again."""
PANIC_LOOKS = 0.1
"""Seconds after which a PANIC waiter asks again at the latest: a token that was given back early is seen."""
STAGGER = 0.0003
"""Seconds between the asks of neighbours in line whose tokens come back at the same time."""


class Ask(NamedTuple):
    """A waiter's wish for a token."""

    waiter: str
    """The same in each ask of this waiter."""
    token: str
    """The token's id: a new one in each ask that is not the repetition of an unanswered one."""
    panic: bool = False
    age: float = 0.0
    """Seconds since this ask was first sent."""
    stays: bool = True
    """Whether it takes a place in line if it gets nothing now."""


class Answer(NamedTuple):
    """What became of an ask."""

    at: float | None
    """When the token was taken, by the store's clock; None: not now."""
    again: float = 0.0
    """When to ask again, by the store's clock."""
    earliest: float = 0.0
    """When the waiter can have a token at the earliest."""


def serve(
    bucket: SharedBucket,
    now: float,
    holder: str,
    asks: Sequence[Ask],
    *,
    not_before: float = -inf,
    not_after: float = inf,
) -> list[Answer]:
    """Answer the asks of all waiters that a holder has at a key; a waiter of its that is not named leaves the line.

    Args:
        bucket: The key.
        now: The store's time.
        holder: The process that asks.
        asks: Its waiters, at most ``limit`` of them.
        not_before: The store's time before which nothing is granted.
        not_after: The store's time after which nothing is granted, because this message would come too late.
    """
    bucket.drop(now)
    line = bucket.line
    opened = now >= max(bucket.blocked_until, not_before)
    if not line and opened and now <= not_after and bucket.free(now, panic=False) >= len(asks):
        return [Answer(bucket.take(now, ask.token, holder)) for ask in asks]  # as most of the time
    by_waiter = {ask.waiter: ask for ask in asks}
    for waiter in [
        waiter
        for waiter, place in line.items()
        if (waiter not in by_waiter if place.holder == holder else place.until < now)
    ]:
        del line[waiter]
    for ask in asks:
        if ask.waiter not in line:
            line[ask.waiter] = Place(holder, ask.panic, now - ask.age * (1 - PPM), now)
    answers: dict[str, Answer] = {}
    # No holder has more places than its share of the tokens, so a crowd in one program is no crowd in the others' way.
    share = -(-bucket.quota.limit // len({place.holder for place in line.values()} or {holder}))
    kept = 0
    ahead = 0  # places before the next one that got nothing now; the free tokens left for them are theirs
    for waiter, place in sorted(line.items(), key=lambda item: (not item[1].panic, item[1].since, item[0])):
        mine = by_waiter.get(waiter)
        if mine is None:
            ahead += 1
            continue
        known = mine.token in bucket.tokens
        if known or (opened and bucket.free(now, panic=place.panic) > ahead):
            at = bucket.take(now, mine.token, holder, not_after=not_after)
            if at is not None:
                answers[waiter] = Answer(at)
                del line[waiter]
                continue
        earliest = bucket.earliest(now, ahead, panic=place.panic, not_before=not_before)
        again = min(earliest + ahead * STAGGER, now + (PANIC_LOOKS if place.panic else bucket.quota.per))
        place.until = again + LATE
        answers[waiter] = Answer(None, again, earliest)
        if mine.stays and kept < share:
            kept += 1
            ahead += 1
        else:
            del line[waiter]
    return [answers[ask.waiter] for ask in asks]
