"""The SQLite file that keeps the limits of one host: its transactions, and what every failure of it means.

Each transaction takes the write lock first, so that what it reads stays true until it ends. Nothing needs to survive a
crash of the host, after which no token can be out; so nothing is synced. A process that dies in a transaction leaves no
trace of it, and its lock goes with it.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Final, TypeVar
from urllib.parse import quote

from okx_async._quota import Quota
from okx_async.stores._sqlite import turns
from okx_async.stores._sqlite.connections import APPLICATION, Blob, Real, Text, connect, is_new
from okx_async.stores._sqlite.locks import holders
from okx_async.stores._sqlite.places import check_place, identity, prepare
from okx_async.stores._sqlite.words import words_of
from okx_async.stores.clocks import UnseenError, boot_id, shared_clock
from okx_async.stores.epoch import VERSION, Epoch, check_terms, enter, lives
from okx_async.stores.lease import SharedBucket, Terms
from okx_async.stores.notices import vouching
from okx_async.stores.records import (
    UnreadableError,
    key_of,
    key_text,
    read_bucket,
    read_epoch,
    write_bucket,
    write_epoch,
)
from okx_async.stores.store import BusyError, StoreError

try:
    import sqlite3
except ImportError:  # a Python that was built without it: no place for a file is right then, but a server may be
    sqlite3 = SimpleNamespace(Connection=object, Error=OSError, OperationalError=OSError)  # type: ignore[assignment]

T = TypeVar("T")
SWEEP: Final = 64
"""Transactions after which keys that are over are deleted."""
PAGE: Final = 1024
"""Bytes that a transaction writes at least: a bucket is small."""
LOG: Final = 4 << 20
"""Bytes of the log that stay on the disk: it grows without end while another program keeps reading."""
MOST_KNOWN: Final = 1024
FIRST_NAP, LONGEST_NAP = 0.00005, 0.001
"""Seconds between two tries to get the write lock."""
_BUSY, _LOCKED = 5, 6


class Transaction:
    """What may be done while the write lock is held."""

    def __init__(self, database: "Database", connection: sqlite3.Connection, now: float, epoch: Epoch) -> None:
        self.now = now
        self.epoch = epoch
        self._database = database
        self._connection = connection

    def bucket(self, key: tuple[str, ...], quota: Quota) -> SharedBucket:
        """Return the bucket of a key; a new one of that quota if the key is idle."""
        row = self._connection.execute(
            "SELECT state FROM keys WHERE key = ? AND expires > ?", (Text(key_text(key)), Real(self.now))
        ).fetchone()
        if row is None:
            return SharedBucket(quota, self.epoch.terms)
        known = self._database.known.pop(key, None)
        if known is not None and known[0] == row[0] and known[1].terms == self.epoch.terms:
            return known[1]
        return read_bucket(row[0], self.epoch.terms)

    def save(self, key: tuple[str, ...], bucket: SharedBucket) -> float:
        """Write a bucket, and return from when on it may be forgotten."""
        known = self._database.known
        if len(known) >= MOST_KNOWN:
            known.clear()
        record, expires = write_bucket(bucket), bucket.expires()
        known[key] = record, bucket
        self._connection.execute(
            "INSERT INTO keys VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET expires = excluded.expires, "
            "state = excluded.state",
            (Text(key_text(key)), Real(expires), Blob(record)),
        )
        return expires

    def in_use(self) -> Iterator[tuple[tuple[str, ...], SharedBucket]]:
        """Yield the keys in use."""
        for key, state in self._connection.execute("SELECT key, state FROM keys WHERE expires > ?", (Real(self.now),)):
            bucket = read_bucket(state, self.epoch.terms)
            bucket.drop(self.now)
            yield key_of(key), bucket

    def recall(self, name: str) -> str | None:
        """Return what was told under a name."""
        found = self._connection.execute("SELECT value FROM names WHERE name = ?", (Text(name),)).fetchone()
        return None if found is None else found[0]

    def remember(self, name: str, value: str) -> None:
        """Write what all are to know."""
        self._connection.execute("INSERT OR REPLACE INTO names VALUES (?, ?)", (Text(name), Text(value)))

    def try_out(self) -> None:
        """Write what stands there already, as a full disk does not let it."""
        self._database.write_epoch(self._connection, self.epoch)

    def vouch(self) -> None:
        """Book that no holder is about that this epoch knows nothing of."""
        self.epoch = replace(self.epoch, unknown_until=None)
        self._database.write_epoch(self._connection, self.epoch)


class Database:
    """The file and this process's connection to it; one thread at a time may use it.

    Args:
        path: The file; it is made if it is missing.
        terms: What all programs that use it must agree upon; None to take what stands there.
        clock: The host's clock.
        boot: Names this run of the host.
    """

    def __init__(
        self,
        path: Path,
        terms: Terms | None,
        *,
        clock: Callable[[], float] = shared_clock,
        boot: Callable[[], str] = boot_id,
    ) -> None:
        self.path = path
        self._place, self._memory = str(path), f"{path}-shm"
        self.vouched_by = vouching(f"sqlite://{quote(os.fsencode(path))}")
        self.terms = terms or Terms()
        self._any_terms = terms is None
        self.yields = False
        """Set by another thread: stop waiting for the write lock."""
        self.fork_waits = -1.0  # no lock of SQLite's may be held on both sides
        self._clock = clock
        self._boot = boot
        self.known: dict[tuple[str, ...], tuple[bytes, SharedBucket]] = {}
        """Buckets as this process wrote them: where the same bytes stand, they need not be read."""
        self._epochs: tuple[bytes, Epoch] | None = None
        self._connection: sqlite3.Connection | None = None
        self._identity: list[tuple[int, int]] = []
        self._torn = False  # whether this connection's file, or its memory, was deleted or replaced
        self._boot_id = ""
        self._run = ""
        self._count = 0
        self._forked = False

    def transact(self, work: Callable[[Transaction], T], until: float) -> T:
        """Do `work` with the write lock, and return its result; all of it is done or nothing.

        Args:
            work: What to do.
            until: How long to wait for the lock, by the host's clock.

        Raises:
            StoreError: The file cannot be used now (BusyError: another program holds the lock).
            InvalidRequestError: It must not be used, or is used on other terms.
        """
        turn = turns.take(self._place, lambda: not self.yields and self._clock() < until)
        if turn is None:
            raise self._busy()
        try:
            connection = self._opened(until)
            self._begin(connection, until)
            try:
                now = self._clock()
                transaction = Transaction(self, connection, now, self._epoch(connection, now))
                result = work(transaction)
                connection.execute("COMMIT")
                self._torn = False
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise
        except (sqlite3.Error, UnreadableError, OSError) as error:
            self.close()
            raise StoreError(f"{self.path}: {words_of(error)}") from None
        except UnseenError as error:
            raise StoreError(str(error)) from None
        finally:
            turn.release()
        return result

    def close(self) -> None:
        """Close the connection; the next transaction opens another one."""
        connection, self._connection, self._epochs = self._connection, None, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def abandon(self) -> None:
        """Refuse to work from now on: this is a forked child, and the connection is still the parent's."""
        if self._connection is not None:
            _ABANDONED.append(self._connection)
            self._connection = None
            self._forked = True

    def write_epoch(self, connection: sqlite3.Connection, epoch: Epoch) -> None:
        """Write the epoch."""
        connection.execute("DELETE FROM epoch")
        connection.execute("INSERT INTO epoch VALUES (?)", (Blob(write_epoch(epoch)),))

    def _opened(self, until: float) -> sqlite3.Connection:
        if self._connection is not None:
            found = identity(self._place, self._memory)
            if found and found == self._identity:
                return self._connection
            self.close()
            self._torn = True
        if self._forked:
            raise StoreError(
                f"{self.path}: it was in use when this process was forked: make the limiter after the fork"
            )
        check_place(self.path)
        self._boot_id = self._boot()
        prepare(self.path)
        connection = connect(self.path)
        try:
            connection.execute(f"PRAGMA page_size = {PAGE}")  # of a new file
            # First: another program's file stays as it is.
            self._patiently(lambda: is_new(connection, self.path), until)
            # A switch to WAL meets the locks of others that open the file at the same moment.
            self._patiently(lambda: connection.execute("PRAGMA journal_mode = WAL"), until)
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute(f"PRAGMA journal_size_limit = {LOG}")
            self._begin(connection, until)
            try:
                self._identity = identity(self._place, self._memory)
                self._run = f"{self._boot_id}:{os.lstat(self.path).st_ino}"
                self._set_up(connection)
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise
            check_place(self.path)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _set_up(self, connection: sqlite3.Connection) -> None:
        """Make the tables of a new file."""
        new = is_new(connection, self.path)
        # Files of before have no names: what is in use there stays.
        connection.execute(
            "CREATE TABLE IF NOT EXISTS names (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID"
        )
        if not new:
            return
        connection.execute("CREATE TABLE epoch (record BLOB NOT NULL)")
        connection.execute(
            "CREATE TABLE keys (key TEXT PRIMARY KEY, expires REAL NOT NULL, state BLOB NOT NULL) WITHOUT ROWID"
        )
        # A new file has no pause: the first exit on a machine must not wait.
        self.write_epoch(connection, Epoch(self._run, self._clock(), self.terms))
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute(f"PRAGMA application_id = {APPLICATION}")

    def _epoch(self, connection: sqlite3.Connection, now: float) -> Epoch:
        """Return the epoch that holds; a new one forgets every key."""
        self._count += 1
        if not self._count % SWEEP:
            connection.execute("DELETE FROM keys WHERE expires <= ?", (Real(now),))
        row = connection.execute("SELECT record FROM epoch").fetchone()
        if row is not None and self._epochs is not None and self._epochs[0] == row[0]:
            return self._epochs[1]
        stored = None if row is None else read_epoch(row[0])
        epoch = self._entered(connection, stored, now)
        if stored is None or epoch.run != stored.run:
            connection.execute("DELETE FROM keys")
            self.write_epoch(connection, epoch)
        elif epoch is not stored:
            self.write_epoch(connection, epoch)
        elif self._torn:  # what this process wrote, or others did meanwhile, may be lost: all are to write it anew
            epoch = replace(epoch, since=now)
            self.write_epoch(connection, epoch)
        elif epoch.terms != self.terms and not self._any_terms:
            if connection.execute("SELECT 1 FROM keys WHERE expires > ?", (Real(now),)).fetchone() or now < epoch.opens(
                Quota()
            ):
                check_terms(epoch, self.terms)
            epoch = replace(epoch, terms=self.terms)
            self.write_epoch(connection, epoch)
        if row is not None and epoch is stored:
            self._epochs = row[0], epoch
        return epoch

    def _entered(self, connection: sqlite3.Connection, stored: Epoch | None, now: float) -> Epoch:
        run, gone_by = self._run, None
        if stored is not None and stored.run.partition(":")[0] != self._boot_id:
            rows = connection.execute("SELECT state FROM keys WHERE expires > ?", (Real(now),))
            if not lives(stored, (read_bucket(state, stored.terms) for (state,) in rows), now):
                gone_by = 0.0  # no holder survived a start of the host, when its clock stood at 0
            elif stored.run.partition(":")[2] == run.partition(":")[2]:
                run = stored.run
        return enter(stored, run, now, self.terms, gone_by=gone_by)

    def _begin(self, connection: sqlite3.Connection, until: float) -> None:
        self._patiently(lambda: connection.execute("BEGIN IMMEDIATE"), until)

    def _patiently(self, act: Callable[[], object], until: float) -> None:
        """Do what needs a lock, again and again until it can be had."""
        nap = FIRST_NAP
        while True:
            try:
                act()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in {_BUSY, _LOCKED}:
                    raise
                if self.yields or self._clock() >= until:
                    raise self._busy() from None
            else:
                return
            time.sleep(nap)  # SQLite's own pauses grow to 100 ms
            nap = min(2 * nap, LONGEST_NAP)

    def _busy(self) -> BusyError:
        who = holders(self._place, self._memory)
        return BusyError(f"{self.path}: another program holds its lock{who and ': '}{who}")


_ABANDONED: list[sqlite3.Connection | None] = []
"""Connections of parents, kept from being closed: that would drop locks and delete files of theirs."""
