"""Exchanges whose records of positions are other ones: each is named, and nothing else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from okx_async.simulator.http.messages import Answer, Request
from tests.rehearsal.world import INST, Alteration, World, named, rewrite

WHOLE = "/api/v5/account/positions"


def no_pos_id(world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
    answer = decide()
    if world.trial != "positions-can-be-read" or not request.raw_path.startswith(WHOLE):
        return answer
    return rewrite(answer, lambda body: [record.update(mgnMode=7) for record in body["data"]])


def late(world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
    answer = decide()
    if request.raw_path == "/api/v5/trade/order":
        world.notes["opened"] = world.loop.clock()
    fresh = world.loop.clock() - world.notes.get("opened", -9) < 1
    if not (fresh and world.trial == "filled-order-is-listed-at-once" and request.raw_path.startswith(f"{WHOLE}?")):
        return answer
    return rewrite(answer, lambda body: body["data"].clear())


def stale_whole_list(world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
    answer = decide()
    named_one = request.raw_path.startswith(f"{WHOLE}?")
    if named_one and (data := orjson.loads(answer.body)["data"]) and data[0]["pos"] == "0.01":
        world.notes["record"] = data[0]
    if request.raw_path != WHOLE or world.trial != "flat-is-left-out-of-the-whole-list":
        return answer
    return rewrite(answer, lambda body: body["data"].append(world.notes["record"]))


def flat_is_unlisted(_world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
    answer = decide()
    if not request.raw_path.startswith(f"{WHOLE}?"):
        return answer
    return rewrite(answer, lambda body: body.update(data=[one for one in body["data"] if one["pos"] != "0"]))


def another_pos_id(world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
    return _changed(world, request, decide(), "posId", lambda record: f"17{record['cTime']}")


def same_c_time(world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
    return _changed(world, request, decide(), "cTime", lambda _: "1768519600123")


def _changed(world: World, request: Request, answer: Answer, field: str, value: Callable[[Any], str]) -> Answer:
    reopening = {"pos-id-outlives-a-close", "c-time-is-new-after-reopening"}
    if world.trial not in reopening or not request.raw_path.startswith(WHOLE):
        return answer
    return rewrite(answer, lambda body: [record.update({field: value(record)}) for record in body["data"]])


def no_history(_world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
    answer = decide()
    if "positions-history" not in request.raw_path:
        return answer
    return rewrite(answer, lambda body: body["data"].clear())


@pytest.mark.share(12)
@pytest.mark.parametrize(
    ("wrong", "alteration"),
    [
        ("positions-can-be-read", no_pos_id),
        ("filled-order-is-listed-at-once", late),
        ("flat-is-left-out-of-the-whole-list", stale_whole_list),
        ("flat-is-listed-by-name", flat_is_unlisted),
        ("pos-id-outlives-a-close", another_pos_id),
        ("c-time-is-new-after-reopening", same_c_time),
        ("history-names-the-period", no_history),
    ],
)
def test_altered_records_are_named(tmp_path: Path, wrong: str, alteration: Alteration) -> None:
    assert named(tmp_path, alteration) == ({wrong}, True, ())


@pytest.mark.long
def test_a_c_time_that_stays_over_a_turn_is_named(tmp_path: Path) -> None:
    assert named(tmp_path, flip_keeps_c_time=True) == ({"c-time-is-new-after-a-turn"}, True, ())


def test_the_instrument_of_these_tests_is_the_first_candidate() -> None:
    assert INST == "BTC-USDT-SWAP"


@pytest.mark.long
def test_with_readings_that_lag_nothing_is_left_open(tmp_path: Path) -> None:
    """A position that is not listed yet must not be taken for one that is gone."""

    def lag(world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
        answer = decide()
        if request.method == "POST" and request.raw_path == "/api/v5/trade/order" and answer.code == "0":
            world.notes["opened"] = world.loop.clock()
        fresh = world.loop.clock() - world.notes.get("opened", -9) < 1.5
        if not (fresh and request.raw_path.startswith(WHOLE)):
            return answer
        return rewrite(answer, lambda body: body["data"].clear() if isinstance(body["data"], list) else None)

    wrong, flat, left = named(tmp_path, lag)
    assert "filled-order-is-listed-at-once" in wrong
    assert flat
    assert left == ()
