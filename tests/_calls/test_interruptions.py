"""Calls that are ended by what other code raises, or asks for, at any moment."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

import okx_async as okx
from okx_async import ClosePosition, Limiter, NotSentError, OutcomeUnknownError
from okx_async._calls.attempt import AttemptState
from okx_async._calls.interruptions import keeps_notes, note_sent, unforeseen
from okx_async._http.inflight import InFlight
from okx_async._http.timeouts import TimeoutGroup
from okx_async._rest.requests import ApiRequest
from okx_async._rest.responses import parse
from tests._calls.raised import AbortError
from tests.conftest import World

Happen: TypeAlias = Callable[..., Any]
BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
CLOSE = ApiRequest("POST", "/api/v5/trade/close-position", b"{}", BTC)
READ = ApiRequest("GET", "/api/v5/account/positions", b"", "account/positions")


async def made() -> AttemptState:
    loop = asyncio.get_running_loop()
    return AttemptState(InFlight(TimeoutGroup(loop), timeout=5.0, wall_clock=loop.time))


@pytest.mark.virtual
async def test_what_was_not_foreseen_says_whether_it_may_have_been_sent() -> None:
    attempt = await made()
    assert isinstance(unforeseen(ValueError("x"), CLOSE, attempt), NotSentError)
    with attempt.wire:
        attempt.wire.connected(None)
        assert isinstance(unforeseen(ValueError("x"), CLOSE, attempt), OutcomeUnknownError)
        assert "executed" not in str(unforeseen(ValueError("x"), READ, attempt))


@pytest.mark.virtual
@pytest.mark.parametrize(
    ("answer", "raised", "note", "text"),
    [
        (None, asyncio.CancelledError(), "outcome unknown", "cancelled after it was sent, outcome unknown"),
        (b'{"code":"0","data":[]}', KeyboardInterrupt(), "answered 0", "ended by KeyboardInterrupt after it was sent"),
        (b"<html>", SystemExit(), "outcome unknown", "ended by SystemExit after it was sent, outcome unknown"),
    ],
)
async def test_a_note_says_what_is_known(
    answer: bytes | None, raised: BaseException, note: str, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    attempt = await made()
    note_sent(raised, CLOSE, attempt)
    assert not hasattr(raised, "__notes__")
    with attempt.wire:
        attempt.wire.connected(None)
        attempt.answer = None if answer is None else parse(429, answer)
        note_sent(raised, READ, attempt)
        note_sent(raised, CLOSE, attempt)
    assert raised.__notes__ == [f"{BTC}: already sent, {note}"]
    assert text in caplog.text


@pytest.mark.parametrize("raised", [AbortError, GeneratorExit, asyncio.CancelledError, ValueError])
def test_what_a_wall_clock_raises_after_the_answer_changes_no_outcome(
    happen: Happen, raised: type[BaseException]
) -> None:
    async def story(world: World, _: okx.Client) -> None:
        def clock() -> float:
            if late:
                raise raised
            return world.wall_clock()

        for verb in ("close", "batch", "flatten"):
            late = False
            for inst_id in (BTC, ETH):
                world.exchange.open_position(inst_id, 3)
            async with okx.Client(
                world.exchange.credentials,
                user_id=world.exchange.user_id,
                base_url=world.exchange.base_url,
                limiter=Limiter(clock=world.loop.clock),
                wall_clock=clock,
            ) as client:
                await client.positions()
                legs = [ClosePosition(inst_id, "cross") for inst_id in (BTC, ETH)]
                calls: dict[str, Callable[[], Any]] = {
                    "close": lambda: client.close_position(BTC, "cross"),
                    "batch": lambda: client.close_positions(legs),  # noqa: B023 - called here
                    "flatten": lambda: client.flatten(deadline=1.0),
                }
                before = len(world.closes())
                task = asyncio.ensure_future(calls[verb]())
                while len(world.closes()) == before:  # noqa: ASYNC110 - turns of virtual time
                    await asyncio.sleep(0.001)
                late = True  # the close is on its way: its answer meets a clock that raises
                result = await task
                if verb == "batch":
                    assert all(each.ok for each in result)

    happen(story)


def test_a_call_whose_hook_cancels_it_has_a_note(happen: Happen, caplog: pytest.LogCaptureFixture) -> None:
    async def story(world: World, _: okx.Client) -> None:
        def cancel(_: object) -> None:
            task.cancel()

        legs = [ClosePosition(BTC, "cross")]
        calls: list[Callable[[okx.Client], Any]] = [
            lambda client: client.close_position(BTC, "cross"),
            lambda client: client.close_position(BTC, "cross", confirm=True),
            lambda client: client.close_positions(legs),
            lambda client: client.close_position(BTC, "cross", join=True),
            lambda client: client.flatten(),
        ]
        for call in calls:
            caplog.clear()
            world.exchange.open_position(BTC, 3)
            async with world.client(on_attempt=cancel) as client:
                task = asyncio.ensure_future(call(client))
                with pytest.raises(asyncio.CancelledError) as caught:
                    await task
            assert caught.value.__notes__[0].startswith(f"{BTC}: already sent")
            assert f"{BTC}: cancelled after it was sent" in caplog.text
        async with world.client() as client:
            world.exchange.open_position(BTC, 3)
            task = asyncio.ensure_future(client.close_positions(legs, on_result=cancel))
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            assert caught.value.__notes__ == [f"{BTC}: already sent, accepted"]

    happen(story)


def test_a_cancellation_by_a_hook_is_met_once(happen: Happen) -> None:
    async def story(world: World, _: okx.Client) -> None:
        def cancel(_: object) -> None:
            task.cancel()

        async def one() -> list[str]:
            try:
                await client.close_position(BTC, "cross")
            except asyncio.CancelledError as cancelled:
                await asyncio.sleep(0)  # not cancelled once more
                return list(cancelled.__notes__)
            return []

        world.exchange.open_position(BTC, 3)
        async with world.client(on_attempt=cancel) as client:
            task = asyncio.ensure_future(one())
            assert await task == [f"{BTC}: already sent, answered 0"]

    happen(story)


def test_a_close_in_doubt_that_is_cancelled_while_its_key_is_blocked_has_a_note(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        async def block(*_: object, **__: object) -> None:
            task.cancel()
            await asyncio.sleep(1_000.0)

        world.exchange.open_position(BTC, 3)
        world.exchange.inject("HTML 429", inst_id=BTC)
        client.limiter.block = block  # type: ignore[method-assign]
        task = asyncio.ensure_future(client.close_position(BTC, "cross"))
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert caught.value.__notes__ == [f"{BTC}: already sent, outcome unknown"]

    happen(story)


@pytest.mark.virtual
async def test_a_further_cancellation_keeps_the_notes_and_skips_no_end() -> None:
    ended = []

    async def end(name: str) -> None:
        ended.append(name)
        await asyncio.sleep(1.0)
        ended.append(f"{name} in time")

    async def work() -> None:
        async with keeps_notes(lambda: end("first"), lambda: end("second")):
            try:
                await asyncio.sleep(5.0)
            except asyncio.CancelledError as cancelled:
                cancelled.add_note("sent")
                raise

    task = asyncio.ensure_future(work())
    for _ in range(2):
        await asyncio.sleep(0.1)
        task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert caught.value.__notes__ == ["sent"]
    assert ended == ["first", "second", "second in time"]
