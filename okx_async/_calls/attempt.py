"""The state of one attempt: its keys, its slot, its answer, and the record of it."""

from collections.abc import Awaitable, Callable

from okx_async._calls.held_slots import SlotWaits
from okx_async._calls.identity import Key
from okx_async._errors import NotSentError, OkxError
from okx_async._http.inflight import InFlight
from okx_async._models import Attempt, ClosePosition, Outcome, TokenState
from okx_async._rest.responses import Answer


class AttemptState:
    """One attempt, kept by the code that moves it and read by the code that reports it.

    Args:
        wire: Its wire side: time limits, and whether it may have been sent.
        permit: Awaited inside the slot: until when the request may be written, by the loop's clock; None: not at all.
    """

    __slots__ = (
        "answer",
        "begun",
        "classified",
        "deadline",
        "earlier",
        "holds_connection",
        "key",
        "keys",
        "may_connect_late",
        "permit",
        "retry_after",
        "settled",
        "slot_waits",
        "started",
        "token",
        "tries",
        "waited",
        "wire",
    )

    def __init__(self, wire: InFlight, permit: Callable[[], Awaitable[float | None]] | None = None) -> None:
        self.wire = wire
        self.permit = permit
        self.earlier = 0
        """The cancellations of its task that were met before its call."""
        self.keys: tuple[Key, ...] = ()
        """The keys that it takes a slot of."""
        self.key: Key | None = None
        """The key that messages and records name."""
        self.begun = 0.0
        """When it was asked for, by the loop's clock."""
        self.deadline: float | None = None
        """Until when it may wait for slot and connection, by the loop's clock."""
        self.may_connect_late = False
        """Whether it may still connect then, but not wait for a slot: the first of a call without time to wait."""
        self.holds_connection = False
        """Whether it holds one of the connections of `CapacityLimiter`."""
        self.tries = False
        """Whether it holds one to try for a slot: see `CapacityLimiter.tried`."""
        self.started = False
        """Whether it had its slot, and so counts as an attempt."""
        self.waited = 0.0
        """Seconds that it waited for its slot."""
        self.slot_waits: SlotWaits | None = None
        """Its waits for slots, if they are to be told."""
        self.answer: Answer | None = None
        self.classified: Outcome | None = None
        """What the answer says."""
        self.retry_after: str | None = None
        self.settled: float | None = None
        """When the complete answer was there, by the wall clock (Unix seconds)."""
        self.token: TokenState = "refunded"

    @property
    def outcome(self) -> Outcome:
        """What became of it, by all that is known."""
        if self.classified is not None:
            return self.classified
        return Outcome.UNKNOWN if self.wire.may_have_left else Outcome.NOT_SENT

    def tells_more_than(self, failure: OkxError) -> bool:
        """Return whether its failure is told in place of that of the attempts before it.

        Of attempts that never left, the last one that had its whole time to connect knows best: by then it is known
        whether DNS is down, too. What was answered before stays.
        """
        wire = self.wire
        hurried = wire.expired and wire.call_is_over
        return wire.may_have_left or (isinstance(failure, NotSentError) and not hurried)

    def limit(self, deadline: float | None) -> None:
        """Set until when it may wait and be sent."""
        self.deadline = deadline
        if deadline is not None and not self.may_connect_late:
            self.wire.connect_until = self.wire.may_send_until = deadline

    def left(self) -> float | None:
        """Return the seconds that it may still wait for slot and connection; None: any number."""
        return None if self.deadline is None else max(0.0, self.deadline - self.wire.loop.time())

    def start(self) -> None:
        """Note that it has its slot."""
        self.started = True
        self.waited = self.wire.loop.time() - self.begun

    def record(self, request: ClosePosition, url: str = "", resends: int = 0) -> Attempt:
        """Return the record of it for the caller.

        Args:
            request: The close.
            url: Where it was to be sent.
            resends: How often the close was tried before.
        """
        answer, wire = self.answer, self.wire
        code, status = ("", None) if answer is None else (answer.code, answer.status)
        times = self.waited, wire.sent, self.settled
        return Attempt(request, self.key, *times, code, status, self.outcome, self.token, url, resends)
