"""The user id that a request counts by, and the names that stand in for it while it is unknown.

The exchange counts by user id, so two API keys of one account share a limit. Until account/config has told it, a close
goes out under a stand-in, since nothing may stand between a user and the exit: the user id that was given to this
client or to another one of the API key, else a name made from the API key. Requests under a stand-in are in no bucket
of the user id, so as long as one of them may still be counted, the next ones take a slot under every such name.

What is known is kept for each limiter, since only clients of one limiter share buckets (`accounts`). What cannot be
known are requests that were sent before: two API keys of one account see each other once the exchange has told both.
"""

from collections.abc import Collection
from hashlib import sha256
from typing import TypeAlias

from okx_async._calls.accounts import LOCK, Accounts, ApiKey, Use, accounts_of
from okx_async._calls.others import Others
from okx_async._errors import NotSentError
from okx_async._limiter.slots import SlotSource
from okx_async._rest.rate_keys import check_user_id, rate_key

Key: TypeAlias = tuple[str, ...]

_MOST_KEYS = 4096


class Identity:
    """The user id of one client, as far as it is known.

    Args:
        environment: The part of a key that tells exchanges apart.
        api_key: The API key.
        user_id: The given user id, None if there is none.
        accounts: What the clients of one limiter know.
    """

    def __init__(self, environment: str, api_key: str, user_id: str | None, accounts: Accounts | None = None) -> None:
        if user_id is not None:
            check_user_id(user_id)
        self.environment = environment
        self.given = user_id
        self.fallback = f"key:{sha256(api_key.encode()).hexdigest()[:16]}"
        self._accounts = Accounts() if accounts is None else accounts
        self._api_key = self._accounts.api_key(environment, self.fallback)
        if user_id is not None:
            self._accounts.give(environment, self._api_key, user_id)
        self._members: tuple[ApiKey, ...] = ()
        self._members_at = -1
        self.others: Others | None = None
        """By which names other programs may count; None: there are none, or nothing is known of them."""
        self._keys: dict[str, Key] = {}  # by instrument id
        self._keys_of = ""

    @property
    def user_id(self) -> str | None:
        """The user id: told by the exchange, given, or given to another client of this API key."""
        return self._api_key.told or self.given or next(iter(self._api_key.given), None)

    @property
    def confirmed(self) -> bool:
        """Whether the exchange itself has told the user id, so that no request counts under a stand-in."""
        return self._api_key.told is not None

    @property
    def version(self) -> int:
        """A number that changes with what is known of who shares a user id."""
        return self._accounts.version

    def learn(self, user_id: str) -> None:
        """Take in the user id that the exchange told."""
        self._accounts.tell(self.environment, self._api_key, user_id)

    def key(self, scope_of: str, *, endpoint: bool = False) -> Key:
        """Return the key that the next request would use.

        Args:
            scope_of: An instrument id or an endpoint's name.
            endpoint: Whether it is an endpoint's name.
        """
        user_id = self._api_key.told or self.given or (self._api_key.given or (self.fallback,))[0]
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
        members = self._members
        if self._members_at != self._accounts.version:
            with LOCK:
                self._members_at = self._accounts.version
                members = self._members = self._accounts.members(self.environment, self._api_key)
        _, name, scope = key
        api_key = self._api_key
        # Read without the lock: a stand-in that begins in another thread in this step takes a slot under every user id
        # that this one may have.
        several = api_key.told is None and len(api_key.given) > 1
        unsure = self.others is not None and name != self.fallback and not self.others.sure
        for each in members:
            if several or unsure or (each.uses and (len(each.uses) > 1 or name not in each.uses)):
                break
        else:
            return (key,)
        with LOCK:
            names = {name, *(stand_in for each in members for stand_in in each.names(scope, now))}
            if api_key.told is None:
                names.update(api_key.given)
            if unsure:
                names.add(self.fallback)
            # One order for all requests, so that no two of them wait for each other.
            return tuple((self.environment, each, scope) for each in sorted(names, key=_place))

    def begin(self, key: Key, now: float) -> "Names":
        """Return the names of a request that is about to wait for its slots under `key`, at `now`."""
        _, name, scope = key
        if self.others is not None:
            self.others.remind()
        version = self._accounts.version
        if name == self._api_key.told:
            return Names(self, self.keys(key, now), version, None)
        with LOCK:  # for both: of two requests in two threads one must see the other
            keys = self.keys(key, now)
            use = self._api_key.uses.get(name)
            if use is None:
                use = self._api_key.uses[name] = Use()
            use.begin(scope)
            return Names(self, keys, version, use)

    def check(self, names: Collection[str]) -> None:
        """Raise NotSentError if another program may count requests by a name that is not among these."""
        others, told = self.others, self._api_key.told
        if others is None:
            return
        others.remind()
        if told is None:
            if self.fallback in names and not others.alone:
                raise NotSentError("whether another program knows the user id is not known; nothing was sent")
        elif told not in names:
            raise NotSentError("the user id became known while it waited; nothing was sent")
        elif self.fallback not in names and not others.sure:
            raise NotSentError("another program may not know the user id by now; nothing was sent")

    def stand_ins(self, scope: str) -> set[str]:
        """Return the stand-ins of a scope under which requests of the user id may be counted."""
        with LOCK:
            members = self._accounts.members(self.environment, self._api_key)
            return {name for member in members for name, use in member.uses.items() if use.covers(scope)}

    def __repr__(self) -> str:
        return f"<Identity {self.environment} {self.user_id or self.fallback}>"


class Names:
    """The names that one request counts under, from its wait for slots to its end."""

    __slots__ = ("_identity", "_use", "_version", "keys")

    def __init__(self, identity: Identity, keys: tuple[Key, ...], version: int, use: Use | None) -> None:
        self._identity = identity
        self._version = version
        self._use = use
        self.keys = keys
        """What slots are to be taken of, in this order."""

    def check(self, seconds: float | None = None) -> None:  # noqa: ARG002 - as slots are checked
        """Raise NotSentError if requests of its user id may count by names that it has taken no slot under."""
        if self._version != self._identity.version:
            if not self._identity.stand_ins(self.keys[-1][2]) <= {name for _, name, _ in self.keys}:
                raise NotSentError("another API key of its user id became known while it waited; nothing was sent")
            self._version = self._identity.version
        self._identity.check([name for _, name, _ in self.keys])

    def end(self, until: float) -> None:
        """Note the end of the request, which the exchange may count until then (the loop's clock)."""
        use = self._use
        if use is not None:
            with LOCK:
                use.requests -= 1
                use.until = max(use.until, until)


def _place(name: str) -> tuple[bool, str]:
    """Put the names made from API keys last: they are shared by fewer, so that the longest wait holds no other slot."""
    return name.startswith("key:"), name


def identity_of(environment: str, api_key: str, user_id: str | None, limiter: SlotSource) -> Identity:
    """Return an identity that shares what it learns with all clients of this limiter."""
    return Identity(environment, api_key, user_id, accounts_of(limiter))
