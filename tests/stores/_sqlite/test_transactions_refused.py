"""Files that cannot be used: damaged, locked, of another program or version, or on a failing disk."""

import errno
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from okx_async import InvalidRequestError, Quota
from okx_async.stores import clocks
from okx_async.stores._sqlite import locks, places
from okx_async.stores._sqlite import transactions as module
from okx_async.stores._sqlite.transactions import PAGE, Transaction
from okx_async.stores.lease import Terms
from okx_async.stores.store import BusyError, StoreError
from tests.stores.host import Host
from tests.stores.work import KEY, opens, take


def test_a_place_that_cannot_be_looked_at_for_a_moment_is_used_later(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a program with too many files open is told to correct its call."""

    class Full:
        def read_bytes(self) -> bytes:
            raise OSError(errno.EMFILE, "Too many open files")

        read_text = read_bytes

    database = host.open()
    for where, name in ((places, "MOUNTS"), (clocks, "BOOT_ID")):
        with monkeypatch.context() as patched:
            patched.setattr(where, name, Full())
            with pytest.raises(StoreError, match="cannot be looked at: Too many open files"):
                database.transact(take("a"), 0.0)
    assert database.transact(take("a"), 0.0) == 1


def test_another_programs_file_stays_as_it_is(host: Host) -> None:
    with closing(sqlite3.connect(host.path)) as connection:
        connection.execute("CREATE TABLE trades (x)")
    host.path.chmod(0o600)
    before = host.path.read_bytes()
    with pytest.raises(InvalidRequestError, match="SQLite file of another program: name another path"):
        host.open().transact(opens, 0.0)
    assert host.path.read_bytes() == before


def test_tables_that_are_missing_are_named(host: Host) -> None:
    host.open().transact(opens, 0.0)
    with closing(sqlite3.connect(host.path, isolation_level=None)) as connection:
        connection.execute("DROP TABLE keys")
    with pytest.raises(StoreError, match="its tables are not those of limits: name another path"):
        host.open().transact(take("a"), 0.0)


def test_other_terms_are_refused_while_any_key_is_in_use(host: Host) -> None:
    host.open().transact(take("a"), 0.0)
    other = host.open(Terms(lease=20.0))
    with pytest.raises(InvalidRequestError, match="lease=20 here, 8 there"):
        other.transact(take("b"), 0.0)
    host.now += 60.0
    other.transact(take("b"), 0.0)
    with pytest.raises(InvalidRequestError, match="lease=8 here, 20 there"):
        host.open().transact(take("c"), 0.0)


def test_a_lock_that_is_held_too_long_is_an_error_and_so_is_one_that_a_fork_waits_for(host: Host) -> None:
    holder, database = host.open(), host.open()
    database.transact(opens, 0.0)
    holder.transact(opens, 0.0)
    assert holder._connection is not None
    holder._connection.execute("BEGIN IMMEDIATE")
    who = f": process {os.getpid()} " if locks.LOCKS.exists() else "$"
    with pytest.raises(BusyError, match=f"another program holds its lock{who}"):
        database.transact(take("a"), host.now)
    database.yields = True
    with pytest.raises(BusyError):
        database.transact(take("a"), host.now + 1000.0)
    holder._connection.execute("ROLLBACK")
    assert database.transact(take("a"), 0.0) == 1


@pytest.mark.parametrize(
    ("pragma", "text"),
    [("query_only = ON", "it cannot be written"), ("max_page_count = 1", "the disk is full")],
)
def test_a_failing_disk_is_named_and_is_got_over(host: Host, pragma: str, text: str) -> None:
    database = host.open()
    database.transact(take("a"), 0.0)
    assert database._connection is not None
    database._connection.execute(f"PRAGMA {pragma}")

    def large(transaction: Transaction) -> None:
        bucket = transaction.bucket(KEY, Quota(500, 2.0))
        for number in range(400):
            bucket.take(transaction.now, f"{number}", "h")
        transaction.save(KEY, bucket)

    with pytest.raises(StoreError, match=rf"limits\.sqlite3: {text}"):
        database.transact(large, 0.0)
    assert database.transact(take("b"), 0.0) == 2


def test_a_damaged_file_is_named(host: Host) -> None:
    host.path.write_bytes(b"no database" * 100)
    host.path.chmod(0o600)
    with pytest.raises(StoreError, match="damaged or no SQLite file: name another path, or move it away"):
        host.open().transact(opens, 0.0)


def test_a_damaged_record_is_named(host: Host) -> None:
    database = host.open()
    database.transact(take("a"), 0.0)
    with closing(sqlite3.connect(host.path, isolation_level=None)) as connection:
        connection.execute("UPDATE keys SET state = x'00'")
    with pytest.raises(StoreError, match="cannot be read"):
        database.transact(take("b"), 0.0)


def test_a_newer_version_and_another_programs_file_are_refused(host: Host) -> None:
    host.open().transact(opens, 0.0)
    connection = sqlite3.connect(host.path, isolation_level=None)
    host.opened.callback(connection.close)
    connection.execute("PRAGMA user_version = 99")
    with pytest.raises(InvalidRequestError, match="newer version of this library: format 99, this one knows 1"):
        host.open().transact(opens, 0.0)
    connection.execute("PRAGMA application_id = 7")
    with pytest.raises(InvalidRequestError, match="SQLite file of another program: name another path"):
        host.open().transact(opens, 0.0)


def test_a_folder_that_cannot_be_made_is_named(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: Path) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(module, "prepare", denied)
    with pytest.raises(StoreError, match="Permission denied"):
        host.open().transact(opens, 0.0)


def test_a_connection_that_a_fork_left_behind_is_refused_and_not_closed(host: Host) -> None:
    database = host.open()
    database.abandon()  # it had none yet
    database.transact(opens, 0.0)
    connection = database._connection
    assert connection is not None
    database.abandon()
    with pytest.raises(StoreError, match="make the limiter after the fork"):
        database.transact(opens, 0.0)
    connection.execute("SELECT 1")


def test_a_page_that_is_damaged_is_named(host: Host) -> None:
    database = host.open()
    database.transact(take("a"), 0.0)
    database.close()  # the last one writes everything into the file itself
    record = bytearray(host.path.read_bytes())
    record[PAGE:] = b"\xff" * (len(record) - PAGE)
    host.path.write_bytes(record)
    with pytest.raises(StoreError, match="it is damaged: name another path, or move it away"):
        host.open().transact(take("b"), 0.0)


def test_a_disk_on_which_nothing_can_grow_is_named(tmp_path: Path) -> None:
    program = """
import resource, sys, time
from pathlib import Path
from okx_async.stores.lease import Terms
from okx_async.stores.store import StoreError
from okx_async.stores._sqlite.transactions import Database
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    Database(Path(sys.argv[1]), Terms()).transact(lambda _: None, 0.0)
except StoreError as error:
    print(error)
"""
    command = [sys.executable, "-c", program, str(tmp_path / "limits")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=True)  # noqa: S603
    assert done.stdout == f"{tmp_path / 'limits'}: the disk fails, or is full\n"


def test_a_python_without_sqlite_has_servers_of_limits_and_no_file(tmp_path: Path) -> None:
    program = """
import sys
sys.modules["_sqlite3"] = None
from okx_async import InvalidRequestError
from okx_async.stores import RedisLimiter, SqliteLimiter
print(RedisLimiter("redis://localhost:1/0"))
try:
    SqliteLimiter(sys.argv[1])
except InvalidRequestError as error:
    print(error)
"""
    command = [sys.executable, "-c", program, str(tmp_path / "limits")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=True)  # noqa: S603
    first, second = done.stdout.splitlines()
    assert first == "<RedisLimiter 20 per 2 s: redis://localhost:1/0>"
    assert "built without SQLite" in second
