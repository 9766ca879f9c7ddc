from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, ClassVar, cast

import pytest

from okx_async import Credentials, Limiter, NotSentError, Outcome, Priority, Quota, SlotTimeoutError
from okx_async._clock import ExchangeClock
from okx_async._gate import Gate
from okx_async._identity import Identity
from okx_async._secrets import Secrets
from okx_async._sender import Job, Sender
from okx_async._transport import Reply, Transport
from okx_async._wire import Signer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Hashable, Mapping

    from okx_async._discovery import Discovery
    from okx_async._flight import Flight

pytestmark = pytest.mark.looptime

CREDENTIALS = Credentials("key", "secret", "passphrase")
ACCEPTED = Reply(200, b'{"code":"0","data":[],"msg":""}', None)
BUSY = Reply(200, b'{"code":"50011","data":[],"msg":""}', "7")
UNKNOWN = Reply(400, b'{"code":"50004","data":[],"msg":""}', None)
PAGE = Reply(502, b"<html>", None)


def job(inst_id: str = "BTC-USDT-SWAP") -> Job:
    return Job("POST", "/api/v5/trade/close-position", b"{}", inst_id)


class Wire:
    """In place of the transport: connects, writes and answers, each after its seconds."""

    def __init__(self) -> None:
        self.answer: Reply | None = ACCEPTED
        self.connecting = 0.0
        self.answering = 0.1
        self.failure: BaseException | None = None
        self.sent: list[tuple[float, str]] = []
        self.stamps: list[str] = []

    async def send(
        self, flight: Flight, _method: str, _path: str, headers: Mapping[str, str], _body: bytes | None
    ) -> Reply | None:
        flight.limit(2.0)
        await asyncio.sleep(self.connecting)
        flight.mark(None)
        self.sent.append((asyncio.get_running_loop().time(), str(flight.key)))
        self.stamps.append(headers["OK-ACCESS-TIMESTAMP"])
        await asyncio.sleep(self.answering)
        if self.failure is not None:
            raise self.failure
        return self.answer


class Known:
    """In place of discovery: has nothing to wait for."""

    async def known(self, _max_wait: float | None) -> None:
        pass


class Subject:
    """A sender with its surroundings, all on virtual time."""

    def __init__(self, *, places: int = 10, quota: Quota = Quota()) -> None:  # noqa: B008 - frozen
        loop = asyncio.get_running_loop()
        self.wire = Wire()
        self.gate = Gate(places)
        self.identity = Identity("live", "key", "123")
        self.limiter = Limiter(quota, clock=loop.time)
        self.sender = Sender(
            limiter=self.limiter,
            identity=self.identity,
            signer=Signer(CREDENTIALS, demo=False),
            secrets=Secrets(CREDENTIALS),
            transport=cast("Transport", self.wire),
            gate=self.gate,
            timeout=5.0,
            wall_clock=lambda: 1_768_519_672.0 + loop.time(),
            clock=ExchangeClock(lambda: 1_768_519_672.0 + loop.time()),
        )

    async def attempt(self, inst_id: str = "BTC-USDT-SWAP", **arguments: Any) -> Flight:
        flight = self.sender.flight()
        arguments = {"priority": Priority.NORMAL, "deadline": None, **arguments}
        await self.sender.attempt(job(inst_id), flight, cast("Discovery", Known()), **arguments)
        return flight

    def tokens(self, key: Hashable = ("live", "123", "BTC-USDT-SWAP")) -> tuple[int, int, int]:
        now = self.limiter.statistics(key)
        assert self.gate.taken == now.in_flight
        return now.free, now.in_flight, now.cooling


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_it_is_signed_after_the_wait() -> None:
    subject = Subject()
    await subject.limiter.block(("live", "123", "BTC-USDT-SWAP"), 40.0)
    flight = await subject.attempt()
    assert flight.waited == 40.0
    assert subject.wire.stamps == ["2026-01-15T23:28:32.000Z"]


@pytest.mark.parametrize(
    ("answer", "outcome", "token", "back"),
    [
        (ACCEPTED, Outcome.ACCEPTED, "settled", 2.003),
        (BUSY, Outcome.RATE, "settled", 2.003),
        (UNKNOWN, Outcome.UNKNOWN, "in doubt", 7.003),
        (PAGE, Outcome.UNKNOWN, "in doubt", 7.003),
        (None, Outcome.UNKNOWN, "in doubt", 7.003),
    ],
)
async def test_what_becomes_of_the_slot(answer: Reply | None, outcome: Outcome, token: str, back: float) -> None:
    subject = Subject()
    subject.wire.answer = answer
    flight = await subject.attempt()
    assert (flight.outcome, flight.token) == (outcome, token)
    assert flight.retry_after == (answer.retry_after if answer else None)
    assert subject.tokens() == (19, 0, 1)
    await asyncio.sleep(back - 0.001)
    assert subject.tokens() == (19, 0, 1)
    await asyncio.sleep(0.001)
    assert subject.tokens() == (20, 0, 0)


@pytest.mark.parametrize(
    ("connecting", "answering", "words", "token", "took"),
    [
        (9.0, 0.0, "no connection in time", "refunded", 2.0),
        (1.0, 9.0, "no answer within 5 s", "in doubt", 6.0),
    ],
)
async def test_out_of_time(connecting: float, answering: float, words: str, token: str, took: float) -> None:
    subject = Subject()
    subject.wire.connecting, subject.wire.answering = connecting, answering
    flight = await subject.attempt()
    assert (now(), flight.failure, flight.token) == (took, words, token)
    assert subject.tokens() == ((20, 0, 0) if token == "refunded" else (19, 0, 1))


