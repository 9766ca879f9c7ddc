"""Exchanges that refuse in another way: each is named, and nothing else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from okx_async.rehearsal.results import Verdict
from okx_async.simulator.api.codes import error_body
from okx_async.simulator.http.messages import Answer, Request
from tests.rehearsal.world import Alteration, World, body_of, is_close, named, play


def refuse(code: str, status: int = 200) -> Answer:
    return Answer(status, error_body(code), code)


def other_word_for_nothing(world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
    answer = decide()
    open_here = any(one.inst_id == body_of(request).get("instId") for one in world.exchange.positions)
    return refuse("51169") if is_close(request) and answer.code == "51023" and not open_here else answer


def side_is_ignored(_world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
    answer = decide()
    wrong = is_close(request) and b"posSide" in answer.body and answer.code == "51000"
    return refuse("51023") if wrong else answer


def empty_is_wrong(_world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
    return refuse("51000", 400) if is_close(request) and body_of(request).get("tag") == "" else decide()


def cancel_without_item(_world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
    answer = decide()
    return refuse("51400") if request.raw_path.endswith("cancel-batch-orders") and answer.code == "51400" else answer


@pytest.mark.share(6)
@pytest.mark.parametrize(
    ("wrong", "alteration"),
    [
        ("closing-nothing-is-51023", other_word_for_nothing),
        ("wrong-side-is-51000", side_is_ignored),
        ("empty-parameters-count-as-absent", empty_is_wrong),
        ("cancel-of-nothing-is-51400", cancel_without_item),
    ],
)
def test_an_altered_refusal_is_named(tmp_path: Path, wrong: str, alteration: Alteration) -> None:
    assert named(tmp_path, alteration) == ({wrong}, True, ())


@pytest.mark.share(6)
@pytest.mark.parametrize(
    ("wrong", "code", "other"),
    [("unknown-instrument-is-51001", "51001", "51015"), ("unknown-order-is-51603", "51603", "51001")],
)
def test_another_code_is_named(tmp_path: Path, wrong: str, code: str, other: str) -> None:
    def restyle(world: World) -> None:
        world.exchange.restyle(code, to=other)

    assert named(tmp_path, prepare=restyle) == ({wrong}, True, ())


@pytest.mark.long
def test_orders_that_outlive_their_expiry_are_named_and_closed(tmp_path: Path) -> None:
    assert named(tmp_path, heeds_exp_time=False) == ({"expired-order-is-refused"}, True, ())


@pytest.mark.parametrize(("code", "held"), [("50037", Verdict.HELD), ("51008", Verdict.NOT_TRIED)])
def test_another_refusal_of_an_expired_order(tmp_path: Path, code: str, held: Verdict) -> None:
    async def main(world: World) -> Any:
        world.exchange.restyle("50036", to=code)
        report = await world.rehearse(ids=frozenset({"expired-order-is-refused"}))
        return report, world.exchange.trades

    report, trades = play(main, tmp_path)
    assert (report.results[0].verdict, trades, report.left.flat) == (held, (), True)


@pytest.mark.long
def test_booleans_as_text_are_named(tmp_path: Path) -> None:
    assert named(tmp_path, lenient_booleans=False) == ({"auto-cxl-as-text-is-taken"}, True, ())
