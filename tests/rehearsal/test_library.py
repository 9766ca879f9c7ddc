"""The library's client in a rehearsal."""

from pathlib import Path
from typing import Any

import pytest

from okx_async import Limiter, NothingToCloseError, OutcomeUnknownError
from okx_async.rehearsal.exchanges import current_trial
from okx_async.rehearsal.library import ObservedClient
from tests.rehearsal.world import INST, World, play


def client_of(world: World) -> ObservedClient:
    return ObservedClient(
        world.account.credentials,
        world.seen.append,
        base_url=world.exchange.base_url,
        wall_clock=world.wall,
        demo=True,
        user_id=world.account.user_id,
        limiter=Limiter(clock=world.loop.clock),
    )


def test_every_request_of_it_is_observed_with_its_trial(tmp_path: Path) -> None:
    async def main(world: World) -> Any:
        world.exchange.open_position(INST, 3, account=world.account)
        async with client_of(world) as client:
            current_trial.set("a-trial")
            report = await client.flatten()
            with pytest.raises(NothingToCloseError):
                await client.close_position(INST, "cross")
        return report.flat, world.seen, world.exchange.journal

    flat, seen, journal = play(main, tmp_path)
    assert flat
    assert sorted(one.path for one in seen) == sorted(row.path for row in journal)
    assert {one.trial for one in seen} == {"a-trial"}
    closes = [one for one in seen if one.method == "POST"]
    assert all(one.answer_body and one.request_body and "OK-ACCESS-SIGN" in one.request_headers for one in closes)
    assert all(one.started < one.ended for one in seen)


def test_what_has_no_answer_is_observed_too(tmp_path: Path) -> None:
    async def main(world: World) -> Any:
        world.exchange.inject(disconnect=True)
        async with client_of(world) as client:
            with pytest.raises(OutcomeUnknownError):
                await client.close_position(INST, "cross")
        return world.seen

    (seen,) = [one for one in play(main, tmp_path) if one.method == "POST"]
    assert (seen.status, seen.answer_body, bool(seen.failure)) == (0, b"", True)
