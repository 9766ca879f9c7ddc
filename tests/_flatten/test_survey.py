from collections.abc import Callable
from typing import Any

import okx_async as okx
from okx_async._flatten.survey import Survey, survey
from tests.conftest import World

ODD = {"instId": "ETH-USDT-SWAP", "mgnMode": "", "posSide": "net", "pos": "10", "posId": "9"}


def test_it_lists_positions_beside_records_that_cannot_be_read(happen: Callable[..., Any]) -> None:
    async def story(world: World, client: okx.Client) -> tuple[Survey, Survey]:
        world.exchange.odd_records.append(ODD)
        world.exchange.open_position("BTC-USDT-SWAP", 3)
        world.exchange.open_position("SOL-USDT-SWAP", 3)
        return await survey(client._caller, None), await survey(client._caller, ["SOL-USDT-SWAP"])

    everything, named = happen(story)
    assert [position.inst_id for position in everything.positions] == ["BTC-USDT-SWAP", "SOL-USDT-SWAP"]
    assert [record.position.raw for record in everything.unreadable] == [ODD]
    assert [position.inst_id for position in named.positions] == ["SOL-USDT-SWAP"]
