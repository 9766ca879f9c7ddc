"""What stands in a store of limits: for `okx-async limits` and the doctor."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from okx_async._quota import Quota
from okx_async.stores._sqlite.places import check_place
from okx_async.stores._sqlite.transactions import Database, Transaction
from okx_async.stores.clocks import shared_clock
from okx_async.stores.lease import SharedBucket, Terms

PATIENCE = 2.0
"""Seconds to wait for the file's lock."""


@dataclass(frozen=True, slots=True)
class KeyReport:
    """A key in use; times are seconds from now."""

    key: tuple[str, ...]
    quota: Quota
    usable: int
    free: int
    in_flight: int
    cooling: int
    next_free: float
    """When the next token that is out comes back at the latest."""
    blocked: float
    holders: dict[str, int]
    """The tokens that are out, by process id; with the host where a server keeps them."""
    waiters: dict[str, int]
    """The places in line, likewise."""


@dataclass(frozen=True, slots=True)
class ServerReport:
    """A server of limits, as it describes itself."""

    version: str
    round_trip: float
    """Seconds."""
    policy: str
    """What it does when memory is short."""
    persistent: bool
    replicas: int
    wary: bool
    """Whether it stops writing once its replicas are out of reach, so that no second server takes over beside it."""
    jump: float = 0.0
    """Seconds by which its clock went another way than this host's while it was looked at, beyond what can be told."""
    multiplexed: bool = False
    """Whether a proxy put two connections on one."""
    doubts: tuple[str, ...] = ()
    """What stands there and is likely to be a mistake."""
    refuses: str = ""
    """Why it takes nothing that is written to it, such as that its memory is full; empty: it takes it."""


@dataclass(frozen=True, slots=True)
class StoreReport:
    """A store of limits; times are seconds."""

    path: Path | str
    """The file, or the server without user and password."""
    age: float
    """Since when this epoch is."""
    paused: float
    """For how long nothing is granted yet because the file has lost its memory; 0.0: it grants."""
    keys: tuple[KeyReport, ...]
    server: ServerReport | None = None
    terms: tuple[Terms, ...] = ()
    """What its programs have agreed upon: none where none has entered, several where parts of a cluster differ."""


def report(path: Path, *, vouch: bool = False) -> StoreReport:
    """Return what stands in a file of limits; one that is missing is not made.

    Args:
        path: The file.
        vouch: Whether to say that no program is about that the file has forgotten, which ends its pause.

    Raises:
        StoreError: It cannot be read now.
        InvalidRequestError: It must not be used.
    """
    check_place(path)
    if not path.exists():
        return StoreReport(path, 0.0, 0.0, ())

    def work(transaction: Transaction) -> StoreReport:
        if vouch:
            transaction.vouch()
        epoch, now = transaction.epoch, transaction.now
        keys = tuple(report_key(key, bucket, now) for key, bucket in transaction.in_use())
        paused = max(0.0, epoch.opens(Quota()) - now)
        return StoreReport(path, now - epoch.since, paused, keys, terms=(epoch.terms,))

    database = Database(path, None)
    try:
        return database.transact(work, shared_clock() + PATIENCE)
    finally:
        database.close()


def try_out(path: Path, terms: Terms = Terms()) -> None:  # noqa: B008 - frozen
    """Find out whether limits can be kept in a file on these terms; it is made if it is missing.

    Raises:
        StoreError: It cannot be used now.
        InvalidRequestError: It must not be used, or is in use on other terms.
    """
    database = Database(path, terms)
    try:
        database.transact(Transaction.try_out, shared_clock() + PATIENCE)
    finally:
        database.close()


def report_key(key: tuple[str, ...], bucket: SharedBucket, now: float) -> KeyReport:
    """Return what is to be said of a key."""
    tokens = bucket.tokens.values()
    cooling = sum(token.cooling for token in tokens)
    usable = bucket.quota.limit - bucket.unused(now)
    return KeyReport(
        key,
        bucket.quota,
        usable,
        max(0, usable - len(tokens)),
        len(tokens) - cooling,
        cooling,
        min((token.free_at for token in tokens), default=now) - now,
        max(0.0, bucket.blocked_until - now),
        dict(Counter(_process(token.holder) for token in tokens)),
        dict(Counter(_process(place.holder) for place in bucket.line.values() if place.until >= now)),
    )


def _process(holder: str) -> str:
    return holder.rpartition("-")[0]
