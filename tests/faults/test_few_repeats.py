"""Codes that are repeated less often, met by each kind of call until it gives up."""

from collections.abc import Callable
from typing import Any

import pytest

import okx_async as okx
from okx_async._rest.codes import FEW_REPEATS
from tests.conftest import World

INST_ID = "BTC-USDT-SWAP"


@pytest.mark.parametrize("code", FEW_REPEATS)
@pytest.mark.parametrize("kind", ["close", "confirm", "flatten"])
def test_it_is_sent_as_often_as_the_table_says(happen: Callable[..., Any], code: str, kind: str) -> None:
    async def story(world: World, client: okx.Client) -> int:
        world.exchange.open_position(INST_ID, 3)
        world.exchange.inject(code=code, times=None)
        if kind == "flatten":
            report = await client.flatten(deadline=60.0)
            assert [row.state for row in report.rows] == [okx.FlattenState.REFUSED]
        else:
            with pytest.raises(okx.UnavailableError):
                await client.close_position(INST_ID, "cross", confirm=kind == "confirm")
        return len(world.closes())

    assert happen(story) == 1 + FEW_REPEATS[code]
