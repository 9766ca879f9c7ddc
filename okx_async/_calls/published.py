"""The user ids that programs tell each other by the store of their limits, each under a name made from its API key.

A program whose question waits behind those of others, which account/config answers for five in two seconds, would count
by its API key meanwhile, and the others by user id. What one of them was told is the same for all.

Programs that count by different names do not see each other's requests. So a request goes out under the API key's name
alone only if the store has said a moment ago that no program has told the user id, and under the user id alone only
while it is known that no program can do the former: the record of the user id has stood in the store for long enough,
and did so a moment ago. The store may have lost the record since, but then it grants nothing for one hold. At all other
times a request takes a slot under both names.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Protocol, cast

import orjson

from okx_async._calls.identity import Identity
from okx_async._calls.others import Moment, Others
from okx_async._errors import NotSentError
from okx_async._limiter.slots import SlotSource
from okx_async._log import logger
from okx_async._rest.rate_keys import check_user_id

HEARS: Final = 2.0
"""Seconds for which a program counts by its API key alone after it has looked."""
LISTENS: Final = 0.05
"""Seconds until a program looks again; twice as long each time."""
ANSWERS: Final = 1.0
"""Seconds after which a store that has not answered counts as silent."""
FIRST: Final = 0.25
"""Seconds that a request without time waits for the first answer of the store at most."""


class Telling(Protocol):
    """What a limiter of many programs offers beside slots."""

    linger: float
    lease: float
    goes_on_alone: bool

    def clocks(self) -> tuple[float, float]:
        """Return the host's clock, which goes on while the host sleeps, and the wall clock, in seconds."""

    def recall(self, name: str) -> Awaitable[str | None]:
        """Return what a program told under this name, None if none did; raises NotSentError without the store."""

    def remember(self, name: str, value: str) -> None:
        """Tell all programs, in the background."""


class Published:
    """What the programs of one store tell each other of one API key.

    Args:
        limiter: The limiter that knows the store.
        identity: The API key, whose user id is learnt.
    """

    def __init__(self, limiter: Telling, identity: Identity) -> None:
        self._limiter = limiter
        self._identity = identity
        self._name = f"user id of {identity.fallback} at {identity.environment}"
        self._told = ""
        """What the exchange has told this program."""
        self._seen: str | None = None
        """The record that stood there when this program last looked."""
        self._wake = asyncio.Event()
        self._others = Others(self._now, self._wake.set)
        self._asked = asyncio.Event()
        self._asked.set()

    def begin(self) -> None:
        """Have requests keep to what the programs tell each other; `listen` is to follow."""
        self._asked.clear()
        self._identity.others = self._others

    @property
    def heard(self) -> bool:
        """Whether the store has answered once, or cannot."""
        return self._asked.is_set()

    async def asked(self) -> None:
        """Wait for the first answer of the store, as one that takes a slot without a wait does for its own."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST):
                await self._asked.wait()

    def end(self) -> None:
        """Let requests go on though the others are not heard of any more."""
        self._others.go_on_alone()
        self._asked.set()

    async def listen(self, learnt: Callable[[], object]) -> None:
        """Learn what another program was told, and see to it that the record stands there as long as requests count.

        Args:
            learnt: Called as soon as the user id is known.
        """
        identity, rest = self._identity, LISTENS
        while True:
            self._wake.clear()
            try:
                stands = await self._look()
            except NotSentError as error:
                logger.debug("other programs cannot be asked for the user id: %s", error)
                stands = False
                if self._limiter.goes_on_alone:  # what has its slot without the store waits for nothing
                    self._others.go_on_alone()
            self._asked.set()
            if identity.confirmed:
                learnt()
            try:
                async with asyncio.timeout(None if stands else rest):  # without requests it is not looked at again
                    await self._wake.wait()
                rest = LISTENS
            except TimeoutError:
                rest = min(2 * rest, HEARS / 2)

    def tell(self, user_id: str) -> None:
        """Tell the others what the exchange has told this program, unless they know."""
        self._told = user_id
        self._wake.set()

    async def _look(self) -> bool:
        """Look at the record, and write it if it is missing; return whether it stands there.

        Raises NotSentError if the store cannot be asked.
        """
        identity, others, asked = self._identity, self._others, self._now()
        try:
            async with asyncio.timeout(ANSWERS):
                record = await self._limiter.recall(self._name)
        except TimeoutError:
            raise NotSentError("the store of the limits does not answer") from None
        user_id = None if record is None else _read(record)
        if self._told:
            known: str | None = self._told
        elif user_id is not None:
            known = user_id
            identity.learn(user_id)
        else:
            known = identity.user_id if identity.confirmed else None  # the store may have lost what was heard
        if known is None:
            others.none_is_told(asked, HEARS)
            return False
        if user_id != known:
            self._seen = None
            others.may_not_know()
            self._limiter.remember(self._name, orjson.dumps([known, os.urandom(6).hex()]).decode())
            return False
        if record != self._seen:  # it may have been lost for a while in between
            self._seen = record
            others.begin_to_know(HEARS + self._limiter.lease + self._limiter.linger)
        others.still_know(asked, self._limiter.lease)
        return True

    def _now(self) -> Moment:
        return Moment(*self._limiter.clocks())


def published(limiter: SlotSource, identity: Identity) -> Published | None:
    """Return what programs tell each other of an API key; None for a limiter of one program."""
    if not all(hasattr(limiter, name) for name in ("linger", "lease", "goes_on_alone", "clocks", "recall", "remember")):
        return None
    return Published(cast("Telling", limiter), identity)


def _read(record: str) -> str | None:
    """Return the user id of a record; what stands behind it tells records apart."""
    with suppress(ValueError):  # InvalidRequestError is one, too
        match orjson.loads(record):
            case [str(user_id), _]:
                check_user_id(user_id)
                return user_id
    logger.warning("what stands in the store of the limits as a user id cannot be read: it is not used")
    return None
