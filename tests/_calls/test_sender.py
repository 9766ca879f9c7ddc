import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from math import inf, nan
from typing import ClassVar, cast

import pytest

from okx_async import Limiter, NotSentError, Outcome, Quota, SlotTimeoutError
from okx_async._calls.identity import Identity
from okx_async._http.bodies import Reply
from okx_async._http.inflight import InFlight
from okx_async.simulator.virtual.jumping_loop import JumpingLoop
from tests.conftest import Subject

pytestmark = pytest.mark.virtual

ACCEPTED = Reply(200, b'{"code":"0","data":[],"msg":""}', None)
BUSY = Reply(200, b'{"code":"50011","data":[],"msg":""}', "7")
UNKNOWN = Reply(400, b'{"code":"50004","data":[],"msg":""}', None)
PAGE = Reply(502, b"<html>", None)


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_it_is_signed_after_the_wait(sending: type[Subject]) -> None:
    subject = sending()
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
async def test_what_becomes_of_the_slot(
    sending: type[Subject], answer: Reply | None, outcome: Outcome, token: str, back: float
) -> None:
    subject = sending()
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
async def test_out_of_time(
    sending: type[Subject], connecting: float, answering: float, *, words: str, token: str, took: float
) -> None:
    subject = sending()
    subject.wire.connecting, subject.wire.answering = connecting, answering
    flight = await subject.attempt()
    assert (now(), flight.wire.failure, flight.token) == (took, words, token)
    assert subject.tokens() == ((20, 0, 0) if token == "refunded" else (19, 0, 1))


@pytest.mark.parametrize(("at", "left"), [(0.5, (20, 0, 0)), (1.5, (19, 0, 1))], ids=["connecting", "sent"])
async def test_cancelled(sending: type[Subject], at: float, left: tuple[int, int, int]) -> None:
    subject = sending()
    subject.wire.connecting = subject.wire.answering = 1.0
    task = asyncio.ensure_future(subject.attempt())
    await asyncio.sleep(at)
    assert subject.tokens() == (19, 1, 0)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert subject.tokens() == left


class Reached(asyncio.Transport):
    aborted = 0

    def abort(self) -> None:
        self.aborted += 1


async def test_a_connection_in_doubt_is_reset_unless_it_is_somebody_elses_by_now(sending: type[Subject]) -> None:
    """After a complete answer it is back in the pool, and may carry the next request already."""
    subject = sending()
    subject.wire.transport = reached = Reached()
    subject.wire.answer = PAGE
    other = asyncio.ensure_future(subject.attempt("ETH-USDT-SWAP"))
    await asyncio.sleep(0.05)
    first = asyncio.ensure_future(subject.attempt())
    await other
    assert reached.aborted == 0
    await first
    assert reached.aborted == 1


async def test_a_fault_of_our_own_leaves_the_slot_in_doubt_and_the_place_free(sending: type[Subject]) -> None:
    subject = sending()
    subject.wire.failure = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        await subject.attempt()
    assert subject.tokens() == (19, 0, 1)


async def test_two_names_take_two_slots_that_of_the_user_id_first(sending: type[Subject]) -> None:
    subject = sending(quota=Quota(1, 2.0))
    identity = Identity("live", "key", None)
    subject.sender._identity = identity
    await subject.attempt()
    identity.learn("123")
    both = identity.keys(identity.key("BTC-USDT-SWAP"), now())
    assert len(both) == 2
    flight = await subject.attempt()
    assert flight.keys == both
    assert flight.key == both[0]
    assert round(flight.waited, 3) == 2.003
    assert [subject.tokens(key) for key in both] == [(0, 0, 1), (0, 0, 1)]


async def test_without_the_second_slot_the_first_is_given_back(sending: type[Subject]) -> None:
    subject = sending(quota=Quota(1, 2.0))
    identity = Identity("live", "key", None)
    subject.sender._identity = identity
    await subject.attempt()
    identity.learn("123")
    known, fallback = identity.keys(identity.key("BTC-USDT-SWAP"), now())
    await subject.limiter.block(fallback, 60.0)
    with pytest.raises(SlotTimeoutError):
        await subject.attempt(deadline=now() + 30.0)
    assert now() == pytest.approx(0.1)  # it was said as soon as the first slot was there
    assert (subject.tokens(known), subject.tokens(fallback)) == ((1, 0, 0), (0, 0, 1))


async def test_a_slot_that_is_no_longer_ours_sends_nothing(sending: type[Subject]) -> None:
    class Lost:
        marks: ClassVar[list[str]] = []

        def check(self, seconds: float) -> None:
            assert seconds == 5.0
            raise NotSentError("the lease is gone; nothing was sent")

        def refund(self) -> None:
            self.marks.append("refunded")

        def settle(self) -> None:
            self.marks.append("settled")

    class Store:
        @asynccontextmanager
        async def slot(self, *_: object, **__: object) -> AsyncIterator[Lost]:
            yield Lost()

    subject = sending()
    subject.sender._limiter = cast("Limiter", Store())
    attempt = await subject.attempt()
    assert (attempt.outcome, attempt.token, attempt.wire.failure) == (Outcome.NOT_SENT, "refunded", "the lease is gone")
    assert (Lost.marks, subject.wire.sent, subject.capacity.taken) == (["refunded"], [], 0)


