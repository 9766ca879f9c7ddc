import errno
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from okx_async import InvalidRequestError, Quota
from okx_async.stores import places
from okx_async.stores import transactions as module
from okx_async.stores.lease import PPM, Terms
from okx_async.stores.transactions import PAGE, BusyError, Database, StoreError, Transaction

KEY = ("live", "1", "BTC-USDT-SWAP")
QUOTA = Quota(2, 2.0)
TERMS = Terms()
ROOT = Path(__file__).parent.parent.parent


class Host:
    """A host: its clock and its boot id."""

    now, boot = 1000.0, "boot-1"

    def __init__(self, folder: Path) -> None:
        self.path = folder / "limits.sqlite3"
        self.opened = ExitStack()

    def open(self, terms: Terms = TERMS) -> Database:
        database = Database(self.path, terms, clock=lambda: self.now, boot=lambda: self.boot)
        self.opened.callback(database.close)
        return database


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path)
    with made.opened:
        yield made


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


def test_connections_see_what_the_others_wrote(host: Host) -> None:
    one, other = host.open(), host.open()
    assert one.transact(take("a"), 0.0) == 1
    assert other.transact(take("b"), 0.0) == 2
    assert [(key, len(bucket.tokens)) for key, bucket in one.transact(lambda t: list(t.in_use()), 0.0)] == [(KEY, 2)]


def test_a_new_file_grants_at_once_and_is_for_this_user_alone(host: Host) -> None:
    assert host.open().transact(opens, 0.0) < host.now
    assert {path.stat().st_mode & 0o777 for path in host.path.parent.iterdir()} == {0o600}


def test_an_idle_key_is_forgotten_and_deleted(host: Host) -> None:
    database = host.open()
    database.transact(take("a"), 0.0)
    host.now += 60.0
    assert database.transact(lambda transaction: transaction.bucket(KEY, QUOTA).granted, 0.0) == 0
    database.transact(take("b"), 0.0)
    host.now += 60.0
    for _ in range(module.SWEEP):
        database.transact(opens, 0.0)
    with closing(sqlite3.connect(host.path)) as connection:
        assert connection.execute("SELECT count(*) FROM keys").fetchone() == (0,)


def test_a_transaction_that_fails_leaves_nothing(host: Host) -> None:
    database = host.open()

    def work(transaction: Transaction) -> None:
        take("a")(transaction)
        raise InvalidRequestError("no")

    with pytest.raises(InvalidRequestError, match="no"):
        database.transact(work, 0.0)
    assert database.transact(take("b"), 0.0) == 1


def test_after_a_start_of_the_host_no_token_is_out_and_only_what_was_on_its_way_is_waited_for(host: Host) -> None:
    host.open().transact(take("a"), 0.0)
    host.boot, host.now = "boot-2", 3.0
    database = host.open()
    assert database.transact(opens, 0.0) == pytest.approx(5.0 * (1 + PPM) + 2.003)
    assert database.transact(take("b"), 0.0) == 1


def test_a_copy_of_the_file_grants_nothing_for_a_hold(host: Host) -> None:
    database = host.open()
    database.transact(take("a"), 0.0)
    database.close()
    shutil.copy(host.path, host.path.with_name("copy"))
    host.path.with_name("copy").rename(host.path)
    host.now += 1.0
    assert host.open().transact(opens, 0.0) == pytest.approx(host.now + TERMS.hold(QUOTA))


def test_vouching_ends_the_pause(host: Host) -> None:
    test_a_copy_of_the_file_grants_nothing_for_a_hold(host)
    database = host.open()
    database.transact(lambda transaction: transaction.vouch(), 0.0)
    assert database.transact(opens, 0.0) < host.now


def test_a_file_that_was_replaced_is_left_for_the_new_one(host: Host) -> None:
    database = host.open()
    database.transact(take("a"), 0.0)
    for path in host.path.parent.iterdir():
        path.unlink()
    assert database.transact(take("b"), 0.0) == 1
    assert host.open().transact(take("c"), 0.0) == 2
    other = Database(host.path.with_name("other"), TERMS, clock=lambda: host.now, boot=lambda: host.boot)
    other.transact(opens, 0.0)
    other.close()
    other.path.rename(host.path)
    for suffix in ("-wal", "-shm"):
        host.path.with_name(f"{host.path.name}{suffix}").unlink(missing_ok=True)
    assert database.transact(take("d"), 0.0) == 1


