"""The texts that name limits: what OKX_LIMITS and ``--store`` may hold.

* ``sqlite:`` is the user's own file, ``sqlite:///absolute/path`` another one.
* ``redis://host:6379/0`` is a server, for programs on many hosts; likewise ``rediss://`` and ``unix://``.
* ``process`` is a limiter of this process alone.
"""

import threading
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from okx_async._errors import InvalidRequestError
from okx_async._limiter.default import default_limiter
from okx_async._limiter.slots import SlotSource
from okx_async._threads import unforked
from okx_async.stores.places import absolute, default_path
from okx_async.stores.records import PREFIX
from okx_async.stores.redis import RedisLimiter, check_extra, check_prefix
from okx_async.stores.reports import StoreReport, report
from okx_async.stores.shared import SharedLimiter
from okx_async.stores.sqlite import SqliteLimiter

FORMS: Final = "sqlite:, sqlite:///absolute/path, redis://host:6379/0 or process"
SERVERS: Final = {"redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel"}
PROCESS: Final = "process"
FILE: Final = "sqlite"


def place_of(url: str) -> Path | str | None:
    """Return the file that a text names, the text itself if it names a server, None for this process alone.

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
        return f"{kind}:{rest}"
    if kind != FILE:
        # No more than the scheme: the rest may hold a password, and what no two slashes follow may be a user name.
        named = f"{kind}://" if kind.isalnum() and rest.startswith("//") else "this"
        if kind[:1] in {"'", '"'}:  # such files of environments take quotes for a part of the text
            named = "this, which begins with a quote,"
        raise InvalidRequestError(f"limits must be named by {FORMS}; {named} is none of them")
    return _file(rest) if rest else default_path()


def _file(rest: str) -> Path:
    """Return the file that the rest of a text names."""
    path = unquote(rest, errors="surrogateescape")
    if "?" in rest or "#" in rest:
        wrong = "a path has no options; a ? in it is %3F, a # is %23"
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


def report_of(place: Path | str, *, vouch: bool = False, prefix: str | None = None) -> StoreReport:
    """Return what stands in a file or a server of limits.

    Args:
        place: As `place_of` returns it.
        vouch: Whether to say that no program is about that the store has forgotten, which ends its pause.
        prefix: With which all keys in a server begin, None for the default of `RedisLimiter`; a file has none.

    Raises:
        StoreError: It cannot be read now.
        InvalidRequestError: It must not be used.
    """
    if prefix is not None:
        check_prefix(prefix)
    if isinstance(place, Path):
        if prefix is not None:
            raise InvalidRequestError(f"prefix must be left out: {place} is a file, and only a server's keys have one")
        return report(place, vouch=vouch)
    check_extra()
    from okx_async.stores.redis_reports import report_server  # noqa: PLC0415 - an extra

    return report_server(place, vouch=vouch, prefix=PREFIX if prefix is None else prefix)


_LIMITERS: Final[dict[Path | str, SharedLimiter]] = {}
_MAKING: Final = unforked(threading.RLock())


def shared_limiter(url: str) -> SlotSource:
    """Return the limiter that a text names: always the same one in a process, as long as it is not closed."""
    place = place_of(url)
    if place is None:
        return default_limiter()
    with _MAKING:  # threads may ask for it at the same moment
        if place not in _LIMITERS or _LIMITERS[place].closed:  # by one part of the program, which bars no other
            _LIMITERS[place] = RedisLimiter(place) if isinstance(place, str) else SqliteLimiter(place)
        return _LIMITERS[place]
