"""A connection to a SQLite file of limits: how it is opened, and whose file it is.

A program may have changed what the module sqlite3 does for all of its connections. None of that holds for these.
"""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Final
from urllib.parse import quote

from okx_async._errors import InvalidRequestError
from okx_async.stores.epoch import VERSION

try:
    import sqlite3
except ImportError:  # a Python that was built without it: no place for a file is right then, but a server may be
    sqlite3 = SimpleNamespace(Connection=object)  # type: ignore[assignment]

APPLICATION: Final = 0x6F6B7861
"""Marks a SQLite file as ours."""


class Text(str):
    """A text as a value of a statement.

    `sqlite3.register_adapter` has a program's function called with each value of exactly a type, in all connections.
    """

    __slots__ = ()


class Real(float):
    """A number, likewise."""

    __slots__ = ()


class Blob(bytes):
    """Bytes, likewise."""

    __slots__ = ()


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection to a file that is there; nothing is read yet."""
    uri = f"file:{quote(os.fsencode(path))}?mode=rw"
    connection = sqlite3.connect(
        uri, timeout=0, detect_types=0, isolation_level=None, check_same_thread=False, uri=True
    )
    connection.row_factory, connection.text_factory = None, str  # a program may put its own in the place of `connect`
    return connection


def is_new(connection: sqlite3.Connection, path: Path) -> bool:
    """Return whether the file is a new one, and refuse one that is not ours."""
    whole = connection.in_transaction
    if not whole:  # one state of the file is looked at: another program may make its tables at this moment
        connection.execute("BEGIN")
    try:
        [version], [application] = (
            connection.execute(f"PRAGMA {name}").fetchone() for name in ("user_version", "application_id")
        )
        empty = not connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    finally:
        if not whole and connection.in_transaction:  # some errors end it
            connection.execute("ROLLBACK")
    if not version and not application and empty:
        return True
    if application != APPLICATION:
        raise InvalidRequestError(f"{path} is a SQLite file of another program: name another path")
    if version > VERSION:
        raise InvalidRequestError(
            f"{path} is of a newer version of this library: format {version}, this one knows {VERSION}"
        )
    return False
