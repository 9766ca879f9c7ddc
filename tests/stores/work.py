"""The work of a transaction: to take a token, and to see from when on the file grants."""

from collections.abc import Callable

from okx_async import Quota
from okx_async.stores._sqlite.transactions import Transaction

KEY = ("live", "1", "BTC-USDT-SWAP")
QUOTA = Quota(2, 2.0)


def take(ident: str) -> Callable[[Transaction], int]:
    def work(transaction: Transaction) -> int:
        bucket = transaction.bucket(KEY, QUOTA)
        bucket.drop(transaction.now)
        bucket.take(transaction.now, ident, "h")
        transaction.save(KEY, bucket)
        return len(bucket.tokens)

    return work


def opens(transaction: Transaction) -> float:
    return transaction.epoch.opens(QUOTA)
