"""Exchanges that are wrong about environment, connections, clock or signature: each is named, and nothing else."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp.http import SERVER_SOFTWARE

from okx_async import Credentials
from okx_async._rest.requests import positions
from okx_async._rest.signing import Signer
from okx_async.rehearsal.results import TrialResult, Verdict
from okx_async.simulator.api.codes import error_body
from okx_async.simulator.http.messages import Answer, Request
from tests.rehearsal.world import Alteration, World, as_usual, named, play

HEADS = "long-request-heads-are-taken"


def quoted_comma(_world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
    if request.raw_path.startswith("/api/v5/account/positions?") and "," in request.raw_path:
        return Answer(401, error_body("50113"), "50113")
    return decide()


def long_head(_world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
    answer = decide()
    return answer._replace(headers={"x-long": "a" * 9000}) if request.raw_path == "/api/v5/public/time" else answer


def many_lines(_world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
    answer, more = decide(), {f"x-{number}": "a" for number in range(130)}
    return answer._replace(headers=more) if request.raw_path == "/api/v5/public/time" else answer


def hangs_up_on_padding(_world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
    return Answer(0, b"", "") if len(request.headers.get("X-Padding", "")) > 3000 else decide()


def ends_connections(_world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
    answer = decide()
    return answer._replace(headers={"Connection": "close"}) if request.raw_path == "/api/v5/public/time" else answer


def short_life(world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
    stamp = request.headers.get("OK-ACCESS-TIMESTAMP")
    age = world.wall() - datetime.fromisoformat(stamp).timestamp() if stamp else 0.0
    answer = decide()
    return Answer(401, error_body("50102"), "50102") if age > 20 and answer.code == "0" else answer


@pytest.mark.share(6)
@pytest.mark.parametrize(
    ("wrong", "alteration"),
    [
        ("query-is-signed-as-sent", quoted_comma),
        ("timestamp-of-25-s-is-taken", short_life),
        ("answers-have-short-heads", long_head),
        ("answers-have-short-heads", many_lines),
        (HEADS, hangs_up_on_padding),
        ("idle-connections-last-16-s", ends_connections),
    ],
)
def test_an_altered_answer_is_named(tmp_path: Path, wrong: str, alteration: Alteration) -> None:
    assert named(tmp_path, alteration) == ({wrong}, True, ())


@pytest.mark.share(6)
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


@pytest.mark.long
@pytest.mark.parametrize(
    ("wrong", "setting"), [("body-is-read-before-signature", {"body_first": False}), (HEADS, {"max_head": 3000})]
)
def test_another_setting_is_named(tmp_path: Path, wrong: str, setting: dict[str, Any]) -> None:
    assert named(tmp_path, **setting) == ({wrong}, True, ())


def heads(folder: Path, alteration: Alteration = as_usual, **settings: Any) -> TrialResult:
    async def main(world: World) -> TrialResult:
        world.alteration = alteration
        (result,) = (await world.rehearse(ids=frozenset({HEADS}))).results
        return result

    return play(main, folder, **settings)


@pytest.mark.parametrize(
    ("most", "taken", "refused"), [(1024, None, 2048), (5000, 4096, 8192), (20_000, 16_384, 32_768)]
)
def test_the_largest_head_is_between_two_sizes(tmp_path: Path, most: int, taken: int | None, refused: int) -> None:
    result = heads(tmp_path, max_head=most)
    usual = result.observed["head_taken"]
    assert isinstance(usual, int)
    assert result.observed == {"head_taken": taken or usual, "head_refused": refused}
    assert taken is not None or 100 < usual < 300
    assert f"one of {refused} bytes is answered HTTP 400" in result.evidence
    assert result.verdict is (Verdict.HELD if most > 4096 else Verdict.NOT_HELD)


def test_where_no_head_is_refused_the_largest_is_told(tmp_path: Path) -> None:
    assert heads(tmp_path).observed == {"head_taken": 32_768}


def all_refused(world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
    refused = world.trial == HEADS and "X-Padding" in request.headers
    world.notes["down"] = world.notes.get("down", False) or refused
    return Answer(503, b"", "") if world.trial == HEADS and world.notes["down"] else decide()


def for_rate(_world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
    return Answer(429, error_body("50011"), "50011") if "X-Padding" in request.headers else decide()


@pytest.mark.parametrize(("alteration", "words"), [(all_refused, "usual size are refused"), (for_rate, "for rate")])
def test_what_is_refused_whatever_its_size_says_nothing_of_sizes(
    tmp_path: Path, alteration: Alteration, words: str
) -> None:
    result = heads(tmp_path, alteration)
    assert (result.verdict, words in result.evidence) == (Verdict.NOT_TRIED, True)


def test_the_library_s_longest_head_is_as_the_register_says() -> None:
    signer = Signer(Credentials("0f4b2c5e-1111-4222-8333-444455556666", "A" * 32, "p" * 32), demo=True)
    request = positions([f"BTC-USD_UM-2603{day}-160000.5-C" for day in range(10, 20)])
    sent = dict(signer.headers(request.method, request.path, request.body, 1e9))
    sent |= {"Host": "openapi.okx.com", "Accept": "*/*", "User-Agent": SERVER_SOFTWARE}
    lines = [f"{request.method} {request.path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
    assert 512 < len("\r\n".join(lines)) < 1024
