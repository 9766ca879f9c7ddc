"""Buckets and epochs as bytes: what stands in a store. JSON, so that it can be read with any tool."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import lru_cache

import orjson

from okx_async._quota import Quota
from okx_async.stores.epoch import Epoch
from okx_async.stores.lease import Place, SharedBucket, Terms, Token


class UnreadableError(Exception):
    """What stands in the store is no record of ours."""


def key_text(key: tuple[str, ...]) -> str:
    """Return a key as one text."""
    return orjson.dumps(key).decode()


def key_of(text: str) -> tuple[str, ...]:
    """Return the key that `key_text` wrote; raises UnreadableError for anything else."""
    try:
        parts = orjson.loads(text)
        _demand({list: (parts,), str: parts})
    except (ValueError, TypeError) as error:
        raise UnreadableError(f"the name of a key of the limits cannot be read: {error}") from None
    return tuple(parts)


def write_bucket(bucket: SharedBucket) -> bytes:
    """Return a bucket as bytes."""
    quota = bucket.quota
    return orjson.dumps(
        [
            [quota.limit, quota.per, quota.reserve],
            [[ident, t.holder, t.at, t.free_at, t.cooling] for ident, t in bucket.tokens.items()],
            [[waiter, p.holder, p.panic, p.since, p.until] for waiter, p in bucket.line.items()],
            [bucket.blocked_until, bucket.refused_at, bucket.given_up, bucket.refusals, bucket.granted],
        ]
    )


def read_bucket(record: bytes, terms: Terms) -> SharedBucket:
    """Return the bucket that `write_bucket` wrote; raises UnreadableError for anything else."""
    try:
        quota, tokens, line, (blocked_until, refused_at, given_up, refusals, granted) = orjson.loads(record)
        for ident, holder, at, free_at, cooling in tokens:
            _demand({str: (ident, holder), float: (at, free_at), bool: (cooling,)})
        for waiter, holder, panic, since, until in line:
            _demand({str: (waiter, holder), float: (since, until), bool: (panic,)})
        numbers = (blocked_until, blocked_until if refused_at is None else refused_at)
        _demand({float: numbers, int: (given_up, refusals, granted)})
        return SharedBucket(
            _quota(*quota),
            terms,
            {ident: Token(*token) for ident, *token in tokens},
            {waiter: Place(*place) for waiter, *place in line},
            blocked_until,
            refused_at,
            given_up,
            refusals,
            granted,
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise UnreadableError(f"a record of the limits cannot be read: {error}") from None


@lru_cache(maxsize=256)
def _quota(limit: int, per: float, reserve: int) -> Quota:
    return Quota(limit, per, reserve)


def write_epoch(epoch: Epoch) -> bytes:
    """Return an epoch as bytes."""
    return orjson.dumps(asdict(epoch))


def read_epoch(record: bytes) -> Epoch:
    """Return the epoch that `write_epoch` wrote; raises UnreadableError for anything else."""
    try:
        fields = orjson.loads(record)
        epoch = Epoch(**{**fields, "terms": Terms(**fields["terms"])})
        until = epoch.since if epoch.unknown_until is None else epoch.unknown_until
        times = (epoch.since, until, *asdict(epoch.terms).values())
        _demand({str: (epoch.run,), float: times, int: (epoch.version,)})
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise UnreadableError(f"the epoch of the limits cannot be read: {error}") from None
    return epoch


def _demand(values: Mapping[type, Iterable[object]]) -> None:
    """Raise TypeError unless values are of the types under which they stand; a whole number is a float, too."""
    for kind, found in values.items():
        for value in found:
            if type(value) is not kind and not (kind is float and type(value) is int):
                raise TypeError(f"{value!r:.50} is no {kind.__name__}")
