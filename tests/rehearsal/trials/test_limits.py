"""Exchanges that count in another way: each is named, and nothing else."""

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from okx_async.simulator.api.codes import error_body
from okx_async.simulator.http.messages import Answer, Request
from tests.rehearsal.world import INST, Alteration, World, body_of, is_close, named

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


@pytest.mark.share(3)
@pytest.mark.parametrize(
    ("wrong", "alteration"),
    [
        ("twenty-first-close-is-50011", fifteen),
        ("instruments-are-counted-apart", one_limit_for_all),
        ("hosts-share-one-limit", one_limit_a_host),
        ("options-are-counted-by-family", one_limit_an_option),
    ],
)
def test_an_altered_count_is_named(tmp_path: Path, wrong: str, alteration: Alteration) -> None:
    assert named(tmp_path, alteration) == ({wrong}, True, ())


@pytest.mark.share(3)
@pytest.mark.parametrize(
    ("wrong", "setting"),
    [
        ("window-is-sliding", {"window": "fixed"}),
        ("refused-requests-count", {"count_rejected": False}),
        ("signature-is-checked-before-rate", {"rate_first": True}),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_another_setting_is_named(tmp_path: Path, wrong: str, setting: dict[str, Any], seed: int) -> None:
    assert named(tmp_path, seed=seed, **setting) == ({wrong}, True, ())
