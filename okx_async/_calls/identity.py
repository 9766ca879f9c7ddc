"""The user id that a request counts by, and the names that stand in for it while it is unknown.

The exchange counts by user id, so two API keys of one account share a limit. A client without a given user id asks
account/config. Until that is answered, a close goes out under a stand-in, since nothing may stand between a user and
the exit: the id that another client of this API key was given, else a name made from the API key. Requests under a
stand-in are in no bucket of the user id, so as long as one of them may still be counted, the next ones take a slot
under every such name, the user id's own last.

What is known is kept for each limiter, since only clients of one limiter share buckets, and it outlives the clients.
Two API keys of one account that are both unknown at once do not see each other: a stated exception to the proof.
"""

import threading
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeAlias
from weakref import WeakKeyDictionary

from okx_async._limiter.slots import SlotSource
from okx_async._rest.rate_keys import check_user_id, rate_key

Key: TypeAlias = tuple[str, ...]

_MOST_KEYS = 4096


@dataclass(slots=True)
class Use:
    """The use of a stand-in at one scope: by how many requests now, and until when earlier ones may be counted."""

    requests: int = 0
    until: float = 0.0


class _Account:
    """One user id, or one API key whose user id is not known yet."""

    __slots__ = ("confirmed", "joined", "user_id", "uses")

    def __init__(self, user_id: str | None = None) -> None:
        self.user_id = user_id
        self.confirmed = False
        """Whether the exchange itself has told the user id."""
        self.joined: _Account | None = None
        """The account of the user id, once it is known that this API key is one of its keys."""
        self.uses: dict[str, dict[str, Use]] = {}
        """Uses of stand-ins, by scope and name."""


_Accounts: TypeAlias = dict[tuple[str, str], _Account]
"""By environment, and user id or API key's name: several API keys of one user id have one account."""


class Identity:
    """The user id of one client, as far as it is known.

    Args:
        environment: The part of a key that tells exchanges apart.
        api_key: The API key.
        user_id: The given user id, None if there is none.
        accounts: What the clients of one limiter know.
    """

    def __init__(self, environment: str, api_key: str, user_id: str | None, accounts: _Accounts | None = None) -> None:
        if user_id is not None:
            check_user_id(user_id)
        self.environment = environment
        self.given = user_id
        self.fallback = f"key:{sha256(api_key.encode()).hexdigest()[:16]}"
        self._accounts = {} if accounts is None else accounts
        self._of_key = self._account(self.fallback)
        if user_id is not None and self._of_key.user_id is None:
            self._join(user_id)
        self._of_given = None if user_id is None else self._account(user_id)
        self._keys: dict[str, Key] = {}  # by instrument id
        self._keys_of = ""

    @property
    def account(self) -> _Account:
        """What is known of the user id."""
        if self._of_given is not None:
            return self._of_given
        while (joined := self._of_key.joined) is not None:
            self._of_key = joined
        return self._of_key

    @property
    def user_id(self) -> str | None:
        """The user id: given, told by the exchange, or given to another client of this API key."""
        return self.given or self.account.user_id

    @property
    def confirmed(self) -> bool:
        """Whether the user id is certain, so that no request counts under a stand-in."""
        return self.given is not None or self.account.confirmed

    def learn(self, user_id: str) -> None:
        """Take in the user id that the exchange told."""
        with _LOCK:
            self._join(user_id)
            self.account.confirmed = True

    def key(self, scope_of: str, *, endpoint: bool = False) -> Key:
        """Return the key that the next request would use.

        Args:
            scope_of: An instrument id or an endpoint's name.
            endpoint: Whether it is an endpoint's name.
        """
        user_id = self.given or self.account.user_id or self.fallback
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
        account = self.account
        if not account.uses:
            return (key,)
        _, name, scope = key
        with _LOCK:
            uses = account.uses.get(scope, {})
            for old in [each for each, use in uses.items() if not use.requests and use.until <= now]:
                del uses[old]
            if not uses:
                account.uses.pop(scope, None)
            # One order for all requests, so that no two of them wait for each other.
            return *((self.environment, each, scope) for each in sorted(uses) if each != name), key

    def begin(self, key: Key) -> Use | None:
        """Note that a request waits under `key`; return the use that `end` is called for, None if it is no stand-in."""
        if self.given is not None or self.account.confirmed:
            return None
        _, name, scope = key
        with _LOCK:
            use = self.account.uses.setdefault(scope, {}).setdefault(name, Use())
            use.requests += 1
        return use

    @staticmethod
    def end(use: Use, until: float) -> None:
        """Note the end of a request that the exchange may count until then (the loop's clock)."""
        with _LOCK:
            use.requests -= 1
            use.until = max(use.until, until)

    def _account(self, name: str) -> _Account:
        return self._accounts.setdefault((self.environment, name), _Account())

    def _join(self, user_id: str) -> None:
        """Have this API key be one of a user id's, with the uses of all stand-ins so far."""
        old, account = self._of_key, self._account(user_id)
        while old.joined is not None:
            old = old.joined
        account.user_id = user_id
        if account is not old:
            for scope, uses in old.uses.items():
                account.uses.setdefault(scope, {}).update(uses)
            old.joined = account

    def __repr__(self) -> str:
        return f"<Identity {self.environment} {self.user_id or self.fallback}>"


_LOCK = threading.RLock()
_BY_LIMITER: WeakKeyDictionary[SlotSource, _Accounts] = WeakKeyDictionary()


def identity_of(environment: str, api_key: str, user_id: str | None, limiter: SlotSource) -> Identity:
    """Return an identity that shares what it learns with all clients of this limiter."""
    with _LOCK:
        try:
            accounts = _BY_LIMITER.setdefault(limiter, {})
        except TypeError:  # a limiter that cannot be referred to weakly
            accounts = {}
        return Identity(environment, api_key, user_id, accounts)
