"""One connection to a Redis or Valkey server that keeps limits: what is asked of it, and what its failures mean.

The library speaks the protocol, TLS and authentication. Its retries are not used: a command that was sent and not
answered may have been carried out. Every reply begins with the nonce of its call; one that does not belongs to another
call, and ends the connection.
"""

import os
import re
import socket
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha1
from importlib.resources import files
from inspect import signature
from itertools import islice
from typing import Any, Final, NamedTuple

import redis.exceptions as problems
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection, SSLConnection
from redis.retry import Retry
from redis.utils import HIREDIS_AVAILABLE

from okx_async._errors import InvalidRequestError
from okx_async._spellings import SEARCHED, forms_of, holds
from okx_async.stores._redis.address import FILES, Address
from okx_async.stores.epoch import MEANWHILE
from okx_async.stores.store import BusyError, StoreError

SCRIPT: Final = "".join(
    files("okx_async.stores._redis").joinpath(name).read_text(encoding="utf-8")  # in a zip, too
    for name in ("shared_quick.lua", "shared_bucket.lua")
)
TIMEOUT: Final = 1.0
"""Seconds after which a server that is silent is out of reach."""
# The library tells the server its name, by a command that a user may not be allowed; before 7.2 it has two names.
_NAMES: Final = {"driver_info"} & set(signature(AbstractConnection).parameters) or {"lib_name", "lib_version"}
_SHOWN: Final = 400
"""Characters of a server's words that are shown."""
_AT_ONCE: Final = 8
"""Calls that are one command, where the server is no part of a cluster: it does nothing else meanwhile."""
_WRITTEN: Final = 2
"""Commands of such calls that are written before they are sent: the server works on them meanwhile."""
_READ: Final = """
local found = redis.call('MGET', KEYS[1])[1]
if found then redis.call('SET', KEYS[1], found, 'EX', ARGV[2]) end
return {ARGV[1], found}
"""
HIDDEN: Final = "(its words are not shown: they repeat the password)"
PROXY: Final = "if this is a proxy that puts many clients on one connection: name the server itself"


# How the library says that a connection ended after it was open.
_ENDED: Final = re.compile("closed by server|while reading from|while writing to")


class UnreachableError(BusyError):
    """The server cannot be reached, or does not answer, or is not ready."""


class EndedError(UnreachableError):
    """A connection over which the script was answered before was ended, by a time-out for idle ones for example.

    It says nothing of the server: another connection may be opened at once.
    """


class Call(NamedTuple):
    """A call of the script."""

    keys: Sequence[str]
    message: bytes


def connection_to(address: Address) -> AbstractConnection:
    """Return a connection of the library, not opened yet, with time-outs and without its retries."""
    return address.kind(
        **{
            **address.options,
            "socket_timeout": TIMEOUT,
            "socket_connect_timeout": TIMEOUT,
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
            **dict.fromkeys(_NAMES),
            "health_check_interval": 0,
        }
    )


def words_of(error: Exception, secrets: frozenset[str]) -> str:
    """Return what a server or the library says of a failure.

    Servers and proxies name what they do not understand, AUTH with its arguments for instance; then it is not shown.
    """
    whole = str(error)[:SEARCHED]
    return HIDDEN if holds(whole, secrets) else whole[:_SHOWN]


def unreadable(address: Address) -> str:
    """Return what to add to a failure if files for TLS cannot be read: the library does not say which."""
    names = [name for name in FILES if (path := address.options.get(name)) and not os.access(path, os.R_OK)]
    return f"; of the url, {' and '.join(names)} cannot be read" if names else ""


def _together(calls: Iterable[Call], most: int) -> Iterator[list[Call]]:
    """Yield the calls in groups whose messages are about the same kind of things, each about other things."""
    group: list[Call] = []
    names: set[str] = set()
    for call in calls:
        if group and (len(group) == most or len(call.keys) != len(group[0].keys) or call.keys[-1] in names):
            yield group
            group, names = [], set()
        group.append(call)
        names.add(call.keys[-1])
    if group:
        yield group


