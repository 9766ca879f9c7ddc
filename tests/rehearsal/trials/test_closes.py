"""Exchanges that close in another way: each is named, and nothing else, and all of it ends flat."""

from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Any

import orjson
import pytest

from okx_async.rehearsal.results import Verdict
from okx_async.simulator.api.behaviour import CLOSE_CHECKS
from okx_async.simulator.api.codes import error_body
from okx_async.simulator.http.messages import Answer, Request
from tests.rehearsal.world import INST, Alteration, World, body_of, is_close, named, play, rewrite, verdicts


def refuse(code: str, status: int = 200) -> Answer:
    return Answer(status, error_body(code), code)


def accept(request: Request) -> Answer:
    """Return an acceptance after which nothing happens."""
    item = {"instId": body_of(request)["instId"], "posSide": "net", "clOrdId": "", "tag": ""}
    return Answer(200, orjson.dumps({"code": "0", "data": [item], "msg": ""}), "0")


def other_side_in_echo(_world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
    answer = decide()
    if not (is_close(request) and answer.code == "0"):
        return answer
    return rewrite(answer, lambda body: body["data"][0].update(posSide="long"))


def mode_is_checked(_world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
    isolated = is_close(request) and body_of(request).get("mgnMode") == "isolated"
    return refuse("51000", 400) if isolated else decide()


def wrong_mode_closes(world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
    answer = decide()
    if is_close(request) and body_of(request).get("mgnMode") == "isolated":
        world.exchange.open_position(INST, 0, account=world.account)
    return answer


def order_rests_on(world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
    before = world.exchange.pending_orders
    answer = decide()
    if is_close(request) and body_of(request).get("autoCxl") and answer.code == "0":
        for order in before:
            world.exchange.add_pending_order(INST, side="sell", cl_ord_id=order.cl_ord_id, account=world.account)
    return answer


def close_has_no_order(world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
    closes = world.notes.setdefault("closes", set())
    if is_close(request):
        closes.add(body_of(request).get("clOrdId"))
    _, found, cl_ord_id = request.raw_path.partition("/trade/order?instId=BTC-USDT-SWAP&clOrdId=")
    return refuse("51603") if found and cl_ord_id in closes else decide()


def id_once_only(world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
    closes = world.notes.setdefault("closes", set())
    cl_ord_id = body_of(request).get("clOrdId") if is_close(request) else None
    if cl_ord_id in closes:
        return refuse("51016")
    answer = decide()
    if cl_ord_id and answer.code == "0":
        closes.add(cl_ord_id)
    return answer


def second_close_turns(world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
    answer = decide()
    if is_close(request) and answer.code == "51032":
        world.exchange.reopen(INST, "-0.01", after=0.3, account=world.account)
    return answer


def nothing_follows(trial: str) -> Alteration:
    """Return an exchange that accepts closes during a trial, and does nothing."""

    def alteration(world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
        return accept(request) if is_close(request) and world.trial == trial else decide()

    return alteration


@pytest.mark.share(12)
@pytest.mark.parametrize(
    ("wrong", "alteration"),
    [
        ("echo-names-the-side", other_side_in_echo),
        ("wrong-margin-mode-is-51023", mode_is_checked),
        ("wrong-margin-mode-is-51023", wrong_mode_closes),
        ("auto-cxl-cancels-first", order_rests_on),
        ("close-carries-its-cl-ord-id", close_has_no_order),
        ("ended-cl-ord-id-may-be-used-again", id_once_only),
        ("overlapping-closes-never-turn-a-position", second_close_turns),
        ("accepted-close-goes-flat", nothing_follows("accepted-close-goes-flat")),
        ("confirm-proves-flat", nothing_follows("confirm-proves-flat")),
        ("batch-closes", nothing_follows("batch-closes")),
        ("flatten-proves-flat", nothing_follows("flatten-proves-flat")),
    ],
)
def test_an_altered_close_is_named(tmp_path: Path, wrong: str, alteration: Alteration) -> None:
    assert named(tmp_path, alteration) == ({wrong}, True, ())


@pytest.mark.long
def test_slow_closes_are_named(tmp_path: Path) -> None:
    assert named(tmp_path, fill_delay=12.0) == ({"accepted-close-goes-flat"}, True, ())


@pytest.mark.parametrize("settings", [{"fill_delay": 60.0}, {"fill_delay": inf}, {"fill": 0.5}])
def test_closes_that_never_end_are_named_before_the_rest_is_left(tmp_path: Path, settings: dict[str, float]) -> None:
    ids = frozenset({"positions-can-be-read", "accepted-close-goes-flat", "echo-names-the-side"})

    async def main(world: World) -> Any:
        return await world.rehearse(ids=ids)

    report = play(main, tmp_path, **settings)
    assert verdicts(report)["not_held"] == {"accepted-close-goes-flat"}
    assert "after code 0" in next(one.evidence for one in report.results if one.verdict is Verdict.NOT_HELD)
    assert len(report.results) == len(ids)
    assert (report.left.flat, report.left.certain) == (False, True)


def test_what_another_program_opens_beside_a_close_says_nothing_of_it(tmp_path: Path) -> None:
    def opens(world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
        answer = decide()
        if is_close(request) and answer.code == "0":
            world.exchange.reopen(INST, "7", after=0.5, account=world.account)
        return answer

    async def main(world: World) -> Any:
        world.alteration = opens
        return await world.rehearse(ids=frozenset({"accepted-close-goes-flat"}))

    report = play(main, tmp_path, fill_delay=0.45)
    assert verdicts(report)["not_tried"] == {"accepted-close-goes-flat"}
    assert "another program" in report.results[0].evidence
    assert (report.left.flat, report.left.certain) == (False, False)


@pytest.mark.long
def test_auto_cxl_is_taken_whenever_its_form_is_checked(tmp_path: Path) -> None:
    checks = (*(one for one in CLOSE_CHECKS if one != "autoCxl"), "autoCxl")
    assert named(tmp_path, close_checks=checks, lenient_booleans=False) == (set(), True, ())


def test_a_wrong_mode_that_closes_another_program_s_position_ends_it(tmp_path: Path) -> None:
    def opens(world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
        if is_close(request) and body_of(request).get("mgnMode") == "isolated":
            world.exchange.open_position(INST, 5, "isolated", account=world.account)
        return decide()

    async def main(world: World) -> Any:
        world.alteration = opens
        return await world.rehearse(ids=frozenset({"wrong-margin-mode-is-51023"}))

    report = play(main, tmp_path)
    assert "a close of nothing" in report.stopped
    assert report.left.flat
    assert verdicts(report)["not_tried"] == {"wrong-margin-mode-is-51023"}


@pytest.mark.long
def test_orders_that_are_looked_at_first_are_named(tmp_path: Path) -> None:
    checks = ("orders", *(one for one in CLOSE_CHECKS if one != "orders"))
    assert named(tmp_path, close_checks=checks) == ({"position-is-checked-before-orders"}, True, ())


def test_a_refusal_that_names_neither_position_nor_orders_says_nothing_of_both(tmp_path: Path) -> None:
    def refused(_world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
        answer = decide()
        wrong = is_close(request) and body_of(request).get("mgnMode") == "isolated"
        return Answer(400, error_body("51000"), "51000") if wrong else answer

    async def main(world: World) -> Any:
        world.alteration = refused
        return await world.rehearse(ids=frozenset({"position-is-checked-before-orders"}))

    report = play(main, tmp_path)
    assert verdicts(report)["not_tried"] == {"position-is-checked-before-orders"}
    assert report.left.flat


@pytest.mark.long
def test_another_code_for_resting_orders_is_named(tmp_path: Path) -> None:
    def restyle(world: World) -> None:
        world.exchange.restyle("51115", to="51117")

    assert named(tmp_path, prepare=restyle) == ({"resting-close-order-is-51115"}, True, ())


def test_sides_that_are_closed_together_are_named(tmp_path: Path) -> None:
    def both(world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
        answer = decide()
        if is_close(request) and answer.code == "0" and body_of(request).get("posSide") == "long":
            world.exchange.open_position(INST, 0, pos_side="short", account=world.account)
        return answer

    assert named(tmp_path, both, pos_mode="long_short_mode") == ({"sides-are-closed-apart"}, True, ())
