"""Calls that are refused for their rate: keys are blocked, and the pauses grow."""

import asyncio

import pytest

from okx_async import OkxError, OutcomeUnknownError, Priority, RateLimitedError
from okx_async._calls.caller import BLOCK_WAIT
from tests._calls.script import CLOSE, KEY, REQUEST, Script, call, make

pytestmark = [pytest.mark.virtual, pytest.mark.usefixtures("no_spread")]


@pytest.mark.parametrize("code", ["50011", "50061", "50040"])
async def test_refused_for_rate_it_is_sent_again_after_the_window(code: str) -> None:
    script = Script((429, code), (200, "0"))
    attempts = await call(script)
    assert script.sent == pytest.approx([0.0, 2.1])
    assert script.refused == 1
    assert script.blocked == [KEY]
    assert [attempt.code for attempt in attempts] == [code, "0"]


async def test_under_two_keys_both_are_blocked() -> None:
    script = Script((429, "50011"), (200, "0"))
    script.keys = (("live", "key:0af1", "BTC-USDT-SWAP"), KEY)
    await call(script)
    assert script.blocked == list(script.keys)


async def test_all_blocks_of_one_refusal_have_one_time_and_no_more_than_the_call() -> None:
    script = Script((429, "50011"), (200, "0"))
    script.keys = (("live", "key:0af1", "BTC-USDT-SWAP"), KEY)

    async def block(*_: object, **__: object) -> None:
        await asyncio.sleep(1_000.0)

    script.block = block  # type: ignore[method-assign]
    await call(script)
    assert script.sent[1] - script.sent[0] < 2 * 0.1 + BLOCK_WAIT + 0.01
    script = Script((429, "50011"))
    script.block = block  # type: ignore[method-assign]
    begun = asyncio.get_running_loop().time()
    with pytest.raises(OkxError):
        await call(script, max_wait=0.3)
    assert asyncio.get_running_loop().time() - begun == pytest.approx(0.4)  # the last answer's time is its own


async def test_the_pauses_after_a_refusal_for_rate_are_spread_by_chance() -> None:
    script = Script((200, "50011"), (200, "0"))
    calls = make(script)
    calls._random = lambda: 0.5
    await calls.call(CLOSE, Priority.PANIC, None, REQUEST)
    assert script.sent == pytest.approx([0.0, 0.1 + 2.0 * 1.075])


async def test_a_throttle_of_liquidations_pauses_longer_each_time() -> None:
    script = Script(*[(429, "51113")] * 4, (200, "0"))
    await call(script)
    gaps = [later - earlier for earlier, later in zip(script.sent, script.sent[1:], strict=False)]
    assert gaps == pytest.approx([2.1, 4.1, 8.1, 8.1])


async def test_the_throttle_is_the_keys_and_not_one_calls() -> None:
    script = Script(*[(429, "51113")] * 3, (200, "0"), (429, "51113"), (200, "0"))
    calls = make(script)
    for _ in range(3):  # three callers, each with time for one attempt
        with pytest.raises(RateLimitedError):
            await calls.call(CLOSE, Priority.PANIC, 0.0, REQUEST)
        await asyncio.sleep(script.until - asyncio.get_running_loop().time())
    await calls.call(CLOSE, Priority.PANIC, None, REQUEST)
    await calls.call(CLOSE, Priority.PANIC, None, REQUEST)  # accepted meanwhile: it begins anew
    gaps = [later - earlier for earlier, later in zip(script.sent, script.sent[1:], strict=False)]
    assert gaps == pytest.approx([2.1, 4.1, 8.1, 0.1, 2.1])


async def test_another_refusal_for_rate_is_none_of_that_throttle() -> None:
    script = Script((429, "50011"), (429, "51113"), (200, "0"))
    await call(script)
    assert script.sent == pytest.approx([0.0, 2.1, 4.2])


async def test_retry_after_counts_where_it_is_longer() -> None:
    script = Script((429, "50011", "7"), (429, "50011", "1"), (200, "0"))
    await call(script)
    assert script.sent == pytest.approx([0.0, 7.1, 9.2])


async def test_too_many_requests_without_a_code_blocks_and_is_unknown() -> None:
    script = Script((429, "", "4"))
    with pytest.raises(OutcomeUnknownError):
        await call(script)
    assert script.until == pytest.approx(4.1)
    assert script.refused == 0  # nobody said that the exchange's limit was met
    assert len(script.sent) == 1


@pytest.mark.parametrize("hangs", [True, False])
async def test_a_limiter_that_cannot_block_a_key_changes_no_outcome(hangs: bool) -> None:  # noqa: FBT001 - both
    script = Script((200, "50011"), (200, "0"))

    async def block(*_: object, **__: object) -> None:
        if hangs:
            await asyncio.sleep(1_000.0)
        raise OSError("disk full")

    script.block = block  # type: ignore[method-assign]
    attempts = await call(script)
    assert [attempt.code for attempt in attempts] == ["50011", "0"]
    assert asyncio.get_running_loop().time() < 10.0