class Link:
    """A connection, from its first command to its last; a new one is a new object.

    Args:
        address: The server.
        script: What it is to carry out.

    Raises:
        UnreachableError: It cannot be reached now.
        InvalidRequestError: It must not be used: the text says why.
    """

    def __init__(self, address: Address, script: str = SCRIPT) -> None:
        self.label = address.label
        self.address = address
        self._secrets = forms_of(filter(None, [address.options.get("password")]))
        self._script = script
        # A name that the server gives the script, no secret.
        self._sha = sha1(script.encode(), usedforsecurity=False).hexdigest()
        self._numbers = 0
        self._mark = os.urandom(6).hex()
        self._connection = connection_to(address)
        self.greeted = False
        """Whether the epochs of this server are known."""
        self._answered = False  # a call of the script
        self.info: dict[str, str] = {}
        found = self._asked_what_it_is()
        for line in found.decode(errors="replace").splitlines():
            name, _, value = line.partition(":")
            self.info[name] = value
        self.sharded = self.info.get("cluster_enabled") == "1"
        """Whether a command may name keys of one slot only."""
        self.run = self.info.get("run_id", "")
        """Names this incarnation of the server: a connection ends with it."""
        try:
            self._judge()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close it."""
        self._connection.disconnect()  # type: ignore[no-untyped-call]

    def script(self, calls: Iterable[Call]) -> list[list[Any]]:
        """Carry the script out for each call, in one round trip, and return the replies: status, server's time, more.

        Args:
            calls: What is asked; the server works on the first ones while the next are written.

        Raises:
            UnreachableError: Whether they were carried out is not known.
            StoreError: The server refused one.
        """
        told: list[tuple[str, tuple[Any, ...]]] = []  # the nonce of each command, and its arguments

        def first_told() -> Iterator[tuple[Any, ...]]:
            for group in _together(calls, 1 if self.sharded else _AT_ONCE):
                nonce, command = self.command(*group)
                told.append((nonce, command[2:]))
                yield command

        replies = self.commands(first_told(), written=_WRITTEN)
        unknown = [number for number, reply in enumerate(replies) if isinstance(reply, problems.NoScriptError)]
        if unknown:  # a server that was flushed or restarted; EVAL makes it known
            again = self.commands([("EVAL", self._script, *told[number][1]) for number in unknown])
            for number, reply in zip(unknown, again, strict=True):
                replies[number] = reply
        found: list[list[Any]] = []
        for reply, (nonce, _) in zip(replies, told, strict=True):
            if isinstance(reply, Exception):
                raise self.failure(reply)
            found += self._its_own(reply, nonce)
        self._answered = True
        return found

    def read(self, name: str, keep: int) -> bytes | None:
        """Return the text that stands under a name, for so many seconds more; None: there is none."""
        nonce = self._nonce()
        [reply] = self.commands([("EVAL", _READ, 1, name, nonce, keep)])
        if isinstance(reply, Exception):  # not None: who is told that there is none relies on it
            raise self.failure(reply)
        [found] = self._its_own(reply, nonce)
        return found if isinstance(found, bytes) else None

    def _nonce(self) -> str:
        self._numbers += 1
        return f"{self._mark}{self._numbers}"

    def _its_own(self, reply: Any, nonce: str) -> list[Any]:
        """Return what a reply tells after its nonce; one without it is the answer to another question."""
        if not isinstance(reply, list) or not reply or reply[0] != nonce.encode():
            self.close()
            raise UnreachableError(f"{self.label}: it gave the answer to another question")
        return reply[1:]

    def command(self, *calls: Call) -> tuple[str, tuple[Any, ...]]:
        """Return what carries calls out, and the nonce with which its answer begins; nothing is sent."""
        names, nonce = [name for call in calls for name in call.keys], self._nonce()
        return nonce, ("EVALSHA", self._sha, len(names), *names, nonce, *(call.message for call in calls))

    def socket(self) -> socket.socket | None:
        """Return the socket, for an event loop; None: none can read it as it is, with TLS or without hiredis."""
        readable = HIREDIS_AVAILABLE and not issubclass(self.address.kind, SSLConnection)
        return self._connection._sock if readable else None  # noqa: SLF001 - it has no public name

    def commands(self, commands: Iterable[tuple[Any, ...]], *, written: int = 64) -> list[Any]:
        """Send commands at once, so many in a piece, and return what each got, which may be an error of the server."""
        connection, waiting = self._connection, iter(commands)
        replies: list[Any] = []
        sent = 0
        try:
            while some := list(islice(waiting, written)):
                connection.send_packed_command(connection.pack_commands(some))  # type: ignore[no-untyped-call]
                sent += len(some)
            while len(replies) < sent:
                try:
                    replies.append(connection.read_response())
                except problems.ResponseError as error:
                    replies.append(error)
        except (problems.RedisError, OSError, ValueError) as error:
            self.close()
            failure = self.failure(error)
            if self._answered and isinstance(error, problems.ConnectionError | ConnectionError):
                raise EndedError(str(failure)) from None
            raise failure from None
        except BaseException:
            self.close()
            raise
        return replies

    def failure(self, error: Exception) -> Exception:
        """Return what an error of the library or the server means; its text holds no password."""
        word = str(error).partition(" ")[0]
        text = words_of(error, self._secrets)
        if isinstance(error, problems.InvalidResponse):
            text += ": it is no Redis or Valkey server, or one that wants rediss://"
        if isinstance(error, problems.AuthenticationError | problems.NoPermissionError) or word in {
            "WRONGPASS",
            "NOAUTH",
            "NOPERM",
        }:
            return InvalidRequestError(f"{self.label}: the server refuses this user: {text}; {MEANWHILE}")
        if isinstance(error, problems.TimeoutError):
            hint = "" if self.info or not issubclass(self.address.kind, SSLConnection) else "; does it speak TLS?"
            return UnreachableError(f"{self.label}: no answer within {TIMEOUT:g} s{hint}")
        if isinstance(error, problems.OutOfMemoryError) or word == "OOM":
            return UnreachableError(f"{self.label}: its memory is full")
        if isinstance(error, problems.ReadOnlyError) or word == "READONLY":
            self.close()
            return UnreachableError(f"{self.label}: it is a replica now")
        if isinstance(error, problems.ResponseError) and word not in {
            "LOADING",
            "BUSY",
            "MASTERDOWN",
            "NOREPLICAS",
            "CLUSTERDOWN",
            "TRYAGAIN",
            "MOVED",
            "ASK",
            "MISCONF",
        }:
            return StoreError(f"{self.label}: {text}")
        if word in {"MOVED", "ASK", "CLUSTERDOWN"}:
            self.close()
        return UnreachableError(f"{self.label}: {text}")

    def _asked_what_it_is(self) -> bytes:
        """Return what the server says of itself; a proxy in between may not let that through."""
        try:
            [found] = self.commands([("INFO",)])
        except UnreachableError as error:
            if words := unreadable(self.address):
                raise UnreachableError(f"{error}{words}") from None
            if not _ENDED.search(str(error)):
                raise
            hints = [PROXY]
            if not issubclass(self.address.kind, SSLConnection):
                hints.insert(0, "if it speaks TLS: rediss://")
            elif not self.address.options.get("ssl_certfile"):
                hints.insert(0, "if it wants a certificate of yours: ssl_certfile and ssl_keyfile in the url")
            raise UnreachableError("; ".join([str(error), *hints])) from None
        if isinstance(found, bytes):
            return found
        self.close()
        failure = self.failure(found)
        raise InvalidRequestError(f"{failure}; {PROXY}") if type(failure) is StoreError else failure

    def _judge(self) -> None:
        """Refuse a server that forgets keys to make room, or that may not be written to."""
        policy = self.info.get("maxmemory_policy", "noeviction")
        if self.info.get("maxmemory", "0") != "0" and policy != "noeviction":
            raise InvalidRequestError(
                f"{self.label}: its maxmemory-policy {policy} drops limits that are in use when memory is short; set "
                f"maxmemory-policy noeviction; {MEANWHILE}"
            )
        if self.info.get("role") == "slave":
            raise UnreachableError(f"{self.label}: it is a replica; name the server that is written to")
        if not self.run:
            raise InvalidRequestError(f"{self.label}: it does not tell its run id (INFO), by which a restart is seen")
