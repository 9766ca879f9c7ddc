from random import Random

import pytest

from okx_async.simulator import Network, VirtualLoop, run
from okx_async.torture import Plan
from okx_async.torture.position_events import EVENTS, ScenePosition
from okx_async.torture.stage import Stage


@pytest.mark.parametrize("kind", EVENTS)
def test_each_upset_can_happen_to_any_position_and_says_what_it_is(kind: str, calm: Plan) -> None:
    async def main(loop: VirtualLoop) -> None:
        stage = Stage(calm, loop, network, None)
        positions = [
            ScenePosition(stage.accounts[0], "F0-USDT-SWAP", "cross", "net", -3),
            ScenePosition(stage.accounts[0], "F1-USDT", "isolated", "net", 3),
        ]
        async with stage.exchange:
            for seed in range(8):
                for position in positions:
                    stage.exchange.open_position(position.inst_id, position.pos, **position.address)
                    assert EVENTS[kind][1](stage, Random(seed), position)

    network = Network()
    run(main, VirtualLoop(network))


def test_another_size_is_mostly_of_the_same_side(calm: Plan) -> None:
    async def main(loop: VirtualLoop) -> None:
        account = Stage(calm, loop, network, None).accounts[0]
        rng = Random(1)
        short, pair = (
            ScenePosition(account, inst_id, "cross", "net", pos) for inst_id, pos in (("A-B-SWAP", -3), ("A-B", 3))
        )
        sides = [short.sized(rng) < 0 for _ in range(200)]
        assert 100 < sum(sides) < 180
        assert all(pair.sized(rng) > 0 for _ in range(50))

    network = Network()
    run(main, VirtualLoop(network))
