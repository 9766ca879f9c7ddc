from pathlib import Path

from okx_async.stores._redis.address import read_address
from okx_async.stores._redis.store import RedisStore
from okx_async.stores._sqlite.transactions import Database
from okx_async.stores.clocks import shared_clock
from okx_async.stores.lease import Terms
from okx_async.stores.store import Store


def test_a_file_and_a_server_are_stores(tmp_path: Path) -> None:
    stores: list[Store] = [
        Database(tmp_path / "limits.sqlite3", None),
        RedisStore(read_address("redis://host"), Terms(), "okx-async", clock=shared_clock),
    ]
    for store in stores:
        assert store.terms == Terms()
        assert not store.yields
        store.close()
        store.abandon()
