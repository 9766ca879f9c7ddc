"""The texts that name limits: what OKX_LIMITS and ``--store`` may hold.

* ``sqlite:`` is the user's own file, ``sqlite:///absolute/path`` another one.
* ``redis://host:6379/0`` is a server, for programs on many hosts; likewise ``rediss://`` and ``unix://``.
* ``process`` is a limiter of this process alone.
"""

import threading
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from okx_async._errors import InvalidRequestError
from okx_async._limiter.limiter import default_limiter
from okx_async._limiter.slots import SlotSource
from okx_async.stores.places import default_path
from okx_async.stores.redis import RedisLimiter, check_extra
from okx_async.stores.reports import StoreReport, report
from okx_async.stores.sqlite import SqliteLimiter

FORMS: Final = "sqlite:, sqlite:///absolute/path, redis://host:6379/0 or process"
SERVERS: Final = {"redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel"}
PROCESS: Final = "process"


def place_of(url: str) -> Path | str | None:
    """Return the file that a text names, the text itself if it names a server, None for this process alone.

    Raises:
        InvalidRequestError: It names none of these.
    """
    if url == PROCESS:
        return None
    if url.partition("://")[0] in SERVERS:
        return url
    parts = urlsplit(url)
    if parts.scheme != "sqlite" or parts.query or parts.fragment:
        kind = parts.scheme if parts.scheme.isalnum() else "this"  # no more: it may hold a password
        raise InvalidRequestError(f"limits must be named by {FORMS}; {kind}: is none of them")
    if parts.netloc:
        raise InvalidRequestError(f"limits must be named by {FORMS}: three slashes before the path, not two")
    if not parts.path:
        return default_path()
    path = Path(unquote(parts.path))
    if not path.is_absolute():
        raise InvalidRequestError(f"limits must be named by {FORMS}: the path must be absolute")
    return path


def report_of(place: Path | str, *, vouch: bool = False) -> StoreReport:
    """Return what stands in a file or a server of limits.

    Args:
        place: As `place_of` returns it.
        vouch: Whether to say that no program is about that the store has forgotten, which ends its pause.

    Raises:
        StoreError: It cannot be read now.
        InvalidRequestError: It must not be used.
    """
    if isinstance(place, Path):
        return report(place, vouch=vouch)
    check_extra()
    from okx_async.stores.redis_reports import report_server  # noqa: PLC0415 - an extra

    return report_server(place, vouch=vouch)


_LIMITERS: Final[dict[Path | str, SlotSource]] = {}
_MAKING: Final = threading.Lock()


def shared_limiter(url: str) -> SlotSource:
    """Return the limiter that a text names: always the same one in a process."""
    place = place_of(url)
    if place is None:
        return default_limiter()
    with _MAKING:  # threads may ask for it at the same moment
        if place not in _LIMITERS:
            _LIMITERS[place] = RedisLimiter(place) if isinstance(place, str) else SqliteLimiter(place)
        return _LIMITERS[place]
