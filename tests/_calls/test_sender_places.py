"""The bound on what is on the wire: places of the gate and slots of the limiter, in one order, without a deadlock."""

import asyncio
from typing import Any

import pytest

from okx_async import Limiter, NotSentError, Quota, SlotTimeoutError
from okx_async._calls.capacity import TRY_AT_ONCE
from tests.conftest import Subject

pytestmark = pytest.mark.virtual


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_nobody_keeps_a_place_while_in_line_for_a_slot(sending: type[Subject]) -> None:
    subject = sending(places=1, quota=Quota(1, 2.0))
    first = [asyncio.ensure_future(subject.attempt()) for _ in range(3)]
    other = asyncio.ensure_future(subject.attempt("ETH-USDT-SWAP"))
    await asyncio.wait({other})
    assert now() == pytest.approx(0.2, abs=0.01)  # behind the first one's exchange of bytes, not behind its line
    await asyncio.gather(*first)
    assert [round(at, 2) for at, key in subject.wire.sent if "BTC" in key] == [0.0, 2.1, 4.21]


async def test_the_wait_for_a_place_counts_too(sending: type[Subject]) -> None:
    subject = sending(places=1)
    subject.wire.answering = 1.0
    first = asyncio.ensure_future(subject.attempt())
    await asyncio.sleep(0)
    with pytest.raises(SlotTimeoutError, match="no connection free within max_wait; nothing was sent"):
        await subject.attempt("ETH-USDT-SWAP", deadline=0.5)
    assert now() == 0.5
    flight = await subject.attempt("ETH-USDT-SWAP", deadline=5.0)
    assert flight.waited == 0.5
    await first


async def test_a_slot_without_a_place_is_kept_and_goes_first(sending: type[Subject]) -> None:
    subject = sending(places=1)
    subject.wire.answering = 1.0
    await subject.limiter.block(("live", "123", "BTC-USDT-SWAP"), 0.5)
    holding = asyncio.ensure_future(subject.attempt())  # the gate is free: it stands in line for its slot alone
    await asyncio.sleep(0.1)
    first = asyncio.ensure_future(subject.attempt("A"))
    await asyncio.sleep(0.1)
    waiting = asyncio.ensure_future(subject.attempt("B"))
    await asyncio.gather(holding, first, waiting)
    assert [(round(at, 3), key.split("'")[5]) for at, key in subject.wire.sent] == [
        (0.1, "A"),
        (1.1, "BTC-USDT-SWAP"),
        (2.1, "B"),
    ]


@pytest.mark.parametrize("how", ["cancelled", "out of time", "closed"])
async def test_a_slot_that_never_gets_a_place_is_given_back(sending: type[Subject], how: str) -> None:
    subject = sending(places=1)
    subject.wire.answering = 4.0
    key = ("live", "123", "BTC-USDT-SWAP")
    await subject.limiter.block(key, 0.5)
    task = asyncio.ensure_future(subject.attempt(deadline=2.0 if how == "out of time" else None))
    await asyncio.sleep(0.1)
    first = asyncio.ensure_future(subject.attempt("A"))
    await asyncio.sleep(0.9)
    assert subject.limiter.statistics(key).in_flight == 1
    if how == "cancelled":
        task.cancel()
    closing = asyncio.ensure_future(subject.sender.aclose()) if how == "closed" else None
    await asyncio.wait({task})
    assert now() == (2.0 if how == "out of time" else 1.0)
    assert subject.limiter.statistics(key).free == 20
    if how != "cancelled":
        with pytest.raises(SlotTimeoutError if how == "out of time" else NotSentError):
            task.result()
    await first
    if closing is not None:
        await closing
    assert subject.capacity.taken == 0


async def test_who_has_a_slot_lets_the_next_of_its_instrument_try(sending: type[Subject]) -> None:
    places = TRY_AT_ONCE + 5
    subject = sending(places=places, quota=Quota(places, 2.0))
    subject.wire.answering = 1.0
    crowds = [asyncio.ensure_future(subject.attempt("A")) for _ in range(places)]
    await asyncio.sleep(0.1)
    crowds += [asyncio.ensure_future(subject.attempt("B")) for _ in range(places)]
    await asyncio.gather(*crowds)
    assert [round(at, 2) for at, _ in subject.wire.sent] == [0.0] * places + [1.0] * places


async def test_where_one_of_a_crowd_finds_no_slot_the_others_do_not_try(
    sending: type[Subject], monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = sending(places=1, quota=Quota(1, 2.0))
    subject.wire.answering = 1.0
    slot, patience = Limiter.slot, list[float | None]()

    def noted(*arguments: Any, max_wait: float | None, **options: Any) -> object:
        patience.append(max_wait)
        return slot(*arguments, max_wait=max_wait, **options)

    monkeypatch.setattr(Limiter, "slot", noted)
    first = asyncio.ensure_future(subject.attempt())
    await asyncio.sleep(0.1)
    crowd = [asyncio.ensure_future(subject.attempt()) for _ in range(30)]
    await first
    await asyncio.sleep(0.1)
    assert patience == [None, 0.0, *[None] * 30]
    for task in crowd:
        task.cancel()


async def test_all_answer_whatever_the_bound(sending: type[Subject]) -> None:
    subject = sending(places=2, quota=Quota(3, 1.0))
    keys = [f"X{n}" for n in range(3)]
    flights = await asyncio.gather(*(subject.attempt(keys[n % 3]) for n in range(30)))
    assert {flight.token for flight in flights} == {"settled"}
    assert len(subject.wire.sent) == 30
    assert subject.capacity.taken == 0