async def test_at_the_end_those_in_line_end_at_once_and_those_on_the_wire_have_their_time(
    sending: type[Subject],
) -> None:
    subject = sending()
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


async def test_a_transport_that_swallows_its_end_does_not_hold_up_the_close(sending: type[Subject]) -> None:
    subject = sending()

    async def stubborn(request: InFlight, *_: object) -> None:
        request.connected(None)
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


@pytest.mark.parametrize("cancelled", [False, True])
async def test_closed_it_leaves_no_timer(sending: type[Subject], *, cancelled: bool) -> None:
    subject = sending()
    subject.wire.answering = 1.0
    loop = cast("JumpingLoop", asyncio.get_running_loop())
    last = asyncio.ensure_future(subject.attempt())
    await asyncio.sleep(0.5)
    closing = asyncio.ensure_future(subject.sender.aclose())
    await asyncio.sleep(0.1)
    if cancelled:
        closing.cancel()
    await asyncio.wait({closing, last})
    assert closing.cancelled() is cancelled
    assert loop.timers() == []


@pytest.mark.parametrize(
    "body",
    [
        b'{"code":"0","msg":"","data":[{"sCode":"0"},{"sCode":"50011"}]}',
        b'{"code":"0","code":"50011","msg":"","data":[]}',
        b'{"code":"51000","code":"0","msg":"","data":[]}',
    ],
)
async def test_an_answer_that_says_two_things_leaves_the_slot_in_doubt(sending: type[Subject], body: bytes) -> None:
    subject = sending()
    subject.wire.answer = Reply(200, body, None)
    attempt = await subject.attempt()
    assert (attempt.outcome, attempt.token) == (Outcome.UNKNOWN, "in doubt")
    assert subject.tokens() == (19, 0, 1)


@pytest.mark.parametrize("code", ["51000", "50004"])
async def test_of_an_answer_that_was_refused_only_words_are_kept(sending: type[Subject], code: str) -> None:
    subject = sending()
    subject.wire.answer = Reply(200, b'{"code":"%s","msg":"no","data":[{"a":[1]}]}' % code.encode(), None)
    answer = (await subject.attempt()).answer
    assert answer is not None
    assert (answer.message, answer.data, answer.uncut) == ("no", [], "")


async def test_of_a_long_acceptance_only_the_echo_is_kept(sending: type[Subject]) -> None:
    subject = sending()
    item = b'{"instId":"BTC-USDT-SWAP","more":"%s"}' % (b"x" * 2000)
    subject.wire.answer = Reply(200, b'{"code":"0","msg":"","data":[%s]}' % item, None)
    answer = (await subject.attempt()).answer
    assert answer is not None
    assert answer.data == [{"instId": "BTC-USDT-SWAP"}]


class Failing:
    """A clock that fails from a certain call on."""

    def __init__(self, good: int, bad: object) -> None:
        self.good, self.bad = good, bad

    def __call__(self) -> float:
        self.good -= 1
        if self.good >= 0:
            return 1_768_519_672.0
        if isinstance(self.bad, BaseException):
            raise self.bad
        return cast("float", self.bad)


BAD = [nan, inf, -1.0, 1e300, None, "x", ZeroDivisionError(), asyncio.CancelledError()]


@pytest.mark.parametrize("bad", BAD, ids=repr)
async def test_without_a_time_nothing_is_sent_and_the_slot_is_given_back(sending: type[Subject], bad: object) -> None:
    subject = sending(wall_clock=Failing(0, bad))
    with pytest.raises(NotSentError, match=r"^BTC-USDT-SWAP: nothing was sent.*wall_clock"):
        await subject.attempt()
    assert subject.wire.sent == []
    assert subject.tokens() == (20, 0, 0)


@pytest.mark.parametrize("good", [1, 2])
@pytest.mark.parametrize("bad", BAD, ids=repr)
async def test_no_outcome_is_lost_by_a_clock(sending: type[Subject], good: int, bad: object) -> None:
    subject = sending(wall_clock=Failing(good, bad))
    attempt = await subject.attempt()
    assert (attempt.outcome, attempt.token) == (Outcome.ACCEPTED, "settled")
    assert attempt.wire.sent is not None
    assert attempt.settled is not None
    assert abs(attempt.settled - time.time()) < 60
    assert subject.tokens() == (19, 0, 1)


async def test_the_second_of_two_slots_is_waited_for_in_the_time_that_is_left(sending: type[Subject]) -> None:
    subject = sending()
    subject.sender._identity = identity = Identity("live", "key", None)
    await subject.attempt()
    identity.learn("123")
    *_, known = identity.keys(identity.key("BTC-USDT-SWAP"), now())
    await subject.limiter.block(known, 5.0)
    flight = await subject.attempt(deadline=now() + 30.0)
    assert flight.waited == pytest.approx(5.0)


async def test_what_was_never_sent_counts_under_no_stand_in(sending: type[Subject]) -> None:
    subject = sending()
    subject.sender._identity = identity = Identity("live", "key", None)
    subject.wire.connecting = 9.0
    assert (await subject.attempt()).outcome is Outcome.NOT_SENT
    identity.learn("123")
    assert len(identity.keys(identity.key("BTC-USDT-SWAP"), now())) == 1
