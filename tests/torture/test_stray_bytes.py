"""Bytes that no request asked for: which wires they may come over, and that no client takes them for an answer."""

from asyncio import sleep
from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from okx_async.simulator import Network, Path, VirtualLoop, run
from okx_async.torture import Plan, happen
from okx_async.torture.plan import Mishap, NetworkConditions, Part
from okx_async.torture.stage import Stage
from okx_async.torture.stray_bytes import doubled, early_bytes, idle

CUT = NetworkConditions(Path(0.03, 0.02, cuts=0.9), Path(0.03, 0.02, cuts=0.9))


def test_a_wire_is_idle_while_nothing_is_asked_and_nothing_under_way(calm: Plan) -> None:
    async def main(loop: VirtualLoop) -> None:
        stage = Stage(replace(calm, conditions=CUT), loop, network, None)
        desk = stage.desks[0]
        async with stage.exchange:
            loop.call_later(0.001, lambda: seen.append([idle(wire) for wire in network.wires.values()]))
            await desk.client.positions()
            wire = next(iter(network.wires.values()))
            assert idle(wire)
            stage.exchange.inject(delay=1.0, path=None)
            for at in (0.01, 0.5, 1.05):  # on its way, served, and answered
                loop.call_later(at, lambda: seen.append([idle(wire)]))
            await desk.client.positions()
            assert idle(wire)
            assert all(map(idle, network.wires.values()))
            assert "over 0 wires" not in early_bytes(stage, Random(1))
            assert not all(map(idle, network.wires.values()))
            await desk.close_client()
            assert "over 0 wires" in early_bytes(stage, Random(1))
            await sleep(10.0)

    seen: list[list[bool]] = []
    network = Network(inward=CUT.inward, outward=CUT.outward)
    run(main, VirtualLoop(network))
    assert not any(one for ones in seen for one in ones)
    assert len(seen) == 4


@pytest.mark.parametrize("own_session", [False, True])
@pytest.mark.parametrize("kind", ["early bytes", "answered twice"])
def test_no_client_takes_them_for_an_answer(kind: str, own_session: bool, seated: Callable[..., Plan]) -> None:  # noqa: FBT001
    plan = seated(own_session=own_session)
    history = happen(
        replace(
            plan,
            conditions=CUT,
            parts=tuple(Part("steady", 0, number / 7, f"steady {number}") for number in range(6)),
            mishaps=tuple(Mishap(kind, number / 13, f"{kind} {number}") for number in range(60)),
            grace=3.0,
        )
    )
    assert history.broken == ()
    assert history.faults >= 20
    assert history.told["accepted"] > 30


def test_a_connection_whose_answer_came_twice_is_used_no_more(calm: Plan) -> None:
    async def main(loop: VirtualLoop) -> None:
        stage = Stage(calm, loop, network, None)
        desk = stage.desks[0]
        async with stage.exchange:
            assert not doubled(stage, Random(1))
            await desk.client.positions()
            await sleep(1.0)  # the user id is confirmed over a connection of its own
            before = set(network.wires)
            for wire in network.wires.values():
                wire.far.outbound.double(1)
            await desk.client.positions()
            await sleep(1.0)
            assert len(before & set(network.wires)) == len(before) - 1
            assert doubled(stage, Random(1))
            await desk.close_client()

    network = Network(inward=Path(0.01), outward=Path(0.01))
    run(main, VirtualLoop(network))
