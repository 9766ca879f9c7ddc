"""What a client tells the functions that its user gave it: every attempt of a close, and every limit that was felt.

A function is called after what it is told of has been booked, and never between a slot and the write: a slow one
delays what comes next, and no exit. What it raises changes no outcome.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from okx_async._callbacks import notify
from okx_async._calls.attempt import AttemptState
from okx_async._calls.held_slots import SlotWaits
from okx_async._calls.identity import Key
from okx_async._log import logger
from okx_async._models import Attempt, ClosePosition, Record
from okx_async._quota import Priority
from okx_async._rest.requests import ApiRequest

LimitEventKind: TypeAlias = Literal["waited", "gave_up", "blocked"]

_FELT: Final = 0.001
"""Seconds: a slot that came sooner was not waited for."""


@dataclass(frozen=True, slots=True)
class LimitEvent(Record):
    """One limit that a client felt, for requests of every kind."""

    kind: LimitEventKind
    """ "waited": a request waited more than a millisecond for its slot, and had it; "gave_up": it had none when its
    `max_wait` was over, or when it was cancelled; "blocked": the key pauses, since the exchange refused a request for
    rate."""
    key: tuple[str, ...]
    """The limiter's key."""
    endpoint: str
    """The path of the request without its beginning, such as "trade/close-position"."""
    seconds: float
    """The length of the wait or of the pause, in seconds."""
    priority: Priority
    """The lane of the request."""


class Reports:
    """Tells a user's functions; without them it does nothing.

    Args:
        on_attempt: Called with the record of each attempt of a close; None: not at all.
        on_limit: Called with a LimitEvent after each; None: not at all.
        base_url: The host, for the records of attempts.
    """

    def __init__(
        self,
        on_attempt: Callable[[Attempt], object] | None = None,
        on_limit: Callable[[LimitEvent], object] | None = None,
        base_url: str = "",
    ) -> None:
        self._on_attempt = on_attempt
        self._on_limit = on_limit
        self._base_url = base_url
        self._url = ""
        self._path = ""

    def watch(self, attempt: AttemptState) -> None:
        """Have the waits of an attempt noted, if they are to be told."""
        if self._on_limit is not None:
            attempt.slot_waits = SlotWaits(attempt.wire.loop.time)

    def attempt(self, attempt: AttemptState, request: ApiRequest, close: ClosePosition, resends: int) -> Attempt:
        """Return the record of an attempt, and tell it."""
        if request.path is not self._path:
            self._path, self._url = request.path, f"{self._base_url}{request.path}"
        record = attempt.record(close, self._url, resends)
        if logger.shows_debug:
            logger.debug("%s", record)
        if self._on_attempt is not None:
            notify(self._on_attempt, record)
        return record

    def waits(self, attempt: AttemptState, request: ApiRequest, priority: Priority) -> None:
        """Tell of the waits of an attempt that has ended."""
        if attempt.slot_waits is None or self._on_limit is None:
            return
        waits = attempt.slot_waits.waits
        if not attempt.started and waits and not waits[-1].granted:
            self._tell("gave_up", attempt.keys[waits[-1].place], request, waits[-1].seconds, priority)
        for wait in waits:
            if wait.granted and wait.seconds > _FELT:
                self._tell("waited", attempt.keys[wait.place], request, wait.seconds, priority)

    def block(self, attempt: AttemptState, request: ApiRequest, priority: Priority, seconds: float) -> None:
        """Tell that the key of an attempt pauses."""
        if attempt.key is not None:
            self._tell("blocked", attempt.key, request, seconds, priority)

    def _tell(self, kind: LimitEventKind, key: Key, request: ApiRequest, seconds: float, priority: Priority) -> None:
        if self._on_limit is not None:
            endpoint = request.path.partition("?")[0].removeprefix("/api/v5/")
            notify(self._on_limit, LimitEvent(kind, key, endpoint, seconds, priority))
