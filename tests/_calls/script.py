"""A stand-in for sender and limiter that meets each attempt with the next answer, and calls through it."""

import asyncio
from collections import deque
from collections.abc import Hashable
from typing import Any, cast

from okx_async import Attempt, ClosePosition, Priority, SlotTimeoutError
from okx_async._calls.attempt import AttemptState
from okx_async._calls.caller import Caller
from okx_async._calls.exchange_clock import ExchangeClock
from okx_async._calls.reports import Reports
from okx_async._calls.sender import Sender
from okx_async._calls.uid_lookup import UidLookup
from okx_async._http.inflight import InFlight
from okx_async._http.timeouts import TimeoutGroup
from okx_async._limiter.slots import SlotSource
from okx_async._rest.outcomes import classify, decided
from okx_async._rest.requests import ApiRequest
from okx_async._rest.responses import parse

REQUEST = ClosePosition("BTC-USDT-SWAP", "cross")
CLOSE = ApiRequest("POST", "/api/v5/trade/close-position", b"{}", "BTC-USDT-SWAP")
READ = ApiRequest("GET", "/api/v5/account/positions", b"", "account/positions")
KEY = ("live", "123", "BTC-USDT-SWAP")
UNSENT = "no connection"


class Script:
    """In place of sender and limiter: each attempt waits for the block of its key, then meets the next answer.

    An answer: (status, code[, Retry-After]), an exception to raise, or the words of a failure after the mark.
    """

    def __init__(self, *answers: tuple[int, str] | tuple[int, str, str] | Exception | str) -> None:
        self.answers = deque(answers)
        self.sent: list[float] = []
        self.until = 0.0
        self.takes = 0.1
        self.refused = 0
        self.asked = 0
        self.time: float | None = None
        self.set_back = 0.0
        self.keys: tuple[tuple[str, str, str], ...] = (KEY,)
        self.blocked: list[Hashable] = []

    def new_attempt(self, permit: Any = None) -> AttemptState:
        loop = asyncio.get_running_loop()
        return AttemptState(InFlight(TimeoutGroup(loop), timeout=5.0, wall_clock=loop.time), permit)

    async def attempt(
        self,
        job: ApiRequest,
        flight: AttemptState,
        _discovery: object,
        *,
        priority: Priority,
        deadline: float | None,
        pause: float = 0.0,
    ) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(pause)
        flight.begun, flight.deadline = loop.time(), deadline
        assert priority is Priority.PANIC
        if deadline is not None and self.until > deadline:
            raise SlotTimeoutError(f"{job.label}: no slot", wait=self.until - loop.time())
        if not job.signed:
            self.asked += 1
            assert deadline == loop.time() + 2.0
            if self.time is not None:
                flight.wire.sent, flight.settled = self.time, self.time - self.set_back
                flight.answer = parse(200, b'{"code":"0","data":[{"ts":"1000000000"}],"msg":""}')
            return
        await asyncio.sleep(max(0.0, self.until - loop.time()))
        flight.keys, flight.key = self.keys, KEY
        answer = self.answers.popleft() if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if answer == UNSENT:
            flight.start()
            flight.wire.failure = UNSENT
            return
        with flight.wire:
            flight.start()
            flight.wire.connected(None)
            self.sent.append(loop.time())
            await asyncio.sleep(self.takes)
            if isinstance(answer, str):
                flight.wire.failure, flight.token = answer, "in doubt"
                return
            status, code, *retry_after = answer
            body = b"<html>" if not code else f'{{"code":"{code}","data":[],"msg":"words"}}'.encode()
            parsed = parse(status, body)
            flight.answer, flight.classified = parsed, classify(parsed)
            flight.retry_after, flight.settled = (retry_after[0] if retry_after else None), loop.time()
            flight.token = "settled" if decided(parsed, flight.outcome) else "in doubt"

    async def block(self, key: Hashable, seconds: float, *, refused: bool = True) -> None:
        self.blocked.append(key)
        self.refused += refused
        self.until = max(self.until, asyncio.get_running_loop().time() + seconds)


def make(script: Script, told: list[Attempt] | None = None) -> Caller:
    calls = Caller(
        cast("Sender", script),
        cast("SlotSource", script),
        cast("UidLookup", None),
        ExchangeClock(asyncio.get_running_loop().time),
        Reports(None if told is None else told.append),
    )
    calls._random = lambda: 1.0  # the longest of the pauses
    return calls


async def call(
    script: Script, *, job: ApiRequest = CLOSE, max_wait: float | None = None, told: list[Attempt] | None = None
) -> tuple[Attempt, ...]:
    _, attempts = await make(script, told).call(job, Priority.PANIC, max_wait, REQUEST if job is CLOSE else None)
    return attempts
