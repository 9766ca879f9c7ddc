"""Confirmed closes that are refused, or whose position cannot be read."""

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

import okx_async as okx
from tests.conftest import World

Happen: TypeAlias = Callable[..., Any]
BTC = "BTC-USDT-SWAP"
POSITIONS = "/api/v5/account/positions"


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("51000", okx.RejectedError),
        ("50120", okx.AuthenticationError),
        ("51115", okx.PendingOrdersError),
        ("51032", okx.CloseInProgressError),
        ("50011", okx.RateLimitedError),
        ("51030", okx.UnavailableError),
        ("51023", okx.NothingToCloseError),
        ("HTML 403 early", okx.RejectedError),
    ],
)
def test_a_refusal_is_raised_as_it_is(happen: Happen, fault: str, error: type[okx.OkxError]) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(fault, times=None)
        with pytest.raises(error) as caught:
            await client.close_position(BTC, "cross", confirm=True, confirm_timeout=9.0)
        assert type(caught.value) is error
        assert caught.value.attempts
        assert [holding.pos for holding in world.exchange.positions] == [3]

    happen(story)


def test_without_a_position_the_exchange_says_so(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3, "isolated")
        with pytest.raises(okx.NothingToCloseError) as caught:
            await client.close_position(BTC, "cross", confirm=True)
        assert caught.value.code == "51023"
        assert len(world.closes()) == 1

    happen(story)


def test_closed_by_others_first_is_nothing_to_close(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        world.at(0.035, lambda: world.exchange.open_position(BTC, 0))
        with pytest.raises(okx.NothingToCloseError):
            await client.close_position(BTC, "cross", confirm=True)

    happen(story)


@pytest.mark.parametrize("failing", [1, 3])
def test_it_is_sent_although_nothing_can_be_read_and_proven_later(happen: Happen, failing: int) -> None:
    async def story(world: World, client: okx.Client) -> okx.ClosedPosition:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(path=POSITIONS, code="50026", times=failing)
        world.exchange.inject("50004", executed=True)
        return await client.close_position(BTC, "cross", confirm=True)

    closed = happen(story)
    assert (closed.flat, len(closed.attempts)) == (True, 1)


@pytest.mark.parametrize("first", ["half filled", "never filled"])
def test_refused_is_not_said_once_a_close_was_taken(happen: Happen, first: str) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 4)
        world.exchange.inject(first)
        world.exchange.inject(code="51120")
        with pytest.raises(okx.OutcomeUnknownError, match="an earlier close was taken") as unknown:
            await client.close_position(BTC, "cross", confirm=True)
        assert unknown.value.code == "51120"
        assert [attempt.outcome.value for attempt in unknown.value.attempts] == ["accepted", "needs"]

    happen(story)


@pytest.mark.parametrize("arguments", [{"inst_id": "btc"}, {"confirm_timeout": 0}, {"max_wait": -1}])
def test_what_cannot_work_is_refused_before_anything_is_asked(happen: Happen, arguments: dict[str, Any]) -> None:
    async def story(world: World, client: okx.Client) -> None:
        before = len(world.exchange.journal)
        with pytest.raises(okx.InvalidRequestError):
            await client.close_position(**{"inst_id": BTC, "mgn_mode": "cross", "confirm": True, **arguments})
        assert len(world.exchange.journal) == before

    happen(story)


def test_a_key_that_may_not_read_may_close(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(path="/api/v5/account/positions", code="50120", times=None)
        begun = world.loop.clock()
        with pytest.raises(okx.OutcomeUnknownError, match=r"accepted, but not proven closed.*50120") as caught:
            await client.close_position(BTC, "cross", confirm=True)
        assert [attempt.outcome for attempt in caught.value.attempts] == [okx.Outcome.ACCEPTED]
        assert not world.exchange.positions
        assert world.loop.clock() - begun < 1.0
        with pytest.raises(okx.NothingToCloseError):
            await client.close_position(BTC, "cross", confirm=True)

    happen(story)


def test_a_key_that_is_refused_altogether_closes_nothing(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(path="/api/v5/account/positions", code="50119", times=None)
        with pytest.raises(okx.AuthenticationError):
            await client.close_position(BTC, "cross", confirm=True)
        assert not world.closes()

    happen(story)
