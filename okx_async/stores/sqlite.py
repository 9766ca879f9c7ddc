"""The limiter whose limits stand in a SQLite file: one limit for all programs of a user on one host."""

import os
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from okx_async._errors import InvalidRequestError
from okx_async._quota import Quota
from okx_async._validation import check_seconds, short_repr
from okx_async.stores._agent.agent import Agent
from okx_async.stores._sqlite.places import absolute, check_place, default_path, home_folder
from okx_async.stores._sqlite.transactions import Database
from okx_async.stores.clocks import shared_clock
from okx_async.stores.lease import Terms
from okx_async.stores.shared import SharedLimiter


class SqliteLimiter(SharedLimiter):
    """At most ``quota.limit`` requests in any ``quota.per`` seconds for each key, over all programs that use the file.

    It serves any number of event loops, threads and processes of one host, forked ones included. It touches the file
    in a thread of its own. Use it in place of a `Limiter`: ``okx.Client(..., limiter=SqliteLimiter())``. Keys are
    tuples of texts. What cannot be kept is not granted: each failure of the file is a NotSentError that says why.

    Args:
        path: The file, on a local file system, in a folder that only this user may write to. None: one file for all of
            this user's programs, ``okx-async/limits.sqlite3`` in ``$XDG_STATE_HOME`` or else ``~/.local/state``.
        quota: The quota of every key that is not given another one.
        lease: Seconds, above 0, for which a slot may be used. Until its end and `doubt_grace` have passed, the slots of
            a process that died stay out. It must exceed a client's ``connect_timeout + timeout``.
        rtt_floor, doubt_grace, guard: Seconds, as `Limiter` takes them. All programs that use the file must agree on
            these and on `lease` while any key is in use.

    Raises:
        InvalidRequestError: A value cannot work, or the file must not be used: the text says why.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        quota: Quota = Quota(),  # noqa: B008 - frozen
        *,
        lease: float = 8.0,
        rtt_floor: float = 0.0,
        doubt_grace: float = 5.0,
        guard: float = 0.003,
    ) -> None:
        check_seconds(lease=lease)
        terms = Terms(lease, doubt_grace, guard, rtt_floor).checked(quota)
        self._path = _file(path)
        check_place(self._path)
        super().__init__(Agent(Database(self._path, terms), quota, shared_clock), quota, terms)

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    def __reduce__(self) -> tuple[Any, ...]:
        terms = self._terms
        return _again, (self._path, self._quota, terms)

    def __repr__(self) -> str:
        return f"<SqliteLimiter {self._quota.limit} per {self._quota.per:g} s: {self._path}>"


def _file(path: object) -> Path:
    if path is None:
        return default_path()
    name = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not isinstance(name, str) or not name or "\0" in name or not _encodable(name):
        raise InvalidRequestError(f"path must be a path or None, got {short_repr(path)}")
    if name.partition("/")[0] == "~":
        home_folder()  # which must be known
    whole = os.path.expanduser(name)  # noqa: PTH111 - of Path: its error names no user
    if whole.startswith("~"):  # it stays as it is, and would be a folder of that name wherever a program was started
        user, home = name.partition("/")[0], "no home directory is known for"
        raise InvalidRequestError(f"no place for the file of the limits: {home} {user!r}; name a whole path")
    return absolute(whole)


def _encodable(name: str) -> bool:
    with suppress(UnicodeEncodeError):
        return bool(os.fsencode(name))
    return False


def _again(path: Path, quota: Quota, terms: Terms) -> SqliteLimiter:
    return SqliteLimiter(path, quota, **asdict(terms))
