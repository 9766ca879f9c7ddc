"""Slots that are lost between the moment of their grant and the write of their request."""

import time
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from okx_async import Attempt, Limiter, NotSentError, Outcome, Slot
from okx_async.simulator import SimulatedExchange
from tests.sockets.conftest import OWN, Clients

pytestmark = pytest.mark.usefixtures("no_uid_check")


class Leased(Limiter):
    """Loses slots at the checks with these numbers, from 1, and notes for how long each slot had to be kept."""

    def __init__(self, *lost: int) -> None:
        super().__init__()
        self.lost = lost
        self.checks: list[float | None] = []
        self.marks: list[str] = []

    def slot(self, key: Hashable, **options: Any) -> Any:
        return self._slot(super().slot(key, **options))

    @asynccontextmanager
    async def _slot(self, block: Any) -> AsyncIterator["LeasedSlot"]:
        async with block as slot:
            yield LeasedSlot(self, slot)


class LeasedSlot:
    def __init__(self, source: Leased, slot: Slot) -> None:
        self._source = source
        self._slot = slot

    def check(self, seconds: float | None = None) -> None:
        source = self._source
        source.checks.append(seconds)
        if len(source.checks) in source.lost:
            raise NotSentError("its lease is over; nothing was sent")

    def settle(self) -> None:
        self._source.marks.append("settled")
        self._slot.settle()

    def refund(self) -> None:
        self._source.marks.append("refunded")
        self._slot.refund()


@OWN
@pytest.mark.parametrize("lost", [1, 2], ids=["before the connection is asked for", "in the step of the write"])
async def test_what_has_lost_its_slot_is_not_sent_and_repeated_in_another(
    exchange: SimulatedExchange, clients: Clients, *, lost: int, own: bool
) -> None:
    exchange.open_position("BTC-USDT-SWAP", 1)
    limiter, attempts = Leased(lost), list[Attempt]()
    async with aiohttp.ClientSession() as session:
        client = clients(
            exchange.base_url,
            credentials=exchange.credentials,
            session=None if own else session,
            limiter=limiter,
            on_attempt=attempts.append,
        )
        closed = await client.close_position("BTC-USDT-SWAP", "cross")
    assert [attempt.outcome for attempt in attempts] == [Outcome.NOT_SENT, Outcome.ACCEPTED]
    assert closed.attempts == tuple(attempts)
    assert limiter.marks == ["refunded", "settled"]
    assert len([row for row in exchange.journal if row.path.endswith("close-position")]) == 1


@OWN
async def test_a_slot_must_outlast_what_may_come_before_its_answer(
    exchange: SimulatedExchange, clients: Clients, *, own: bool
) -> None:
    exchange.open_position("BTC-USDT-SWAP", 1)
    limiter = Leased()
    async with aiohttp.ClientSession() as session:
        client = clients(
            exchange.base_url,
            credentials=exchange.credentials,
            session=None if own else session,
            limiter=limiter,
            connect_timeout=1.5,
            timeout=4.0,
        )
        await client.close_position("BTC-USDT-SWAP", "cross")
    assert limiter.checks == [4.0 if own else 5.5, 4.0]


async def test_what_loses_every_slot_says_that_nothing_was_sent(exchange: SimulatedExchange, clients: Clients) -> None:
    client = clients(exchange.base_url, credentials=exchange.credentials, limiter=Leased(*range(99)))
    with pytest.raises(NotSentError, match="nothing was sent: its lease is over; trying again is safe"):
        await client.close_position("BTC-USDT-SWAP", "cross", max_wait=0.5)


async def test_an_accepted_close_stays_accepted_though_its_slot_is_lost_meanwhile(
    exchange: SimulatedExchange, clients: Clients
) -> None:
    exchange.open_position("BTC-USDT-SWAP", 1)
    limiter = Leased(3)
    client = clients(exchange.base_url, credentials=exchange.credentials, limiter=limiter)
    begun = time.monotonic()
    await client.close_position("BTC-USDT-SWAP", "cross")
    assert (len(limiter.checks), limiter.marks) == (2, ["settled"])
    assert time.monotonic() - begun < 5.0
