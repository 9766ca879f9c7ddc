"""What one process says of a key in a transaction of its store, and what it learns there."""

from collections.abc import Iterable, Sequence

from okx_async.stores._agent.waiters import LocalKey
from okx_async.stores._sqlite.transactions import Transaction
from okx_async.stores.line import Answer, Ask, serve
from okx_async.stores.notices import Notices


def visit(
    transaction: Transaction, local: LocalKey, asks: Sequence[Ask], holder: str, notices: Notices
) -> list[Answer]:
    """Do one key's part of a transaction, and return the answers to its asks.

    Args:
        transaction: The transaction.
        local: The key.
        asks: Of its named waiters.
        holder: The process.
        notices: Warns of what is found.
    """
    now = transaction.now
    bucket = transaction.bucket(local.key, local.quota)
    bucket.set_back(now)
    if bucket.agree(local.quota):
        notices.quota(local.key, local.quota, bucket.quota)
    for note in local.notes:
        note.apply(bucket, now, holder)
    answers: list[Answer] = []
    if asks or local.told:
        opens = transaction.epoch.opens(bucket.quota)
        if asks and opens > now:
            notices.pause(opens, opens - now)
        answers = serve(bucket, now, holder, asks, not_before=opens)
    else:
        bucket.drop(now)
    local.expires = transaction.save(local.key, bucket)
    local.seen = lambda: bucket
    local.told = any(place.holder == holder for place in bucket.line.values())
    return answers


def heal(transaction: Transaction, keys: Iterable[LocalKey], holder: str) -> None:
    """Write what this process has out into a store that has forgotten it."""
    for local in keys:
        out = {ident: token for ident, token in local.out(holder).items() if token.free_at > transaction.now}
        if out:
            bucket = transaction.bucket(local.key, local.quota)
            for ident, token in out.items():
                bucket.adopt(ident, token)
            transaction.save(local.key, bucket)
