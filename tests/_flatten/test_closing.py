"""The closes of one client, plain or confirmed, and which of them are joined: against the simulated exchange."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import pytest

import okx_async as okx
from okx_async._flatten.closing import CONFIRM_TIMEOUT, Closer
from tests.conftest import World

Happen: TypeAlias = Callable[..., Any]
BTC = okx.ClosePosition("BTC-USDT-SWAP", "cross")
NORMAL = okx.Priority.NORMAL


def closer(client: okx.Client, *, join: bool) -> Closer:
    return Closer(client._caller, join=join)


@pytest.mark.parametrize(
    ("default", "given", "joined"),
    [(False, None, False), (False, True, True), (True, None, True), (True, False, False)],
)
@pytest.mark.parametrize("confirmed", [False, True])
def test_a_call_says_whether_it_is_joined_or_leaves_it_to_its_client(
    happen: Happen, *, default: bool, given: bool | None, joined: bool, confirmed: bool
) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC.inst_id, 3)
        close = closer(client, join=default)

        async def call() -> okx.ClosedPosition:
            if confirmed:
                return await close.confirm(BTC, NORMAL, None, CONFIRM_TIMEOUT, join=given)
            return await close.close(BTC, NORMAL, None, join=given)

        first, second = await asyncio.gather(call(), call(), return_exceptions=True)
        assert (first is second) is joined
        assert isinstance(first, okx.ClosedPosition)
        assert first.flat is confirmed
        if joined or not confirmed:  # the second of two confirmed ones may read that the position is gone
            assert len(world.closes()) == (1 if joined else 2)

    happen(story)


def test_a_confirmed_call_that_joins_a_plain_one_only_confirms_it(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC.inst_id, 3)
        close = closer(client, join=True)
        plain, confirmed = await asyncio.gather(
            close.close(BTC, NORMAL, None), close.confirm(BTC, NORMAL, None, CONFIRM_TIMEOUT)
        )
        assert (plain.flat, confirmed.flat) == (False, True)
        assert confirmed.attempts[: len(plain.attempts)] == plain.attempts
        assert len(world.closes()) == 1

    happen(story, fill_delay=0.5)


@pytest.mark.parametrize("join", [False, True])
def test_what_cannot_be_a_request_ends_before_anything_is_sent(happen: Happen, *, join: bool) -> None:
    async def story(world: World, client: okx.Client) -> None:
        close, odd = closer(client, join=join), okx.ClosePosition("BTC USDT", "cross")
        with pytest.raises(okx.InvalidRequestError, match="inst_id"):
            await close.close(odd, NORMAL, None)
        with pytest.raises(okx.InvalidRequestError, match="inst_id"):
            await close.confirm(odd, NORMAL, None, CONFIRM_TIMEOUT)
        assert world.closes() == []

    happen(story)


@pytest.mark.parametrize("verb", ["close", "join", "confirm", "unlisted", "batch"])
@pytest.mark.parametrize("auto_cxl", [True, False])
def test_pending_orders_that_the_close_has_cancelled_are_waited_for(
    happen: Happen, verb: str, *, auto_cxl: bool
) -> None:
    async def story(world: World, client: okx.Client) -> None:
        if verb != "unlisted":
            world.exchange.open_position(BTC.inst_id, 3)
        world.exchange.inject(code="51115", inst_id=BTC.inst_id, times=3)
        if verb == "batch":
            [result] = await client.close_positions([replace(BTC, auto_cxl=auto_cxl)])
            result.result()
            return
        how: dict[str, Any] = {verb: True} if verb in {"join", "confirm"} else {"confirm": verb == "unlisted"}
        await client.close_position(BTC.inst_id, "cross", auto_cxl=auto_cxl, **how)

    if not auto_cxl:
        with pytest.raises(okx.PendingOrdersError):
            happen(story)
    elif verb == "unlisted":
        with pytest.raises(okx.NothingToCloseError):
            happen(story)
    else:
        happen(story)


@pytest.mark.parametrize("confirm", [False, True])
@pytest.mark.parametrize("max_wait", [0.0, 0.5])
def test_a_close_waits_for_another_one_of_its_position_within_max_wait(
    happen: Happen, *, max_wait: float, confirm: bool
) -> None:
    """Seed 26113022486306 broke "promptness": with ``max_wait=0`` a close was sent once a flatten's was answered."""

    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC.inst_id, 3)
        await client.warm_up(3)
        world.exchange.inject(inst_id=BTC.inst_id, delay=3.0)
        other = asyncio.ensure_future(client.flatten())
        await asyncio.sleep(1.0)
        if confirm:  # without a reading it does not know yet that the other one is about its position
            world.exchange.inject("positions down")
        begun = world.loop.time()
        with pytest.raises(okx.SlotTimeoutError, match="another close of the position was not answered"):
            await client.close_position(BTC.inst_id, BTC.mgn_mode, max_wait=max_wait, confirm=confirm)
        assert world.loop.time() - begun == pytest.approx(max_wait, abs=0.3)
        world.exchange.clear_faults()
        await other
        assert len(world.closes()) == 1

    happen(story)


def test_without_max_wait_a_close_waits_for_as_long_as_another_one_takes(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC.inst_id, 3)
        world.exchange.inject(inst_id=BTC.inst_id, delay=3.0)
        other = asyncio.ensure_future(client.flatten())
        await asyncio.sleep(1.0)
        begun = world.loop.time()
        with pytest.raises(okx.RejectedError):
            await client.close_position(BTC.inst_id, BTC.mgn_mode)
        assert world.loop.time() - begun > 2.0
        await other

    happen(story)