OTHER = """
import sys
from pathlib import Path
from okx_async.stores.lease import Terms
from okx_async.stores.transactions import Database
from tests.stores.test_transactions import opens, take
now = 0.0
database = Database(Path(sys.argv[1]), Terms(), clock=lambda: now, boot=lambda: "boot-1")
for line in sys.stdin:
    ident, now = line.split()[0], float(line.split()[1])
    print(database.transact(take(ident), 0.0), database.transact(lambda found: found.epoch.since, 0.0), flush=True)
"""


@pytest.mark.share(2)
@pytest.mark.parametrize("names", [["-shm"], ["-wal"], ["-wal", "-shm"]])
def test_programs_that_were_torn_apart_by_a_deletion_find_one_another_again(host: Host, names: list[str]) -> None:
    """What SQLite keeps beside the file has the locks in it: programs with two of them do not see each other."""
    database = host.open()
    database.transact(take("a"), 0.0)
    for name in names:
        host.path.with_name(host.path.name + name).unlink()
    command = [sys.executable, "-c", OTHER, str(host.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as other:  # noqa: S603

        def take_there(ident: str) -> tuple[int, float]:
            assert other.stdin is not None
            assert other.stdout is not None
            other.stdin.write(f"{ident} {host.now}\n")
            other.stdin.flush()
            count, since = other.stdout.readline().split()
            return int(count), float(since)

        count, since = take_there("b")
        host.now += 1.0
        assert database.transact(take("c"), 0.0) == count + 1
        again, later = take_there("d")
        assert again == count + 2
        assert later > since, "every program writes anew what it has out"
        assert other.stdin is not None
        other.stdin.close()


def test_a_new_file_is_used_though_a_program_has_the_old_one_open(host: Host) -> None:
    idle = host.open()
    idle.transact(take("a"), 0.0)
    host.path.unlink()
    assert host.open().transact(take("b"), 0.0) == 1
    assert idle.transact(take("c"), 0.0) == 2


def test_a_place_that_cannot_be_looked_at_for_a_moment_is_used_later(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a program with too many files open is told to correct its call."""

    class Mounts:
        def read_text(self) -> str:
            raise OSError(errno.EMFILE, "Too many open files")

    database = host.open()
    with monkeypatch.context() as patched:
        patched.setattr(places, "MOUNTS", Mounts())
        with pytest.raises(StoreError, match="cannot be looked at: Too many open files"):
            database.transact(take("a"), 0.0)
    assert database.transact(take("a"), 0.0) == 1


def test_another_programs_file_stays_as_it_is(host: Host) -> None:
    with closing(sqlite3.connect(host.path)) as connection:
        connection.execute("CREATE TABLE trades (x)")
    host.path.chmod(0o600)
    before = host.path.read_bytes()
    with pytest.raises(InvalidRequestError, match="SQLite file of another program"):
        host.open().transact(opens, 0.0)
    assert host.path.read_bytes() == before


def test_tables_that_are_missing_are_named(host: Host) -> None:
    host.open().transact(opens, 0.0)
    with closing(sqlite3.connect(host.path, isolation_level=None)) as connection:
        connection.execute("DROP TABLE keys")
    with pytest.raises(StoreError, match="its tables are not those of limits: delete it"):
        host.open().transact(take("a"), 0.0)


def test_buckets_are_not_read_again_where_nothing_was_written_and_read_where_another_wrote(host: Host) -> None:
    one, other = host.open(), host.open()
    one.transact(take("a"), 0.0)
    [(_, bucket)] = one.known.values()
    assert one.transact(lambda transaction: transaction.bucket(KEY, QUOTA), 0.0) is bucket
    other.transact(take("b"), 0.0)
    assert len(one.transact(lambda transaction: transaction.bucket(KEY, QUOTA), 0.0).tokens) == 2


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
    with pytest.raises(BusyError, match="another program holds its lock"):
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
    with pytest.raises(StoreError, match="damaged or no SQLite file: delete it while no program uses it"):
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
    with pytest.raises(InvalidRequestError, match="SQLite file of another program"):
        host.open().transact(opens, 0.0)


@pytest.mark.parametrize("name", [b"jos\xe9", b"what?x=%41#y z"])
def test_a_folder_may_have_any_name(host: Host, name: bytes) -> None:
    host.path = host.path.parent / os.fsdecode(name) / "limits.sqlite3"
    host.open().transact(take("a"), 0.0)
    assert host.path.is_file()
    assert host.open().transact(lambda transaction: [key for key, _ in transaction.in_use()], 0.0) == [KEY]


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
    with pytest.raises(StoreError, match="it is damaged: delete it while no program uses it"):
        host.open().transact(take("b"), 0.0)
