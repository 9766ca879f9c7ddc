"""The user id that a close counts by, and the name that stands in for it while it is unknown.

The exchange counts by user id, so two API keys of one account share a limit. A client without a given user id asks
account/config. Until that is answered, a close goes out under a name made from the API key, since nothing may stand
between a user and the exit. Requests sent under that fallback are in no bucket of the user id, so as long as one of
them may still be counted, the next ones take a slot under both names, the fallback first.

Two API keys of one account that both do so at once do not see each other: a stated exception to the proof.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TypeAlias
from weakref import WeakValueDictionary

from okx_async._rest.rate_keys import check_user_id, rate_key

Key: TypeAlias = "tuple[str, ...]"

_MOST_KEYS = 4096


@dataclass(slots=True)
class _Use:
    """The use of a fallback key: by how many requests now, and until when earlier ones may be counted."""

    requests: int = 0
    until: float = 0.0


class Identity:
    """The user id of one API key in one environment, and the uses of its fallback name."""

    def __init__(self, environment: str, api_key: str, user_id: str | None) -> None:
        self.environment = environment
        self.user_id = user_id
        self.fallback = f"key:{sha256(api_key.encode()).hexdigest()[:16]}"
        self.uses: dict[str, _Use] = {}
        """Uses of the fallback name, by scope; empty: `keys` returns the key alone."""
        self._keys: dict[str, Key] = {}  # by instrument id
        self._keys_of = ""

    def key(self, scope_of: str, *, endpoint: bool = False) -> Key:
        """Return the key that the next request would use.

        Args:
            scope_of: An instrument id or an endpoint's name.
            endpoint: Whether it is an endpoint's name.
        """
        user_id = self.user_id or self.fallback
        if endpoint:
            return self.environment, user_id, scope_of
        if user_id is not self._keys_of or len(self._keys) > _MOST_KEYS:
            self._keys, self._keys_of = {}, user_id
        try:
            return self._keys[scope_of]
        except (KeyError, TypeError):  # new, or nothing that can be an id
            key = self.environment, *rate_key(user_id, scope_of)
            self._keys[scope_of] = key
            return key

    def keys(self, key: Key, now: float) -> tuple[Key, ...]:
        """Return the keys to take slots of, in this order, at `now` (the loop's clock)."""
        if not self.uses:
            return (key,)
        user_id, scope = key[-2:]
        use = self.uses.get(scope)
        if use is None or user_id == self.fallback:
            return (key,)
        if not use.requests and use.until <= now:
            del self.uses[scope]
            return (key,)
        return (self.environment, self.fallback, scope), key

    def begin(self, keys: tuple[Key, ...]) -> bool:
        """Note that a request waits under `keys`; return whether `end` must be called for it."""
        if len(keys) > 1 or keys[0][1] != self.fallback:
            return False
        self.uses.setdefault(keys[0][2], _Use()).requests += 1
        return True

    def end(self, keys: tuple[Key, ...], until: float) -> None:
        """Note the end of a request that the exchange may count until then (the loop's clock)."""
        if len(keys) == 1 and keys[0][1] == self.fallback:
            use = self.uses[keys[0][2]]
            use.requests -= 1
            use.until = max(use.until, until)

    def __repr__(self) -> str:
        return f"<Identity {self.environment} {self.user_id or self.fallback}>"


# Clients of one API key share what they know. Otherwise one that knows the user id and one that does not would count
# in two buckets.
_SHARED: WeakValueDictionary[tuple[str, str], Identity] = WeakValueDictionary()


def identity_of(environment: str, api_key: str, user_id: str | None) -> Identity:
    """Return the identity that all clients of this API key share; a separate one if the user id is given."""
    if user_id is not None:
        check_user_id(user_id)
        return Identity(environment, api_key, user_id)
    fresh = Identity(environment, api_key, None)
    return _SHARED.setdefault((environment, fresh.fallback), fresh)
