from collections.abc import Callable, Sequence
from typing import Any

import pytest

import okx_async as okx
from okx_async import AuthenticationError, FlattenState, RejectedError, UnavailableError
from okx_async._flatten.named import ABOUT_NAMES, named_or_all
from tests.conftest import World

BTC, ETH, GONE = "BTC-USDT-SWAP", "ETH-USDT-SWAP", "BTC-USD-260101"
POSITIONS = "/api/v5/account/positions"


class List:
    """A list that is refused by name, so often as it is asked for."""

    def __init__(self, refusal: okx.OkxError) -> None:
        self.refusal = refusal
        self.asked: list[Sequence[str] | None] = []

    async def read(self, inst_ids: Sequence[str] | None) -> str:
        self.asked.append(inst_ids)
        if inst_ids is not None:
            raise self.refusal
        return "everything"


@pytest.mark.parametrize("code", [*sorted(ABOUT_NAMES), "51001_1000"])
async def test_a_name_that_is_refused_has_everything_read(code: str) -> None:
    books = List(RejectedError("no", code=code))
    assert await named_or_all(books.read, [GONE]) == "everything"
    assert books.asked == [[GONE], None]


async def test_the_refusal_is_raised_if_everything_is_no_answer() -> None:
    books = List(RejectedError("no", code="51001"))
    with pytest.raises(RejectedError, match="no"):
        await named_or_all(books.read, [GONE], lambda found: found != "everything")


@pytest.mark.parametrize(
    "refusal",
    [UnavailableError("x", code="50001"), AuthenticationError("x", code="50110"), RejectedError("x", code="")],
)
async def test_any_other_refusal_is_raised_at_once(refusal: okx.OkxError) -> None:
    books = List(refusal)
    with pytest.raises(type(refusal)):
        await named_or_all(books.read, [GONE])
    assert books.asked == [[GONE]]


# --- an exchange that refuses what it does not list any more ---


def refuses(world: World, *named: str) -> None:
    """Have every question that names exactly these instruments refused."""
    world.exchange.inject(path=POSITIONS, inst_id=",".join(named), code="51001", times=None)


def named(world: World) -> list[str]:
    return [row.path.partition("?")[2] for row in world.exchange.journal if row.path.startswith(POSITIONS)]


@pytest.mark.virtual
def test_an_expired_contract_in_the_filter_bars_no_other(happen: Callable[..., Any]) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        for inst_id in (BTC, ETH):
            world.exchange.open_position(inst_id, 3)
        refuses(world, ETH, GONE)
        assert [one.inst_id for one in await client.positions([ETH, GONE])] == [ETH]
        report = await client.flatten([ETH, GONE])
        assert [position.inst_id for position in world.exchange.positions] == [BTC]
        assert set(named(world)[3:]) == {""}  # what was refused is not asked for again
        return report

    report = happen(story)
    assert report.flat
    assert [row.position.inst_id for row in report.rows] == [ETH]


@pytest.mark.virtual
def test_a_filter_that_names_nothing_open_is_refused_as_before(happen: Callable[..., Any]) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        refuses(world, ETH, GONE)
        for call in (client.flatten, client.positions):
            with pytest.raises(RejectedError, match="51001"):
                await call([ETH, GONE])
        assert world.exchange.positions

    happen(story)


@pytest.mark.virtual
@pytest.mark.parametrize("confirm", [True, False])
def test_a_contract_that_expires_under_its_close_is_proven_gone(*, happen: Callable[..., Any], confirm: bool) -> None:
    async def story(world: World, client: okx.Client) -> bool:
        world.exchange.open_position(BTC, 3)
        world.exchange.inject(code="50026", executed=True)
        world.at(0.3, lambda: refuses(world, BTC))
        if confirm:
            flat = (await client.close_position(BTC, "cross", confirm=True, confirm_timeout=5.0)).flat
        else:
            report = await client.flatten(deadline=5.0)
            flat = report.flat and report.rows[0].state is FlattenState.CLOSED
        assert [row.code for row in world.exchange.journal].count("51001") == 1  # then it is not named any more
        return flat

    assert happen(story, fill_delay=1.0)
