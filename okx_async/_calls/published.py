"""The user ids that programs tell each other by the store of their limits, each under a name made from its API key.

A program whose question waits behind those of others, which account/config answers for five in two seconds, would count
by its API key meanwhile, and the others by user id. What one of them was told is the same for all.
"""

import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Protocol, cast

import orjson

from okx_async._calls.identity import Identity
from okx_async._limiter.slots import SlotSource
from okx_async._log import logger
from okx_async._rest.rate_keys import check_user_id

HEARS: Final = 2.0
"""Seconds within which a program that counts by its API key hears what another one was told."""
RECENT: Final = 60.0
"""Seconds after the first program was told within which others may count by API key; clocks of hosts may differ."""


class Telling(Protocol):
    """What a limiter of many programs offers beside slots."""

    linger: float

    def recall(self, name: str) -> Awaitable[str | None]:
        """Return what a program told under this name, None if none did; raises NotSentError without the store."""

    def remember(self, name: str, value: str) -> None:
        """Tell all programs, in the background."""


class Published:
    """What the programs of one store tell each other of one API key.

    Args:
        limiter: The limiter that knows the store.
        identity: The API key, whose user id is learnt.
        wall_clock: Unix seconds.
    """

    def __init__(self, limiter: Telling, identity: Identity, wall_clock: Callable[[], float] = time.time) -> None:
        self._limiter = limiter
        self._identity = identity
        self._wall_clock = wall_clock
        self._name = f"user id of {identity.fallback} at {identity.environment}"
        self._heard = ""

    async def heard(self, now: float) -> bool:
        """Return whether another program has told the user id by now (the loop's clock), which is learnt then.

        Raises NotSentError if the store cannot be asked.
        """
        record = await self._limiter.recall(self._name)
        if record is None:
            return False
        user_id, since = _read(record)
        if user_id is None:
            return False
        self._heard = user_id
        self._identity.learn(user_id)
        if abs(self._wall_clock() - since) < RECENT:
            self._expect_others(now)
        return True

    def tell(self, user_id: str, now: float, *, given: bool = False) -> None:
        """Tell the others what the exchange has told this program, unless they know; `given`: it knew it before."""
        if user_id != self._heard:
            if not given:  # else it is for those that count by API key to hear of it
                self._expect_others(now)
            self._limiter.remember(self._name, orjson.dumps([user_id, self._wall_clock()]).decode())

    def _expect_others(self, now: float) -> None:
        """Take a slot under the API key's name, too, while others may count by it."""
        self._identity.expect_others(now + HEARS + self._limiter.linger)


def published(limiter: SlotSource, identity: Identity) -> Published | None:
    """Return what programs tell each other of an API key; None for a limiter of one program."""
    if not (hasattr(limiter, "recall") and hasattr(limiter, "remember")):
        return None
    return Published(cast("Telling", limiter), identity)


def _read(record: str) -> tuple[str | None, float]:
    """Return the user id of a record and since when it stands there."""
    with suppress(ValueError):  # InvalidRequestError is one, too
        match orjson.loads(record):
            case [str(user_id), int() | float() as since]:
                check_user_id(user_id)
                return user_id, since
    logger.warning("what stands in the store of the limits as a user id cannot be read: it is not used")
    return None, 0.0
