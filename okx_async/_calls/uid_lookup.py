"""The lookup of the user id, in the background: no close waits long for it."""

import asyncio
from collections.abc import Awaitable, Callable
from copy import copy

from okx_async._calls.identity import Identity
from okx_async._calls.published import Published
from okx_async._errors import AuthenticationError, OkxError
from okx_async._http.portions import Portions
from okx_async._log import DEBUG, WARNING, logger
from okx_async._rest.codes import NO_PERMISSION

PATIENCE = 1.0
"""Seconds that a close waits for the first answer, counted from the question, not from the close."""

LONGEST_PAUSE = 30.0

GIVE_UP = 4.0
"""Seconds of pause beyond which a given user id is taken on trust."""


class UidLookup:
    """A background task of one client that asks account/config until it gets the user id.

    Args:
        identity: Takes in the user id. A given user id is compared, and a mismatch logged as ERROR.
        fetch: Asks once.
        published: What other programs that share the limits were told.
    """

    def __init__(
        self, identity: Identity, fetch: Callable[[], Awaitable[str]], published: Published | None = None
    ) -> None:
        self._published = published
        self._listening: asyncio.Task[None] | None = None
        self._identity = identity
        self._given = identity.given
        self._fetch = fetch
        self._task: asyncio.Task[None] | None = None
        self._first: asyncio.Future[OkxError | None] | None = None
        self._waiting = Portions()
        self._patience: asyncio.TimerHandle | None = None
        self._closed = False
        self._compared = False

    @property
    def over(self) -> bool:
        """Whether the user id is known, and what other programs know of it, so that `known` need not be called."""
        known = self._task is not None and self._identity.user_id is not None
        return known and (self._published is None or self._published.heard)

    async def known(self, max_wait: float | None, *, checked: bool = False) -> None:
        """Return once the user id is known, or the time to wait for it is over.

        Args:
            max_wait: Seconds to wait at most. None: one second from the first question.
            checked: Whether to wait for an answer if the user id was given, too.

        Raises:
            AuthenticationError: The exchange refuses the key itself, so that no close could go out with it.
        """
        if self._task is None:
            self._start()
        first = self._first
        if first is None:
            return
        if self._published is not None and (max_wait == 0 or self._identity.user_id is not None):
            await self._published.asked()
        if self._identity.user_id is not None and not checked:
            return
        if self._patience is not None and max_wait != 0:
            await self._waiting.wait(max_wait)
        if first.done():
            if (refused := first.result()) is not None:
                if self._first is first:
                    self._task = None  # the next call asks again: the key may have been mended
                raise copy(refused)  # one exception object cannot be raised in many callers
        elif self._identity.user_id is None:
            level = DEBUG if max_wait == 0 else WARNING  # without time there was no wait in vain
            text = "account/config has not answered yet: closes are counted by API key (%s)"
            logger.log(level, text, self._identity.fallback)

    async def aclose(self) -> None:
        """End the task."""
        self._closed = True
        if tasks := {task for task in (self._task, self._listening) if task is not None}:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        self._open()

    def _start(self) -> None:
        loop = asyncio.get_running_loop()
        self._first = loop.create_future()
        self._waiting = Portions()
        self._patience = loop.call_later(PATIENCE, self._open)
        self._task = loop.create_task(self._run(self._first), name="okx_async user id")
        if self._published is not None and (self._listening is None or self._listening.done()):
            self._published.begin()
            listening = self._listen(self._published, self._first)
            self._listening = loop.create_task(listening, name="okx_async user id of other programs")

    def _open(self) -> None:
        """Let those that wait go on: the first answer is there, or took too long."""
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
            self._waiting.open()

    def _tell(self, first: asyncio.Future[OkxError | None], refused: OkxError | None) -> None:
        if not first.done():
            first.set_result(refused)
            self._open()

    async def _run(self, first: asyncio.Future[OkxError | None]) -> None:
        if self._published is not None:
            await self._published.asked()  # else the question would go out by a name that has to be given up at once
        pause = 1.0
        while True:
            try:
                user_id = await self._fetch()
            except AuthenticationError as error:
                if error.code != NO_PERMISSION:  # whether such a key may trade is for the close to find out
                    # Waiting calls raise the error. With a given user id there are none, so it is logged louder.
                    logger.log(DEBUG if self._given is None else WARNING, "account/config: %s", error)
                    self._tell(first, error)
                    return
                reason: Exception = error
            except Exception as error:  # noqa: BLE001 - misuse too: the close itself will raise it to its caller
                reason = error
            else:
                self._learn(user_id, first)
                return
            if self._closed:  # and the cancellation was lost on its way, in other code
                return
            if self._given is not None and pause > GIVE_UP:
                logger.debug("the given user_id is taken on trust: %s", reason)
                return
            self._failed(reason, pause)
            self._tell(first, None)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _failed(self, reason: Exception, pause: float) -> None:
        if self._given is not None or self._identity.confirmed:  # another program may have been told it
            logger.debug("the user id could not be checked: %s", reason)
            return
        logger.warning(
            "account/config has not told the user id (%s): closes are counted by API key until then (%s), "
            "asking again in %g s",
            reason,
            self._identity.fallback,
            pause,
        )

    async def _listen(self, published: Published, first: asyncio.Future[OkxError | None]) -> None:
        """Learn what another program was told, and have the others know."""
        try:
            await published.listen(lambda: self._heard(first))
        except Exception as error:  # noqa: BLE001 - the limits must not be used, say: the close itself will raise it
            logger.debug("other programs cannot be asked for the user id: %s", error)
            published.end()

    def _heard(self, first: asyncio.Future[OkxError | None]) -> None:
        """Take in that the exchange has told the user id, this program or another one."""
        told, given = self._identity.user_id, self._given
        if given is not None and given != told and not self._compared:
            logger.error(
                "user_id=%r was given, but the exchange counts this key under %r, and so does this client from now on",
                given,
                told,
            )
        self._compared = True
        self._tell(first, None)

    def _learn(self, user_id: str, first: asyncio.Future[OkxError | None]) -> None:
        self._identity.learn(user_id)
        self._heard(first)
        if self._published is not None:
            self._published.tell(user_id)
