"""The texts that name limits: what OKX_LIMITS and ``--store`` may hold.

* ``sqlite:`` is the user's own file, ``sqlite:///absolute/path`` another one.
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
from okx_async.stores.sqlite import SqliteLimiter

FORMS: Final = "sqlite:, sqlite:///absolute/path or process"
PROCESS: Final = "process"


def file_of(url: str) -> Path | None:
    """Return the file that a text names, None for this process alone.

    Raises:
        InvalidRequestError: It names neither.
    """
    if url == PROCESS:
        return None
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


_LIMITERS: Final[dict[Path, SqliteLimiter]] = {}
_MAKING: Final = threading.Lock()


def shared_limiter(url: str) -> SlotSource:
    """Return the limiter that a text names: always the same one in a process."""
    path = file_of(url)
    if path is None:
        return default_limiter()
    with _MAKING:  # threads may ask for it at the same moment
        if path not in _LIMITERS:
            _LIMITERS[path] = SqliteLimiter(path)
        return _LIMITERS[path]
