"""A request that is asked, inside its slot, whether it may still be sent."""

import asyncio
from math import inf
from typing import Self, cast

import pytest

from okx_async import NotSentError, Outcome, SlotSource, SlotTimeoutError
from okx_async._calls.identity import Identity
from okx_async._calls.sender import WithheldError
from tests.conftest import Subject

pytestmark = pytest.mark.virtual


async def test_what_is_permitted_is_sent(sending: type[Subject]) -> None:
    subject = sending()

    async def permit() -> float:
        await asyncio.sleep(1.0)
        assert subject.limiter.statistics(("live", "123", "BTC-USDT-SWAP")).in_flight == 1  # it has its slot
        return inf

    flight = await subject.attempt(permit=permit)
    assert flight.outcome is Outcome.ACCEPTED
    assert subject.tokens() == (19, 0, 1)


@pytest.mark.parametrize("until", [None, 0.5], ids=["not at all", "not that late"])
async def test_what_is_not_permitted_any_more_gives_its_slot_back(sending: type[Subject], until: float | None) -> None:
    subject = sending()

    async def permit() -> float | None:
        await asyncio.sleep(1.0)
        return until

    with pytest.raises(WithheldError):
        await subject.attempt(permit=permit)
    assert subject.tokens() == (20, 0, 0)
    assert subject.wire.sent == []


async def test_under_two_keys_both_slots_are_given_back(sending: type[Subject]) -> None:
    subject = sending()
    subject.sender._identity = subject.identity = Identity("live", "key", None)
    blocked = asyncio.create_task(subject.attempt())
    await asyncio.sleep(0)
    subject.identity.learn("123")
    await blocked

    async def permit() -> None:
        return None

    with pytest.raises(WithheldError):
        await subject.attempt(permit=permit)
    states = [subject.limiter.statistics(("live", uid, "BTC-USDT-SWAP")) for uid in ("123", subject.identity.fallback)]
    assert [(state.free, state.in_flight, state.cooling) for state in states] == [(20, 0, 0), (19, 0, 1)]


async def test_no_place_is_kept_while_asking(sending: type[Subject]) -> None:
    subject = sending(places=1)

    async def permit() -> float:
        await subject.attempt("ETH-USDT-SWAP")
        return inf

    async with asyncio.timeout(9.0):
        await asyncio.gather(subject.attempt("SOL-USDT-SWAP"), *(subject.attempt(permit=permit) for _ in range(3)))
    assert len(subject.wire.sent) == 7


async def test_nor_is_it_sent_if_the_place_came_too_late(sending: type[Subject]) -> None:
    subject = sending(places=1)

    async def permit() -> float:
        await asyncio.sleep(0.15)
        return asyncio.get_running_loop().time() + 0.02

    task = asyncio.create_task(subject.attempt(permit=permit))
    await asyncio.sleep(0.1)
    await subject.attempt("ETH-USDT-SWAP")  # has the only place until 0.2
    with pytest.raises(WithheldError):
        await task
    assert len(subject.wire.sent) == 1


@pytest.mark.parametrize("ending", ["cancelled", "raising", "closing"])
async def test_whatever_ends_the_asking_the_slot_is_given_back(sending: type[Subject], ending: str) -> None:
    subject = sending()

    async def permit() -> float:
        await asyncio.sleep(1.0)
        raise KeyError("permit")

    task = asyncio.create_task(subject.attempt(permit=permit))
    await asyncio.sleep(0.5)
    if ending == "cancelled":
        task.cancel()
    elif ending == "closing":
        await subject.sender.aclose()
    kinds = {"cancelled": asyncio.CancelledError, "raising": KeyError, "closing": NotSentError}
    with pytest.raises(kinds[ending]):
        await task
    assert subject.tokens() == (20, 0, 0)


async def test_a_slot_that_comes_after_max_wait_is_told_as_one_that_did_not_come(sending: type[Subject]) -> None:
    """A limiter of many programs ends a wait a little late where its store is slow."""

    class Late:
        keeps_time = True
        refunds = 0

        def slot(self, *_: object, **__: object) -> "Late":
            return self

        async def __aenter__(self) -> Self:
            await asyncio.sleep(1.0)
            return self

        async def __aexit__(self, *_: object) -> None:
            pass

        def refund(self) -> None:
            self.refunds += 1

    subject, late = sending(), Late()
    subject.sender._limiter = cast("SlotSource", late)
    with pytest.raises(SlotTimeoutError, match="BTC-USDT-SWAP: its slot came after max_wait; nothing was sent"):
        await subject.attempt(deadline=0.9)
    assert (late.refunds, subject.wire.sent) == (1, [])
