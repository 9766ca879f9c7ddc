"""Buckets and epochs as bytes: what stands in a store. JSON, so that it can be read with any tool."""

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
    """Return the key that `key_text` wrote."""
    return tuple(orjson.loads(text))


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
    except (ValueError, TypeError) as error:
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
        return Epoch(**{**fields, "terms": Terms(**fields["terms"])})
    except (ValueError, TypeError, KeyError) as error:
        raise UnreadableError(f"the epoch of the limits cannot be read: {error}") from None
