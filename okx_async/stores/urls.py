"""The texts that name limits: what OKX_LIMITS and ``--store`` may hold.

* ``sqlite:`` is the user's own file, ``sqlite:///absolute/path`` another one.
* ``redis://host:6379/0`` is a server, for programs on many hosts; likewise ``rediss://`` and ``unix://``.
* ``process`` is a limiter of this process alone.

Behind a ? may stand what programs that share a store must agree on: ``redis://host/0?prefix=desk&lease=30``.
"""

import threading
from dataclasses import asdict
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import unquote

from okx_async._errors import InvalidRequestError
from okx_async._limiter.default import default_limiter
from okx_async._limiter.slots import SlotSource
from okx_async._threads import unforked
from okx_async.stores._sqlite.places import absolute, default_path
from okx_async.stores.redis import RedisLimiter, check_extra
from okx_async.stores.reports import StoreReport, report
from okx_async.stores.shared import SharedLimiter
from okx_async.stores.sqlite import SqliteLimiter
from okx_async.stores.url_options import OF_FILES, OF_SERVERS, PREFIX, UrlOptions, check_prefix, divided

FORMS: Final = "sqlite:, sqlite:///absolute/path, redis://host:6379/0 or process"
SERVERS: Final = {"redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel"}
PROCESS: Final = "process"
FILE: Final = "sqlite"


class NamedStore(NamedTuple):
    """A store of limits that a text names."""

    place: Path | str
    """The file, or the URL of the server."""
    options: UrlOptions = UrlOptions()

    def at_prefix(self, prefix: str) -> "NamedStore":
        """Return the same server's limits of another prefix; raises InvalidRequestError if there are none."""
        check_prefix(prefix)
        if isinstance(self.place, Path):
            raise InvalidRequestError(
                f"prefix must be left out: {self.place} is a file, and only a server's keys have one"
            )
        if self.options.prefix not in {PREFIX, prefix}:
            raise InvalidRequestError(f"prefix must be left out: the store is named with {self.options.prefix}")
        return self._replace(options=self.options._replace(prefix=prefix))


def store_of(url: str) -> NamedStore | None:
    """Return the store that a text names, None for limits of this process alone.

    Raises:
        InvalidRequestError: It names none of these.
    """
    kind, _, rest = url.strip().partition(":")
    kind = kind.lower()
    if kind == PROCESS and not rest:
        return None
    if kind in SERVERS:
        if not rest.startswith("//"):
            raise InvalidRequestError(f"limits must be named by {FORMS}: two slashes after {kind}:")
        whole, options = divided(f"{kind}:{rest}", OF_SERVERS)
        return NamedStore(whole, options)
    if kind != FILE:
        # No more than the scheme: the rest may hold a password, and what no two slashes follow may be a user name.
        named = f"{kind}://" if kind.isalnum() and rest.startswith("//") else "this"
        if kind[:1] in {"'", '"'}:  # such files of environments take quotes for a part of the text
            named = "this, which begins with a quote,"
        raise InvalidRequestError(f"limits must be named by {FORMS}; {named} is none of them")
    rest, options = divided(rest, OF_FILES)
    return NamedStore(_file(rest) if rest else default_path(), options)


def _file(rest: str) -> Path:
    """Return the file that the rest of a text names."""
    path = unquote(rest, errors="surrogateescape")
    if "?" in rest or "#" in rest:
        wrong = f"a path has no options but {', '.join(OF_FILES)}; a ? in it is %3F, a # is %23"
    elif rest.startswith("//") and not rest.startswith("///"):
        wrong = "three slashes before the path, not two"
    elif not path.startswith("/"):
        wrong = "the path must be absolute"
    elif path.lstrip("/").startswith("~"):
        wrong = "the path must be absolute, without ~"
    elif "\0" in path:
        wrong = "a path has no null character"
    else:
        return absolute(path)
    raise InvalidRequestError(f"limits must be named by {FORMS}: {wrong}")


def report_of(store: NamedStore, *, vouch: bool = False) -> StoreReport:
    """Return what stands in a file or a server of limits.

    Args:
        store: As `store_of` returns it.
        vouch: Whether to say that no program is about that the store has forgotten, which ends its pause.

    Raises:
        StoreError: It cannot be read now.
        InvalidRequestError: It must not be used.
    """
    if isinstance(store.place, Path):
        return report(store.place, vouch=vouch)
    check_extra()
    from okx_async.stores._redis.reports import report_server  # noqa: PLC0415 - an extra

    return report_server(store.place, vouch=vouch, prefix=store.options.prefix)


_LIMITERS: Final[dict[NamedStore, SharedLimiter]] = {}
_MAKING: Final = unforked(threading.RLock())


def shared_limiter(url: str) -> SlotSource:
    """Return the limiter that a text names: always the same one in a process, as long as it is not closed."""
    store = store_of(url)
    if store is None:
        return default_limiter()
    with _MAKING:  # threads may ask for it at the same moment
        if store not in _LIMITERS or _LIMITERS[store].closed:  # by one part of the program, which bars no other
            _LIMITERS[store] = _limiter(store)
        return _LIMITERS[store]


def _limiter(store: NamedStore) -> SharedLimiter:
    place, (terms, prefix, slack) = store
    if isinstance(place, Path):
        return SqliteLimiter(place, **asdict(terms))
    lease, grace, guard = terms.lease, terms.doubt_grace, terms.guard
    return RedisLimiter(place, lease=lease, doubt_grace=grace, guard=guard, clock_slack=slack, prefix=prefix)
