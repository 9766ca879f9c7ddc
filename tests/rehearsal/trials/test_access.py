"""Exchanges that are wrong about environment, connections, clock or signature: each is named, and nothing else."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from okx_async.simulator.api.codes import error_body
from okx_async.simulator.http.messages import Answer, Request
from tests.rehearsal.world import Alteration, World, named


def quoted_comma(_world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
    if request.raw_path.startswith("/api/v5/account/positions?") and "," in request.raw_path:
        return Answer(401, error_body("50113"), "50113")
    return decide()


def long_head(_world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
    answer = decide()
    return answer._replace(headers={"x-long": "a" * 9000}) if request.raw_path == "/api/v5/public/time" else answer


def ends_connections(_world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
    answer = decide()
    return answer._replace(headers={"Connection": "close"}) if request.raw_path == "/api/v5/public/time" else answer


def short_life(world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
    stamp = request.headers.get("OK-ACCESS-TIMESTAMP")
    age = world.wall() - datetime.fromisoformat(stamp).timestamp() if stamp else 0.0
    answer = decide()
    return Answer(401, error_body("50102"), "50102") if age > 20 and answer.code == "0" else answer


@pytest.mark.share(3)
@pytest.mark.parametrize(
    ("wrong", "alteration"),
    [
        ("query-is-signed-as-sent", quoted_comma),
        ("timestamp-of-25-s-is-taken", short_life),
        ("answers-have-short-heads", long_head),
        ("idle-connections-last-16-s", ends_connections),
    ],
)
def test_an_altered_answer_is_named(tmp_path: Path, wrong: str, alteration: Alteration) -> None:
    assert named(tmp_path, alteration) == ({wrong}, True, ())


@pytest.mark.share(3)
@pytest.mark.parametrize(
    ("wrong", "code", "other"),
    [
        ("environment-is-checked", "50101", "50038"),
        ("old-timestamp-is-50102", "50102", "50112"),
        ("wrong-signature-is-50113", "50113", "50105"),
    ],
)
def test_another_code_is_named(tmp_path: Path, wrong: str, code: str, other: str) -> None:
    def restyle(world: World) -> None:
        world.exchange.restyle(code, to=other)

    assert named(tmp_path, prepare=restyle) == ({wrong}, True, ())


@pytest.mark.share(3)
@pytest.mark.parametrize(("wrong", "setting"), [("body-is-read-before-signature", {"body_first": False})])
def test_another_order_of_checks_is_named(tmp_path: Path, wrong: str, setting: dict[str, Any]) -> None:
    assert named(tmp_path, **setting) == ({wrong}, True, ())
