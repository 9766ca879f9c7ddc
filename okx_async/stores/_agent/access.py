"""The way of an agent's thread to its store: how long it waits, and what becomes of an error that is not expected."""

import threading
import time
from collections.abc import Callable
from traceback import format_exception
from typing import Any, Final, TypeVar

from okx_async._errors import InvalidRequestError
from okx_async.stores.notices import Notices
from okx_async.stores.store import BusyError, Store, StoreError

T = TypeVar("T")

PATIENCE: Final = 2.0
"""Seconds to wait for the file's lock before the waiters are told that nothing was sent."""
IMPATIENCE: Final = 0.2
"""Seconds to wait for it once that has happened."""


class Access:
    """Makes transactions.

    Args:
        database: The store.
        notices: Where an error is told that is not expected.
        clock: The host's clock.
    """

    def __init__(self, database: Store, notices: Notices, clock: Callable[[], float]) -> None:
        self.lock = threading.RLock()
        """Held while the connection is in use, and while this thread forks."""
        self._database = database
        self._notices = notices
        self._clock = clock
        self._patience = PATIENCE

    def attempt(self, work: Callable[[Any], T]) -> T | Exception:
        """Return the result of a transaction, or the error that it met."""
        while True:
            try:
                with self.lock:
                    result = self._database.transact(work, self._clock() + self._patience)
            except BusyError as error:
                if not self._database.yields:
                    self._patience = IMPATIENCE
                    return error
                time.sleep(0.001)  # a fork goes first
            except (StoreError, InvalidRequestError) as error:
                return error
            except Exception as error:  # noqa: BLE001 - the waiters must hear of it, and the thread must live
                self._notices.error("the limits cannot be kept: %s", "".join(format_exception(error)))
                return StoreError(f"{self._database.path}: {error!r}")
            else:
                self._patience = PATIENCE
                return result

    def close(self) -> None:
        """Close the store until it is needed."""
        with self.lock:
            self._database.close()
