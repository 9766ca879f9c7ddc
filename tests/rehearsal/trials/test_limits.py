"""Exchanges that count in another way: each is named, and nothing else."""

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from okx_async.rehearsal.results import Verdict
from okx_async.simulator.api.codes import error_body
from okx_async.simulator.http.messages import Answer, Request
from tests.rehearsal.world import INST, Alteration, World, body_of, is_close, named, play, verdicts

OPTIONS = "options-are-counted-by-family"
HOSTS = "hosts-share-one-limit"
SIGN = "OK-ACCESS-SIGN"
REFUSAL = Answer(429, error_body("50011"), "50011")


def fifteen(world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
    if not (is_close(request) and body_of(request).get("instId") == INST) or request.headers[SIGN].startswith("AAA"):
        return decide()
    times: deque[float] = world.notes.setdefault("times", deque())
    now = world.loop.clock()
    while times and times[0] <= now - 2:
        times.popleft()
    full = len(times) >= 15
    times.append(now)
    return REFUSAL if full else decide()


def one_limit_for_all(world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
    inst_id = body_of(request).get("instId") if is_close(request) else INST
    return REFUSAL if world.trial == "twenty-first-close-is-50011" and inst_id != INST else decide()


def one_limit_a_host(_world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
    answer = decide()
    there = request.headers.get("Host", "").startswith("localhost")
    return Answer(200, error_body("51023"), "51023") if there and answer.code == "50011" else answer


def one_limit_an_option(_world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
    answer = decide()
    option = is_close(request) and str(body_of(request).get("instId")).count("-") == 4
    return Answer(200, error_body("51023"), "51023") if option and answer.code == "50011" else answer


@pytest.mark.share(6)
@pytest.mark.parametrize(
    ("wrong", "alteration"),
    [
        ("twenty-first-close-is-50011", fifteen),
        ("instruments-are-counted-apart", one_limit_for_all),
        (HOSTS, one_limit_a_host),
        (OPTIONS, one_limit_an_option),
    ],
)
def test_an_altered_count_is_named(tmp_path: Path, wrong: str, alteration: Alteration) -> None:
    assert named(tmp_path, alteration) == ({wrong}, True, ())


@pytest.mark.share(12)
@pytest.mark.parametrize(
    ("wrong", "setting"),
    [
        ("window-is-sliding", {"window": "fixed"}),
        ("refused-requests-count", {"count_rejected": False}),
        ("signature-is-checked-before-rate", {"rate_first": True}),
        ("limit-is-checked-before-parameters", {"form_first": True}),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_another_setting_is_named(tmp_path: Path, wrong: str, setting: dict[str, Any], seed: int) -> None:
    assert named(tmp_path, seed=seed, **setting) == ({wrong}, True, ())


@pytest.mark.long
@pytest.mark.parametrize("limit", [10, 30])
def test_another_limit_says_nothing_of_what_shares_it(tmp_path: Path, limit: int) -> None:
    async def main(world: World) -> Any:
        return await world.rehearse()

    report = play(main, tmp_path, limits={"trade/close-position": limit})
    assert verdicts(report)["not_held"] == {"twenty-first-close-is-50011"}
    assert verdicts(report)["not_tried"] >= {OPTIONS, HOSTS}


@pytest.mark.parametrize("trial", ["closing-nothing-is-51023", "twenty-first-close-is-50011", OPTIONS, HOSTS])
def test_a_close_of_nothing_that_closes_something_is_told_and_ends_it(tmp_path: Path, trial: str) -> None:
    """Another program opens a position where the trial closes nothing."""

    async def main(world: World) -> Any:
        def opens(world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
            if is_close(request) and world.trial == trial and "opened" not in world.notes:
                world.notes["opened"] = body_of(request)["instId"]
                world.exchange.open_position(world.notes["opened"], 5, account=world.account)
            return decide()

        world.alteration = opens
        report = await world.rehearse(ids=frozenset({trial, "window-is-sliding"}))
        return report, world.notes["opened"]

    report, inst_id = play(main, tmp_path)
    assert f"a close of nothing on {inst_id} was accepted" in report.stopped
    assert verdicts(report)["not_held"] == set()
    assert report.results[-1].verdict is Verdict.NOT_TRIED
    assert not report
    assert report.left.flat
