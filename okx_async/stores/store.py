"""What an agent needs of the store of its limits: a file, or a server."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from okx_async.stores.lease import Terms

T = TypeVar("T")


class StoreError(Exception):
    """The store cannot be used at this moment; the text says why."""


class BusyError(StoreError):
    """It cannot be used yet: another program holds its lock, or it is out of reach."""


class Store(Protocol):
    """A store; one thread at a time may use it."""

    yields: bool
    """Set by another thread: stop waiting, the process is about to fork."""

    @property
    def fork_waits(self) -> float:
        """Seconds for which a fork waits for a transaction to end; -1: until it does."""

    @property
    def terms(self) -> Terms:
        """What all programs that use it must agree upon."""

    @property
    def path(self) -> Path | str:
        """Where it is; a text without a password."""

    @property
    def vouched_by(self) -> str:
        """The command that ends a pause after a loss of its contents."""

    def transact(self, work: Callable[[Any], T], until: float) -> T:
        """Do `work` with the store and return its result; raises StoreError or InvalidRequestError."""

    def close(self) -> None:
        """Close the connection; the next transaction opens another one."""

    def abandon(self) -> None:
        """Leave the connection to the parent: this is a forked child."""
