"""Transactions of the programs that share a file: what each sees, and files that are copied, replaced or deleted."""

import os
import shlex
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from okx_async import InvalidRequestError
from okx_async.stores._sqlite import transactions as module
from okx_async.stores._sqlite.transactions import Database, Transaction
from okx_async.stores.lease import PPM
from okx_async.stores.urls import NamedStore, store_of
from tests.stores.host import TERMS, Host
from tests.stores.work import KEY, QUOTA, opens, take

ROOT = Path(__file__).parents[3]


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


def test_the_command_that_ends_the_pause_names_the_file(host: Host) -> None:
    host.path = host.path.with_name("a 'b' ?#%é")
    *_, limits, store, url, vouch = shlex.split(host.open().vouched_by)
    assert (limits, store, store_of(url), vouch) == ("limits", "--store", NamedStore(host.path), "--vouch")


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
from okx_async.stores._sqlite.transactions import Database
from tests.stores.work import take
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


def test_buckets_are_not_read_again_where_nothing_was_written_and_read_where_another_wrote(host: Host) -> None:
    one, other = host.open(), host.open()
    one.transact(take("a"), 0.0)
    [(_, bucket)] = one.known.values()
    assert one.transact(lambda transaction: transaction.bucket(KEY, QUOTA), 0.0) is bucket
    other.transact(take("b"), 0.0)
    assert len(one.transact(lambda transaction: transaction.bucket(KEY, QUOTA), 0.0).tokens) == 2


@pytest.mark.parametrize("name", [b"jos\xe9", b"what?x=%41#y z"])
def test_a_folder_may_have_any_name(host: Host, name: bytes) -> None:
    host.path = host.path.parent / os.fsdecode(name) / "limits.sqlite3"
    host.open().transact(take("a"), 0.0)
    assert host.path.is_file()
    assert host.open().transact(lambda transaction: [key for key, _ in transaction.in_use()], 0.0) == [KEY]


def test_containers_with_boot_ids_of_their_own_share_the_limit(host: Host) -> None:
    """As systemd-nspawn and LXD give them; each took the other's epoch for that of another start of the host."""
    one = host.open()
    one.transact(take("a"), 0.0)
    host.boot, host.now = "boot-of-a-container", host.now + 1.0
    other = host.open()
    assert other.transact(take("b"), 0.0) == 2
    assert other.transact(opens, 0.0) < host.now
    assert one.transact(take("c"), 0.0) == 3
    assert other.transact(take("d"), 0.0) == 4


def test_a_copy_of_the_file_grants_nothing_for_a_hold_in_a_container_with_a_boot_id_of_its_own(host: Host) -> None:
    database = host.open()
    database.transact(take("a"), 0.0)
    database.close()
    shutil.copy(host.path, host.path.with_name("copy"))
    host.path.with_name("copy").rename(host.path)
    host.boot, host.now = "boot-of-a-container", host.now + 1.0
    pause = pytest.approx(host.now + TERMS.hold(QUOTA))
    assert host.open().transact(opens, 0.0) == pause
    host.boot, host.now = "boot-of-another", host.now + 1.0
    assert host.open().transact(opens, 0.0) == pause


def test_a_log_that_grew_while_another_program_kept_reading_gives_its_room_back(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOG", 1 << 16)
    log, database = host.path.with_name(f"{host.path.name}-wal"), host.open()

    def grow(transaction: Transaction) -> None:
        transaction.remember("name", "x" * (1 << 20))

    database.transact(grow, 0.0)
    with closing(sqlite3.connect(host.path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM names").fetchall()
        for _ in range(3):  # SQLite looks at the log at the end of each
            database.transact(grow, 0.0)
        assert log.stat().st_size > 3 << 20
    database.transact(lambda transaction: transaction.remember("name", ""), 0.0)
    for ident in ("a", "b"):
        database.transact(take(ident), 0.0)
    assert log.stat().st_size <= 1 << 16