@pytest.mark.parametrize(("at", "left"), [(0.5, (20, 0, 0)), (1.5, (19, 0, 1))], ids=["connecting", "sent"])
async def test_cancelled(at: float, left: tuple[int, int, int]) -> None:
    subject = Subject()
    subject.wire.connecting = subject.wire.answering = 1.0
    task = asyncio.ensure_future(subject.attempt())
    await asyncio.sleep(at)
    assert subject.tokens() == (19, 1, 0)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert subject.tokens() == left


async def test_a_fault_of_our_own_leaves_the_slot_in_doubt_and_the_place_free() -> None:
    subject = Subject()
    subject.wire.failure = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        await subject.attempt()
    assert subject.tokens() == (19, 0, 1)


async def test_nobody_keeps_a_place_while_in_line_for_a_slot() -> None:
    subject = Subject(places=1, quota=Quota(1, 2.0))
    first = [asyncio.ensure_future(subject.attempt()) for _ in range(3)]
    other = asyncio.ensure_future(subject.attempt("ETH-USDT-SWAP"))
    await asyncio.wait({other})
    assert now() == pytest.approx(0.2, abs=0.01)  # behind the first one's exchange of bytes, not behind its line
    await asyncio.gather(*first)
    assert [round(at, 2) for at, key in subject.wire.sent if "BTC" in key] == [0.0, 2.1, 4.21]


async def test_the_wait_for_a_place_counts_too() -> None:
    subject = Subject(places=1)
    subject.wire.answering = 1.0
    first = asyncio.ensure_future(subject.attempt())
    await asyncio.sleep(0)
    with pytest.raises(SlotTimeoutError, match="no connection free within max_wait; nothing was sent"):
        await subject.attempt("ETH-USDT-SWAP", deadline=0.5)
    assert now() == 0.5
    flight = await subject.attempt("ETH-USDT-SWAP", deadline=5.0)
    assert flight.waited == 0.5
    await first


async def test_all_answer_whatever_the_bound() -> None:
    subject = Subject(places=2, quota=Quota(3, 1.0))
    keys = [f"X{n}" for n in range(3)]
    flights = await asyncio.gather(*(subject.attempt(keys[n % 3]) for n in range(30)))
    assert {flight.token for flight in flights} == {"settled"}
    assert len(subject.wire.sent) == 30
    assert subject.gate.taken == 0


async def test_two_names_take_two_slots_the_fallback_first() -> None:
    subject = Subject(quota=Quota(1, 2.0))
    identity = Identity("live", "key", None)
    subject.sender._identity = identity
    await subject.attempt()
    identity.user_id = "123"
    both = identity.keys(identity.key("BTC-USDT-SWAP"), now())
    assert len(both) == 2
    flight = await subject.attempt()
    assert flight.keys == both
    assert flight.key == both[1]
    assert round(flight.waited, 3) == 2.003
    assert [subject.tokens(key) for key in both] == [(0, 0, 1), (0, 0, 1)]


async def test_without_the_second_slot_the_first_is_given_back() -> None:
    subject = Subject(quota=Quota(1, 2.0))
    identity = Identity("live", "key", None)
    subject.sender._identity = identity
    await subject.attempt()
    identity.user_id = "123"
    fallback, known = identity.keys(identity.key("BTC-USDT-SWAP"), now())
    await subject.limiter.block(known, 60.0)
    with pytest.raises(SlotTimeoutError):
        await subject.attempt(deadline=now() + 30.0)
    assert now() == pytest.approx(2.103)  # it was said as soon as the first slot was there
    assert [subject.tokens(key) for key in (fallback, known)] == [(1, 0, 0), (1, 0, 0)]


async def test_a_slot_that_is_no_longer_ours_sends_nothing() -> None:
    class Lost:
        marks: ClassVar[list[str]] = []

        def check(self) -> None:
            raise NotSentError("the lease is gone")

        def refund(self) -> None:
            self.marks.append("refunded")

        def settle(self) -> None:
            self.marks.append("settled")

    class Store:
        @asynccontextmanager
        async def slot(self, *_: object, **__: object) -> AsyncIterator[Lost]:
            yield Lost()

    subject = Subject()
    subject.sender._limiter = cast("Limiter", Store())
    with pytest.raises(NotSentError, match="the lease is gone"):
        await subject.attempt()
    assert (Lost.marks, subject.wire.sent, subject.gate.taken) == (["refunded"], [], 0)


async def test_at_the_end_those_in_line_end_at_once_and_those_on_the_wire_have_their_time() -> None:
    subject = Subject()
    subject.wire.answering = 3.0
    sent = asyncio.ensure_future(subject.attempt())
    await subject.limiter.block(("live", "123", "ETH-USDT-SWAP"), 60.0)
    queued = asyncio.ensure_future(subject.attempt("ETH-USDT-SWAP"))
    await asyncio.sleep(1.0)
    closing = asyncio.ensure_future(subject.sender.aclose())
    await asyncio.wait({queued})
    assert now() == 1.0
    with pytest.raises(NotSentError, match="the client was closed, nothing was sent"):
        await queued
    with pytest.raises(NotSentError, match="the client is closed, nothing was sent"):
        await subject.attempt()
    await closing
    assert now() == 3.0
    assert (await sent).outcome is Outcome.ACCEPTED


async def test_a_transport_that_swallows_its_end_does_not_hold_up_the_close() -> None:
    subject = Subject()

    async def stubborn(flight: Flight, *_: object) -> None:
        flight.mark(None)
        for seconds in (100, 50):
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(seconds)

    subject.wire.send = stubborn  # type: ignore[method-assign, assignment]
    task = asyncio.ensure_future(subject.attempt())
    await asyncio.sleep(0)
    await subject.sender.aclose()
    assert now() <= 10.0
    task.cancel()
    await asyncio.wait({task})
