"""The environment and the account, as the exchange tells them: without certainty nothing is opened."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from okx_async import Credentials, InvalidRequestError
from okx_async.rehearsal.environment import CannotRehearseError
from okx_async.simulator.http.messages import Answer, Request
from tests.rehearsal.world import START, Alteration, World, as_usual, play, rewrite

QUICK = frozenset({"closing-nothing-is-51023"})
STRANGER = Credentials("0af1c5d2-1f3a-4c8e-9a3b-5f7e21d0c9ab", "9F3C51E0B7A24D6888E1C0FFEE0DDBA1", "Fjord-8888!x")


def rehearse(
    folder: Path, prepare: Callable[[World], object] = bool, alteration: Alteration = as_usual, **options: Any
) -> Any:
    async def main(world: World) -> Any:
        world.alteration = alteration
        prepare(world)
        if "credentials" in options and callable(options["credentials"]):
            options["credentials"] = options["credentials"](world)
        try:
            return await world.rehearse(ids=QUICK, **options)
        finally:
            assert not any(row.executed for row in world.exchange.journal)

    return play(main, folder)


def test_a_live_key_is_refused_in_demo_trading(tmp_path: Path) -> None:
    with pytest.raises(CannotRehearseError, match=r"50101.*nothing was opened.*leave demo"):
        rehearse(tmp_path, credentials=lambda world: world.exchange.credentials)


def test_an_exchange_that_does_not_look_at_the_environment_is_not_traded_on(tmp_path: Path) -> None:
    def takes_all(_world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
        return decide() if request.headers.get("x-simulated-trading") else answers["config"]

    answers: dict[str, Answer] = {}

    def keeps(world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
        if request.headers.get("x-simulated-trading") or "config" not in request.raw_path:
            answer = decide()
            answers.setdefault("config", answer) if "config" in request.raw_path else None
            return answer
        return takes_all(world, request, decide)

    with pytest.raises(CannotRehearseError, match="not certain which environment"):
        rehearse(tmp_path, alteration=keeps)


@pytest.mark.parametrize("given", [None, "123"])
def test_live_trading_needs_the_uid_of_the_account(tmp_path: Path, given: str | None) -> None:
    with pytest.raises(InvalidRequestError, match="--live-uid"):
        rehearse(tmp_path, credentials=lambda world: world.exchange.credentials, demo=False, live_uid=given)


def test_live_trading_with_the_uid_goes(tmp_path: Path) -> None:
    uids: list[str] = []

    async def main(world: World) -> Any:
        uids.append(world.exchange.user_id)
        return await world.rehearse(
            ids=QUICK, credentials=world.exchange.credentials, demo=False, live_uid=world.exchange.user_id
        )

    assert play(main, tmp_path)


def test_an_unknown_key_is_told_with_its_remedy(tmp_path: Path) -> None:
    with pytest.raises(CannotRehearseError, match=r"50119.*first check the account's home"):
        rehearse(tmp_path, credentials=STRANGER)


def test_a_key_without_trade_permission_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotRehearseError, match="may not trade"):
        rehearse(tmp_path, credentials=lambda world: world.exchange.add_key(world.account, perm="read_only"))


def test_spot_mode_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotRehearseError, match="Spot mode"):
        rehearse(tmp_path, credentials=lambda world: world.exchange.add_account(demo=True, acct_lv="1").credentials)


def test_an_unknown_position_mode_is_refused(tmp_path: Path) -> None:
    def other(_world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
        answer = decide()
        if "config" not in request.raw_path or answer.code != "0":
            return answer
        return rewrite(answer, lambda body: body["data"][0].update(posMode="hedge"))

    with pytest.raises(CannotRehearseError, match="position mode"):
        rehearse(tmp_path, alteration=other)


@pytest.mark.parametrize("code", ["50001", "50013"])
def test_an_exchange_under_maintenance_is_told(tmp_path: Path, code: str) -> None:
    def down(world: World) -> None:
        world.exchange.inject(code, path=None, times=None, counted=False)

    with pytest.raises(CannotRehearseError, match=code):
        rehearse(tmp_path, down)


def test_a_wrong_clock_of_this_machine_does_not_matter(tmp_path: Path) -> None:
    async def main(world: World) -> Any:
        world.wall = lambda: START - 3600 + world.loop.clock()  # type: ignore[method-assign]
        return await world.rehearse(ids=frozenset({"timestamp-of-25-s-is-taken", "confirm-proves-flat"}))

    assert play(main, tmp_path)
