"""What the clients of one limiter know of API keys and user ids, and which names their requests went out under.

The exchange counts by user id, and a user id has any number of API keys. A request counts under a *stand-in* while the
user id of its API key is not told by the exchange: a given user id, else a name made from the API key. All API keys of
one user id must then see each other's stand-ins, which are kept for as long as a request under them may be counted.

All of it is read and changed under `LOCK`, by any thread.
"""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from weakref import WeakKeyDictionary, WeakSet

from okx_async._limiter.slots import SlotSource
from okx_async._threads import unforked

LOCK: Final = unforked(threading.RLock())
MOST_SCOPES: Final = 64
"""Scopes that are told apart for a stand-in: a client that is never told its user id would keep every instrument."""
PARENTS: Final = 65.0
"""Seconds after a fork within which a request of the parent may be counted."""


@dataclass(slots=True)
class Use:
    """The use of a stand-in: by how many requests now, and until when earlier ones may be counted."""

    requests: int = 0
    until: float = 0.0
    scopes: set[str] | None = field(default_factory=set)
    """What was used under it; None: so much that it counts as everything."""

    def begin(self, scope: str) -> None:
        """Note that a request begins to wait."""
        self.requests += 1
        if self.scopes is not None:
            self.scopes.add(scope)
            if len(self.scopes) > MOST_SCOPES:
                self.scopes = None

    def covers(self, scope: str) -> bool:
        """Return whether requests of a scope may have gone out under it."""
        return self.scopes is None or scope in self.scopes


class ApiKey:
    """One API key: its user id as far as it is known, and the stand-ins of its requests."""

    __slots__ = ("given", "told", "uses")

    def __init__(self) -> None:
        self.given: tuple[str, ...] = ()
        """The user ids that clients of it were given."""
        self.told: str | None = None
        """The user id that the exchange has told."""
        self.uses: dict[str, Use] = {}
        """Uses of stand-ins, by name."""

    def names(self, scope: str, now: float) -> list[str]:
        """Return the stand-ins of a scope that count still; the others are forgotten."""
        for old in [name for name, use in self.uses.items() if not use.requests and use.until <= now]:
            del self.uses[old]
        return [name for name, use in self.uses.items() if use.covers(scope)]


class Accounts:
    """The API keys and user ids of one limiter's clients; it outlives the clients."""

    def __init__(self) -> None:
        self._api_keys: dict[tuple[str, str], ApiKey] = {}
        self._of_user: dict[tuple[str, str], list[ApiKey]] = {}
        self.version = 0
        """Counts what was learnt of who belongs together."""
        _ALL.add(self)

    def api_key(self, environment: str, name: str) -> ApiKey:
        """Return the API key of this name."""
        with LOCK:
            return self._api_keys.setdefault((environment, name), ApiKey())

    def give(self, environment: str, api_key: ApiKey, user_id: str) -> None:
        """Take in that a client was given a user id for an API key; what the exchange tells is believed first."""
        with LOCK:
            if user_id not in api_key.given:
                api_key.given = (*api_key.given, user_id)
            if api_key.told is None:
                self._add(environment, api_key, user_id)

    def tell(self, environment: str, api_key: ApiKey, user_id: str) -> None:
        """Take in what the exchange told."""
        with LOCK:
            if api_key.told == user_id:
                return
            for members in self._of_user.values():
                if api_key in members:
                    members.remove(api_key)
            api_key.told = user_id
            self._add(environment, api_key, user_id)

    def members(self, environment: str, api_key: ApiKey) -> tuple[ApiKey, ...]:
        """Return the API keys that are known, or said, to be of one user id with this one."""
        with LOCK:
            ids = api_key.given if api_key.told is None else (api_key.told,)
            found = [each for user_id in ids for each in self._of_user.get((environment, user_id), ())]
            return tuple(dict.fromkeys([api_key, *found]))

    def begin_in_child(self, now: float) -> None:
        """Take the requests of the parent of a forked child for such whose end is not known."""
        for api_key in self._api_keys.values():
            for use in api_key.uses.values():
                if use.requests:
                    use.requests, use.until = 0, max(use.until, now + PARENTS)

    def _add(self, environment: str, api_key: ApiKey, user_id: str) -> None:
        members = self._of_user.setdefault((environment, user_id), [])
        if api_key not in members:
            members.append(api_key)
            self.version += 1


_ALL: Final[WeakSet[Accounts]] = WeakSet()
_BY_LIMITER: Final[WeakKeyDictionary[SlotSource, Accounts]] = WeakKeyDictionary()
_KEPT: Final[list[tuple[SlotSource, Accounts]]] = []
"""Of limiters that cannot be referred to weakly."""


def accounts_of(limiter: SlotSource) -> Accounts:
    """Return what is known among the clients of a limiter."""
    with LOCK:
        try:
            found: Accounts | None = _BY_LIMITER.get(limiter)
            if found is None:
                found = _BY_LIMITER[limiter] = Accounts()
        except TypeError:
            found = next((accounts for kept, accounts in _KEPT if kept is limiter), None)
            if found is None:
                found = Accounts()
                _KEPT.append((limiter, found))
        return found


def _after_fork_in_child(clock: Callable[[], float] = time.monotonic) -> None:
    for accounts in list(_ALL):
        accounts.begin_in_child(clock())


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_after_fork_in_child)
