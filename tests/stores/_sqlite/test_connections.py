"""Connections to a SQLite file of limits beside what else happens to the file, and to the module sqlite3."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from okx_async.stores._sqlite.connections import APPLICATION, connect, is_new
from okx_async.stores._sqlite.places import prepare
from tests.stores.host import Host
from tests.stores.work import opens, take

ROOT = Path(__file__).parents[3]
ADAPTED = """
import sqlite3, sys
for kind in (str, bytes, float, int):
    sqlite3.register_adapter(kind, lambda value: f"adapted {value}")
from pathlib import Path
from okx_async.stores.lease import Terms
from okx_async.stores._sqlite.transactions import Database
from tests.stores.work import opens, take
database = Database(Path(sys.argv[1]), Terms())
database.transact(lambda transaction: transaction.remember("name", "value"), database._clock() + 5.0)
print(database.transact(take("a"), database._clock() + 5.0))
print(database.transact(lambda transaction: transaction.recall("name"), database._clock() + 5.0))
"""


class Watched:
    """A connection beside which something happens after each of its statements."""

    def __init__(self, connection: sqlite3.Connection, happens: Any) -> None:
        self._connection = connection
        self._happens = happens

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, text: str) -> sqlite3.Cursor:
        cursor = self._connection.execute(text)
        self._happens(text)
        return cursor


@pytest.mark.parametrize("after", ["PRAGMA user_version", "PRAGMA application_id"])
def test_a_file_whose_tables_another_program_makes_at_this_moment_is_no_other_programs(host: Host, after: str) -> None:
    prepare(host.path)
    with closing(connect(host.path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        made = []

        def make(text: str) -> None:
            if text == after:
                made.append(host.open().transact(opens, 0.0))

        assert is_new(Watched(connection, make), host.path)  # type: ignore[arg-type]
        assert len(made) == 1
        assert not connection.in_transaction
        assert not is_new(connection, host.path)


def test_what_is_looked_at_in_a_transaction_leaves_it_open(host: Host) -> None:
    host.open().transact(opens, 0.0)
    with closing(connect(host.path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        assert not is_new(connection, host.path)
        assert connection.in_transaction
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION,)


def test_adapters_of_the_program_change_nothing_in_the_file(tmp_path: Path) -> None:
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", ADAPTED, str(tmp_path / "limits")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.stdout.split(), done.stderr) == (["1", "value"], "")


@pytest.mark.parametrize("own", ["detect_types", "row_factory", "text_factory"])
def test_what_the_program_has_all_its_connections_do_is_not_done_here(
    host: Host, monkeypatch: pytest.MonkeyPatch, own: str
) -> None:
    made = sqlite3.connect
    if own == "detect_types":
        for kind in ("REAL", "BLOB", "TEXT"):
            monkeypatch.setitem(sqlite3.converters, kind, lambda value: f"converted {value!r}")
        monkeypatch.setattr(sqlite3, "connect", partial(made, detect_types=sqlite3.PARSE_DECLTYPES))
    else:

        def with_factories(*given: Any, **named: Any) -> sqlite3.Connection:
            connection: sqlite3.Connection = made(*given, **named)
            if own == "row_factory":
                connection.row_factory = lambda cursor, row: dict(
                    zip([each[0] for each in cursor.description], row, strict=True)
                )
            else:
                connection.text_factory = bytes
            return connection

        monkeypatch.setattr(sqlite3, "connect", with_factories)
    database = host.open()
    database.transact(lambda transaction: transaction.remember("name", "value"), 0.0)
    assert database.transact(take("a"), 0.0) == 1
    assert host.open().transact(take("b"), 0.0) == 2
    assert database.transact(lambda transaction: transaction.recall("name"), 0.0) == "value"
    assert [len(bucket.tokens) for _, bucket in database.transact(lambda t: list(t.in_use()), 0.0)] == [2]
