import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from unittest.mock import MagicMock, Mock

import pytest

from okx_async import Outcome, SlotTimeoutError
from okx_async._calls import held_slots
from okx_async._http.bodies import Reply
from okx_async._limiter.slots import Slot
from tests.conftest import Subject

pytestmark = pytest.mark.virtual


class Broken:
    """A slot whose marks fail."""

    def check(self, seconds: float | None = None) -> None:
        pass

    def settle(self) -> None:
        raise OSError("disk full")

    refund = settle


def limiter(*, leaves: Exception | None) -> Callable[..., object]:
    @asynccontextmanager
    async def slot(*_: object, **__: object) -> AsyncIterator[Slot]:
        try:
            yield Broken()
        finally:
            if leaves is not None:
                raise leaves

    return slot


@pytest.mark.parametrize("leaves", [None, OSError("gone"), RuntimeError("closed")], ids=repr)
@pytest.mark.parametrize("answer", [Reply(200, b'{"code":"0","data":[],"msg":""}', None), None])
async def test_a_limiter_that_fails_changes_no_outcome(
    sending: type[Subject],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    leaves: Exception | None,
    answer: Reply | None,
) -> None:
    subject = sending()
    monkeypatch.setattr(subject.limiter, "slot", limiter(leaves=leaves), raising=False)
    subject.wire.answer = answer
    attempt = await subject.attempt()
    assert attempt.outcome is (Outcome.UNKNOWN if answer is None else Outcome.ACCEPTED)
    assert ("the limiter failed" in caplog.text) == (answer is not None or leaves is not None)


@asynccontextmanager
async def after(seconds: float, error: Exception | None) -> AsyncIterator[Slot]:
    await asyncio.sleep(seconds)
    if error is not None:
        raise error
    yield Mock()


@pytest.mark.parametrize("error", [None, SlotTimeoutError("none")])
async def test_a_wait_is_noted_with_its_key_its_time_and_its_end(error: Exception | None) -> None:
    waits = held_slots.SlotWaits(asyncio.get_running_loop().time)
    other = Mock()
    with pytest.raises(SlotTimeoutError) if error else nullcontext():
        async with held_slots.HeldSlot(after(0.5, error), (other,), waits) as slots:
            assert slots[0] is other
    assert waits.waits == [held_slots.SlotWait(1, 0.5, granted=error is None)]
    assert other.refund.called is (error is not None)


async def test_slots_that_cannot_be_taken_back_keep_no_other_from_it() -> None:
    good = Mock()
    held_slots.refund((Broken(), good))
    good.refund.assert_called_once_with()


async def test_without_a_further_slot_the_others_are_given_back() -> None:
    good, block = Mock(), MagicMock()
    block.__aenter__.side_effect = SlotTimeoutError("no slot")
    with pytest.raises(SlotTimeoutError):
        await held_slots.HeldSlot(block, (good,)).__aenter__()
    good.refund.assert_called_once_with()


class Hanging:
    """A slot's block that hangs, when it is entered or left; `stubborn`: it grants when it is cancelled."""

    def __init__(self, *, enters: float = 0.0, leaves: float = 0.0, stubborn: bool = False) -> None:
        self.slot = Mock()
        self.enters, self.leaves, self.stubborn = enters, leaves, stubborn
        self.left = False

    async def __aenter__(self) -> Mock:
        try:
            await asyncio.sleep(self.enters)
        except asyncio.CancelledError:
            if not self.stubborn:
                raise
        return self.slot

    async def __aexit__(self, *_: object) -> None:
        self.left = True
        await asyncio.sleep(self.leaves)


@pytest.mark.parametrize("stubborn", [False, True])
async def test_a_limiter_that_hangs_holds_no_request_beyond_its_time(*, stubborn: bool) -> None:
    loop, other, block = asyncio.get_running_loop(), Mock(), Hanging(enters=1_000.0, stubborn=stubborn)
    with pytest.raises(SlotTimeoutError, match="no slot: the limiter has not answered within max_wait and 1 s"):
        await held_slots.HeldSlot(block, (other,), None, 0.5).__aenter__()
    assert loop.time() == 0.5 + held_slots.SLACK
    other.refund.assert_called_once_with()
    assert (block.slot.refund.called, block.left) == (stubborn, stubborn)  # what came too late is given back


async def test_without_max_wait_a_limiter_has_its_time_and_its_own_errors_stay() -> None:
    assert await held_slots.HeldSlot(Hanging(enters=100.0), ()).__aenter__()
    assert asyncio.get_running_loop().time() == 100.0
    with pytest.raises(TimeoutError, match="its own"):
        await held_slots.HeldSlot(after(0.1, TimeoutError("its own")), (), None, 5.0).__aenter__()


@pytest.mark.parametrize("answer", [Reply(200, b'{"code":"0","data":[],"msg":""}', None), None])
async def test_a_limiter_that_hangs_at_the_end_changes_no_outcome(
    sending: type[Subject], monkeypatch: pytest.MonkeyPatch, answer: Reply | None
) -> None:
    subject = sending()
    monkeypatch.setattr(subject.limiter, "slot", lambda *_, **__: Hanging(leaves=1_000.0), raising=False)
    subject.wire.answer = answer
    attempt = await subject.attempt()
    assert attempt.outcome is (Outcome.UNKNOWN if answer is None else Outcome.ACCEPTED)
    assert asyncio.get_running_loop().time() == pytest.approx(0.1 + held_slots.SLACK)


async def test_an_attempt_whose_limiter_hangs_ends_soon_after_its_deadline(
    sending: type[Subject], monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = sending()
    monkeypatch.setattr(subject.limiter, "slot", lambda *_, **__: Hanging(enters=1_000.0), raising=False)
    with pytest.raises(SlotTimeoutError, match="has not answered"):
        await subject.attempt(deadline=2.0)
    assert asyncio.get_running_loop().time() == 2.0 + held_slots.SLACK


async def test_what_a_limiter_awaits_at_the_end_is_no_cancellation_of_the_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Awaits(Hanging):
        async def __aexit__(self, *_: object) -> None:
            its_own = asyncio.get_running_loop().create_future()
            its_own.cancel()
            await its_own

    async with held_slots.HeldSlot(Awaits(), ()):
        pass
    assert "the limiter failed to take a slot back" in caplog.text


async def test_a_cancellation_of_the_request_at_its_end_goes_on() -> None:
    async def request() -> None:
        async with held_slots.HeldSlot(Hanging(leaves=0.5), ()):
            pass

    task = asyncio.create_task(request())
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_block_that_yields_none_is_no_limiter_that_did_not_answer() -> None:
    [slot] = await held_slots.HeldSlot(nullcontext(None), (), None, 5.0).__aenter__()  # type: ignore[arg-type]
    assert slot is None
