"""Exchanges that check in another order: each is named, and nothing else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from okx_async.rehearsal.results import TrialResult, Verdict
from okx_async.rehearsal.trials.orders import CLOSE, LOGIN
from okx_async.simulator.api.behaviour import AUTH_CHECKS, CLOSE_CHECKS
from okx_async.simulator.api.codes import error_body
from okx_async.simulator.http.messages import Answer, Request
from tests.rehearsal.world import Alteration, World, as_usual, body_of, is_close, named, play

OF_LOGIN, OF_CLOSE = "login-is-checked-in-order", "parameters-are-checked-in-order"


def first(checks: tuple[str, ...], *names: str) -> tuple[str, ...]:
    return (*names, *(name for name in checks if name not in names))


def tried(folder: Path, trial: str, alteration: Alteration = as_usual, **settings: Any) -> tuple[TrialResult, int]:
    """Try one assumption; return the result, and the number of requests."""

    async def main(world: World) -> tuple[TrialResult, int]:
        world.alteration = alteration
        (result,) = (await world.rehearse(ids=frozenset({trial}))).results
        return result, sum(exchange.trial == trial for exchange in world.seen)

    return play(main, folder, **settings)


def test_the_assumed_orders_are_those_of_the_simulated_exchange() -> None:
    assert tuple(name for name in AUTH_CHECKS if name != "ip") == LOGIN
    assert tuple(name for name in CLOSE_CHECKS if name in CLOSE) == CLOSE


@pytest.mark.share(12)
@pytest.mark.parametrize(
    ("wrong", "setting"),
    [
        (OF_LOGIN, {"auth_checks": ("key", "environment", "passphrase", "ip", "signature", "timestamp", "headers")}),
        (OF_LOGIN, {"auth_checks": first(AUTH_CHECKS, "timestamp")}),
        (OF_CLOSE, {"close_checks": first(CLOSE_CHECKS, "instId", "ids")}),
        (OF_CLOSE, {"close_checks": first(CLOSE_CHECKS, "instId", "instrument", "posSide")}),
    ],
)
def test_another_order_is_named(tmp_path: Path, wrong: str, setting: dict[str, Any]) -> None:
    assert named(tmp_path, **setting) == ({wrong}, True, ())


@pytest.mark.parametrize(
    "order",
    [
        LOGIN,
        ("key", "signature", "timestamp", "passphrase", "environment", "headers"),
        ("timestamp", "key", "passphrase", "headers", "signature", "environment"),
        ("headers", "key", "environment", "passphrase", "timestamp", "signature"),
    ],
)
def test_every_order_of_a_login_is_told(tmp_path: Path, order: tuple[str, ...]) -> None:
    result, requests = tried(tmp_path, OF_LOGIN, auth_checks=(*order, "ip"))
    told = [*order]
    if order.index("passphrase") < order.index("headers"):  # a missing passphrase is missed where it is needed
        told.remove("headers")
        told.insert(told.index("passphrase"), "headers")
    assert result.observed == {"auth_checks": " ".join(told)}
    assert result.verdict is (Verdict.HELD if order == LOGIN else Verdict.NOT_HELD)
    assert requests == len(LOGIN) - 1


@pytest.mark.parametrize("pos_mode", ["net_mode", "long_short_mode"])
@pytest.mark.parametrize("late", ["autoCxl", "posSide", "instrument", "mgnMode"])
def test_what_is_checked_after_the_position_or_never_is_told_as_the_last(
    tmp_path: Path, late: str, pos_mode: str
) -> None:
    """Whether it is checked at all, its own trial tells; a margin mode has none."""
    order = (*(name for name in CLOSE_CHECKS if name != late), late)
    result, _ = tried(tmp_path, OF_CLOSE, close_checks=order, pos_mode=pos_mode)
    assert result.observed == {"close_checks": " ".join(name for name in order if name in CLOSE)}
    assert result.verdict is (Verdict.NOT_HELD if late == "mgnMode" else Verdict.HELD)


def without_names(_world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
    answer = decide()
    return Answer(400, error_body("51000", "Parameter error"), "51000") if is_close(request) else answer


def with_all_names(_world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
    answer = decide()
    words = f"one of {', '.join(body_of(request))} is wrong"
    return Answer(400, error_body("51000", words), "51000") if is_close(request) else answer


def busy(_world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
    wrong = "OK-ACCESS-PASSPHRASE" not in request.headers and "OK-ACCESS-KEY" in request.headers
    return Answer(429, error_body("50011"), "50011") if wrong else decide()


def blocked(_world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
    wrong = "OK-ACCESS-PASSPHRASE" not in request.headers and "OK-ACCESS-KEY" in request.headers
    return Answer(403, b"<html>", "", "text/html") if wrong else decide()


@pytest.mark.parametrize(
    ("trial", "alteration", "told"),
    [
        (OF_CLOSE, without_names, "answered 51000 under HTTP 400, which names none"),
        (OF_CLOSE, with_all_names, "answered 51000 under HTTP 400, which names none"),
        (OF_LOGIN, busy, "answered 50011 under HTTP 429, which names none"),
        (OF_LOGIN, blocked, "answered HTTP 403, which names none"),
    ],
)
def test_an_answer_that_names_nothing_ends_the_trial(
    tmp_path: Path, trial: str, alteration: Alteration, told: str
) -> None:
    result, _ = tried(tmp_path, trial, alteration)
    assert result.verdict is Verdict.NOT_TRIED
    assert told in result.evidence
    assert result.observed == {}
