import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from okx_async import OutcomeUnknownError
from okx_async.simulator import Network, Path, VirtualLoop, run
from okx_async.simulator.api.endpoints import CLOSE_PATH
from okx_async.simulator.faults.catalogue import CATALOGUE
from okx_async.torture import History, Plan, happen
from okx_async.torture.mishaps import HELD, LIE, MISHAPS, strike
from okx_async.torture.plan import Mishap, NetworkConditions, Part
from okx_async.torture.stage import Stage

BUSY = (Part("siege", 0, 0.0, "siege"), Part("siege", 0, 0.0, "siege too"))


BY_NAME = [kind for kind in MISHAPS if kind in CATALOGUE]
GROUPS = 14


@pytest.fixture
def mishap_count(calm: Plan) -> Callable[[list[str]], History]:
    """Let each of some mishaps happen three times to a busy client that does not know its user id."""

    def result(kinds: list[str]) -> History:
        mishaps = tuple(
            Mishap(kind, at + number / 20, f"{kind} {at}")
            for number, kind in enumerate(kinds)
            for at in (0.0, 1.1, 3.3)
        )
        seats = (replace(calm.seats[0], knows_user_id=False),)
        conditions = replace(calm.conditions, freeze=0.4)
        readers = tuple(Part("reader", 0, at, f"reader {at}") for at in (0.0, 1.0, 2.0, 3.3))
        return happen(
            replace(calm, parts=(*BUSY, *readers), mishaps=mishaps, seats=seats, conditions=conditions, grace=3.0)
        )

    return result


@pytest.mark.share(8)
@pytest.mark.parametrize("kind", [kind for kind in MISHAPS if kind not in CATALOGUE])
def test_each_mishap_happens_and_breaks_nothing(kind: str, mishap_count: Callable[[list[str]], History]) -> None:
    history = mishap_count([kind])
    assert history.broken == ()
    assert history.faults > 0


@pytest.mark.share(6)
@pytest.mark.parametrize("first", range(GROUPS))
def test_so_does_each_fault_of_the_catalogue(first: int, mishap_count: Callable[[list[str]], History]) -> None:
    kinds = BY_NAME[first::GROUPS]  # of all kinds: those of one endpoint would be in each other's way
    history = mishap_count(kinds)
    assert history.broken == ()
    assert history.faults >= len(kinds)


def test_all_faults_of_the_catalogue_are_mishaps() -> None:
    assert set(CATALOGUE) - set(MISHAPS) == {HELD, LIE}  # the first is what "proxy" does


@pytest.mark.share(3)
@pytest.mark.parametrize("kind", ["wire reset", "silence", "stall", "deaf", "hang-up", "late", "proxy"])
def test_what_the_worst_of_them_do_to_a_caller_is_an_unknown_outcome(kind: str, calm: Plan) -> None:
    mishaps = tuple(Mishap(kind, number / 10, f"{kind} {number}") for number in range(60))
    conditions = NetworkConditions(Path(0.1, 0.1), Path(0.1, 0.1))
    history = happen(replace(calm, parts=BUSY, mishaps=mishaps, conditions=conditions, grace=3.0))
    assert history.broken == ()
    assert history.told["unknown"] > 0


@pytest.mark.share(3)
@pytest.mark.parametrize("kind", ["refused", "swallowed", "slow"])
def test_what_befalls_connecting_only_sends_nothing(kind: str, calm: Plan) -> None:
    mishaps = tuple(Mishap(kind, number / 4, f"{kind} {number}") for number in range(20))
    seats = (replace(calm.seats[0], keepalive=0.5, connect_timeout=0.3),)
    parts = tuple(Part("idle", 0, number / 5, f"idle {number}") for number in range(12))
    history = happen(replace(calm, parts=parts, mishaps=mishaps, seats=seats))
    assert history.broken == ()
    assert history.told["not sent"] > 0
    assert "unknown" not in history.told


class LastOf(Random):
    """Draws the last of several: the newest connection, its server's end, the longest time."""

    def choice(self, seq: Sequence[Any]) -> Any:  # type: ignore[override]
        return seq[-1]


@pytest.mark.parametrize(("answered", "rows"), [(False, 1), (True, 2)])
def test_what_a_server_left_unread_is_not_counted_once_the_grace_is_over(
    calm: Plan,
    rows: int,
    *,
    answered: bool,
) -> None:
    """Seed 2611291830050 broke "windows": a server read nothing for 6 s, and the reset was lost in an outage."""
    network = Network()
    conditions = NetworkConditions(Path(0.01), Path(0.01))
    seat = replace(calm.seats[0], timeout=10.0 if answered else 2.0, max_connections=1)
    plan = replace(calm, seats=(seat,), conditions=conditions)

    async def story(loop: VirtualLoop) -> None:
        stage = Stage(plan, loop, network, [])
        async with stage.exchange:
            stage.exchange.open_position("S0-USDT-SWAP", "3", account=stage.accounts[0])
            client = stage.desks[0].client
            await client.close_position("S0-USDT-SWAP", "cross")
            await asyncio.sleep(1.0)  # its user id is looked up meanwhile
            stage.exchange.open_position("S0-USDT-SWAP", "3", account=stage.accounts[0])
            strike("deaf", stage, LastOf())
            second = asyncio.create_task(client.close_position("S0-USDT-SWAP", "cross"))
            await asyncio.sleep(1.0)
            if not answered:
                network.outage(3.0)
            results = await asyncio.gather(second, return_exceptions=True)
            assert isinstance(results[0], OutcomeUnknownError) is not answered
            await asyncio.sleep(10.0)
            assert sum(row.path == CLOSE_PATH for row in stage.exchange.journal) == rows
            await stage.desks[0].close_client()

    run(story, VirtualLoop(network))
