"""Closes that several callers want at once, against the simulated exchange in virtual time."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

import okx_async as okx
from tests.conftest import World

Happen: TypeAlias = Callable[..., Any]
BTC = "BTC-USDT-SWAP"
POSITIONS = "/api/v5/account/positions"


def full(client: okx.Client, seconds: float) -> asyncio.Task[None]:
    """Let the key of BTC grant nothing for some seconds."""
    return asyncio.ensure_future(client.limiter.block(client.limiter_key(BTC), seconds, refused=False))


def close(client: okx.Client, **options: Any) -> asyncio.Task[okx.ClosedPosition]:
    return asyncio.ensure_future(client.close_position(BTC, "cross", **{"join": True, **options}))


def test_calls_at_once_are_one_request_and_have_one_result(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        results = await asyncio.gather(*(close(client, cl_ord_id=f"c{number}") for number in range(5)))
        assert len(world.closes()) == 1
        assert {result.cl_ord_id for result in results} == {"c0"}

    happen(story)


def test_other_positions_and_calls_without_join_are_not_joined(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        calls = [close(client), close(client, pos_side="net"), close(client, join=False)]
        calls += [asyncio.ensure_future(client.close_position(BTC, "isolated", join=True))]
        await asyncio.gather(*calls, return_exceptions=True)
        assert len(world.closes()) == 3

    happen(story)


def test_the_clients_join_holds_for_calls_and_batches_that_do_not_say_otherwise(happen: Happen) -> None:
    async def story(world: World, _: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        async with world.client(join=True) as joining:
            legs = [okx.ClosePosition(BTC, "cross")] * 3
            results, closed = await asyncio.gather(joining.close_positions(legs), close(joining, join=None))
            assert all(result.ok for result in results)
            assert closed.inst_id == BTC
            assert len(world.closes()) == 1
            world.exchange.open_position(BTC, 3)
            await joining.close_positions(legs, join=False)
            assert len(world.closes()) == 4

    happen(story)


def test_each_caller_raises_an_error_of_its_own(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        first, second = await asyncio.gather(close(client), close(client), return_exceptions=True)
        assert isinstance(first, okx.NothingToCloseError)
        assert isinstance(second, okx.NothingToCloseError)
        assert first is not second
        assert first.attempts == second.attempts
        assert len(world.closes()) == 1

    happen(story)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("after", [0.0, 0.01, 0.02])
def test_a_cancelled_caller_takes_no_other_along(happen: Happen, *, first: bool, after: float) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        calls = [close(client), close(client)]
        await asyncio.sleep(after)
        calls[not first].cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await calls[not first]
        if after:
            assert any("goes on for other callers" in note for note in caught.value.__notes__)
        assert (await calls[first]).inst_id == BTC
        assert [row.executed for row in world.closes()] == [True]

    happen(story)


@pytest.mark.parametrize("sent", [True, False])
def test_the_last_caller_that_is_cancelled_ends_the_close(happen: Happen, *, sent: bool) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        if not sent:
            await full(client, 5.0)
        calls = [close(client), close(client)]
        await asyncio.sleep(0.01)
        calls[0].cancel()
        await asyncio.sleep(0)
        calls[1].cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await calls[1]
        notes = getattr(caught.value, "__notes__", [])
        assert notes == ([f"{BTC}: already sent, outcome unknown"] if sent else [])
        await asyncio.sleep(6.0)
        assert len(world.closes()) == sent

    happen(story)


def test_a_joiners_max_wait_is_its_own(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        await full(client, 3.0)
        patient, hasty = close(client), close(client, max_wait=1.0)
        begun = world.loop.clock()
        with pytest.raises(okx.SlotTimeoutError, match="goes on for other callers"):
            await hasty
        assert world.loop.clock() - begun == pytest.approx(1.0)
        assert (await patient).inst_id == BTC
        assert len(world.closes()) == 1

    happen(story)


def test_after_the_first_callers_time_another_takes_over(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        crowd = asyncio.ensure_future(client.close_positions([okx.ClosePosition(BTC, "isolated")] * 20))
        await asyncio.sleep(0.1)
        hasty, patient = close(client, max_wait=2.0), close(client)
        await asyncio.sleep(0)
        await full(client, 3.0)
        with pytest.raises(okx.SlotTimeoutError):
            await hasty
        assert (await patient).inst_id == BTC
        await crowd
        assert sum(row.executed for row in world.closes()) == 1

    happen(story)


def test_a_call_in_a_higher_lane_does_not_stand_in_the_lower_one(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        crowd = [asyncio.ensure_future(client.close_position(BTC, "isolated")) for _ in range(60)]
        await asyncio.sleep(0.1)
        normal = close(client)
        await asyncio.sleep(0.1)
        begun = world.loop.clock()
        urgent = await close(client, priority=okx.Priority.PANIC)
        assert world.loop.clock() - begun < 2.1
        assert (await normal).attempts == urgent.attempts
        assert sum(row.executed for row in world.closes()) == 1
        await asyncio.gather(*crowd, return_exceptions=True)

    happen(story)


def test_confirmed_calls_are_one_and_a_plain_one_joins_them(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        results = await asyncio.gather(close(client, confirm=True), close(client, confirm=True), close(client))
        assert all(result.flat for result in results)
        assert len(world.closes()) == 1

    happen(story, fill_delay=0.5)


def test_a_confirmed_call_confirms_the_plain_one_in_flight(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        plain, confirmed = await asyncio.gather(close(client), close(client, confirm=True))
        assert (plain.flat, confirmed.flat) == (False, True)
        assert not world.exchange.positions
        assert len(world.closes()) == 1

    happen(story, fill_delay=0.5)


@pytest.mark.parametrize("plain_first", [True, False])
def test_a_flatten_and_a_close_are_never_on_the_wire_together(happen: Happen, *, plain_first: bool) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(delay=0.5, times=1)
        if plain_first:
            plain = close(client, join=False)
            report = await client.flatten()
        else:
            flattening = asyncio.ensure_future(client.flatten())
            await asyncio.sleep(0.1)
            plain = close(client, join=False)
            report = await flattening
        assert report.flat
        await asyncio.wait({plain})
        first, *others = sorted(world.attempts, key=lambda attempt: attempt.sent or 0.0)
        assert all((other.sent or 0.0) >= (first.settled or 0.0) for other in others)
        assert sum(row.executed for row in world.closes()) == 1
        plain.exception()

    async def observed(world: World, _: okx.Client) -> None:
        async with world.client() as client:
            await story(world, client)

    happen(observed)


# --- beside a flatten ---


@pytest.mark.parametrize("waits", [True, False])
def test_a_call_that_joins_has_the_result_of_a_flattens_close(happen: Happen, *, waits: bool) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(delay=0.5)
        if waits:
            await full(client, 0.5)
        flattening = asyncio.ensure_future(client.flatten())
        await asyncio.sleep(0.2)
        joined, plain = await asyncio.gather(close(client), close(client, join=False), return_exceptions=True)
        report = await flattening
        assert isinstance(joined, okx.ClosedPosition)
        assert joined.attempts == report.rows[0].attempts
        assert isinstance(plain, okx.NothingToCloseError)
        assert report.flat
        assert len(world.closes()) == 2

    happen(story)


def test_what_a_flatten_tries_again_is_no_result_and_a_refusal_for_good_is_one(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(code="50011", inst_id=BTC)
        world.exchange.inject(code="51010", inst_id=BTC, delay=0.5)
        flattening = asyncio.ensure_future(client.flatten())
        await asyncio.sleep(0.2)
        calls = [close(client), close(client, max_wait=0.5), close(client, confirm=True)]
        await asyncio.wait(calls[:2])
        assert isinstance(calls[0].exception(), okx.RejectedError)
        assert getattr(calls[0].exception(), "code", "") == "51010"
        assert isinstance(calls[1].exception(), okx.RateLimitedError)  # of the last try in its time
        assert (await calls[2]).flat  # the flatten's was refused, so it makes one of its own
        assert (await flattening).rows[0].attempts[-1].code == "51010"
        assert [row.code for row in world.closes()] == ["50011", "51010", "0"]

    happen(story)


def test_a_call_beside_a_flatten_that_does_not_close_any_more_closes_for_itself(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        flattening = asyncio.ensure_future(client.flatten(cancel_orders="entries", look_again=5.0))
        await asyncio.sleep(1.0)
        with pytest.raises(okx.NothingToCloseError):  # the flatten's close was accepted before
            await close(client)
        world.exchange.open_position(BTC, 3)
        assert (await close(client)).inst_id == BTC
        assert (await flattening).flat
        assert len(world.closes()) == 3

    happen(story)


@pytest.mark.parametrize("sent", [True, False])
def test_a_flatten_that_is_cancelled_leaves_no_call_without_an_end(happen: Happen, *, sent: bool) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(delay=1.0)
        if not sent:
            await full(client, 1.0)
        flattening = asyncio.ensure_future(client.flatten())
        await asyncio.sleep(0.2)
        joined = close(client)
        await asyncio.sleep(0.2)
        flattening.cancel()
        await asyncio.wait({flattening, joined})
        if sent:
            assert isinstance(joined.exception(), okx.OutcomeUnknownError)
        else:
            assert (await joined).inst_id == BTC
        assert len(world.closes()) == 1

    happen(story)


def test_of_several_flattens_the_first_ones_close_is_joined(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(delay=0.5)
        flattening = [asyncio.ensure_future(client.flatten()) for _ in range(3)]
        await asyncio.sleep(0.2)
        plain, confirmed = await asyncio.gather(close(client), close(client, confirm=True))
        assert (plain.flat, confirmed.flat) == (False, True)
        assert all([(await one).flat for one in flattening])

    happen(story)


def test_a_caller_that_leaves_ends_no_close_of_a_flatten(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(delay=0.5)
        flattening = asyncio.ensure_future(client.flatten())
        await asyncio.sleep(0.2)
        joined = close(client, priority=okx.Priority.PANIC)
        await asyncio.sleep(0.1)
        joined.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await joined
        assert caught.value.__notes__ == [f"{BTC}: already sent, outcome unknown; it goes on for other callers"]
        assert (await flattening).flat
        assert len(world.closes()) == 1

    happen(story)


@pytest.mark.parametrize("value", [1, "yes"])
async def test_join_is_a_bool(value: Any) -> None:
    with pytest.raises(okx.InvalidRequestError, match="join must be True or False"):
        okx.Client(okx.Credentials("key", "secret", "passphrase"), join=value)


def test_a_call_that_joins_while_the_last_caller_leaves_is_not_cancelled(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        await full(client, 1.0)
        normal = close(client)
        await asyncio.sleep(0.1)
        urgent = close(client, priority=okx.Priority.PANIC)
        await asyncio.sleep(0)
        urgent.cancel()  # before the normal one, whose flight it has replaced, joins its own
        await asyncio.wait({urgent})
        assert urgent.cancelled()
        assert (await normal).inst_id == BTC
        assert len(world.closes()) == 1

    happen(story)


def test_a_call_in_the_step_in_which_another_runs_out_of_time_flies_anew(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        await full(client, 1.0)

        async def close_in_that_step() -> okx.ClosedPosition:
            for _ in range(100):
                if flights[0].done():
                    break
                await asyncio.sleep(0)
            return await client.close_position(BTC, "cross", join=True)

        hasty = close(client, max_wait=0.0)
        await asyncio.sleep(0)
        flights = [task for task in asyncio.all_tasks() if task.get_name() == "okx_async joined close"]
        assert len(flights) == 1
        late = asyncio.ensure_future(close_in_that_step())
        with pytest.raises(okx.SlotTimeoutError):
            await hasty
        assert (await late).inst_id == BTC
        assert len(world.closes()) == 1

    happen(story)


def test_a_second_cancellation_keeps_the_note_of_the_first(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        call = close(client)
        await asyncio.sleep(0.01)
        call.cancel()
        await asyncio.sleep(0)
        assert not call.done()
        call.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await call
        assert getattr(caught.value, "__notes__", []) == [f"{BTC}: already sent, outcome unknown"]

    happen(story)


def test_a_close_that_is_cancelled_before_its_first_step_leaves_nothing(
    happen: Happen, recwarn: pytest.WarningsRecorder
) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        normal = close(client)
        urgent = close(client, priority=okx.Priority.PANIC)  # begins in the same step, so that it replaces the other
        assert await urgent == await normal
        assert len(world.closes()) == 1

    happen(story)
    assert [str(warning.message) for warning in recwarn if "never awaited" in str(warning.message)] == []


def test_a_joined_close_that_a_hook_cancels_is_not_sent_again(happen: Happen) -> None:
    async def story(world: World, _: okx.Client) -> None:
        def cancels(_attempt: okx.Attempt) -> None:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()

        world.exchange.open_position(BTC, 3)
        async with world.client(on_attempt=cancels) as client:
            calls = [close(client), close(client)]
            told = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(error) for error in told] == [okx.OutcomeUnknownError] * 2
        assert len(world.closes()) == 1

    happen(story)


def test_who_flies_anew_after_its_time_sends_nothing(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(code="51115", inst_id=BTC, delay=0.5, times=1)
        plain = close(client)
        hasty = close(client, auto_cxl=True, max_wait=0.1)  # closes again once the other is refused: too late
        with pytest.raises(okx.OkxError):
            await hasty
        with pytest.raises(okx.PendingOrdersError):
            await plain
        assert len(world.closes()) == 1

    happen(story)
