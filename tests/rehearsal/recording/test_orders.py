"""Requests that tell which check comes first, and the orders that are settled by them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from okx_async.rehearsal.assumptions import BY_ID
from okx_async.rehearsal.recording.document import Recording
from okx_async.rehearsal.recording.entry import Entry, Login
from okx_async.rehearsal.recording.orders import ORDERS, arranged, settled_orders, tells_order
from okx_async.rehearsal.recording.replay import replay
from okx_async.rehearsal.recording.settle import settle
from okx_async.rehearsal.results import TrialResult, Verdict
from okx_async.simulator.api.behaviour import AUTH_CHECKS, CLOSE_CHECKS
from tests.rehearsal.trials.test_orders import OF_CLOSE, OF_LOGIN, first

USUAL: dict[str, Any] = {
    "at": 0.0,
    "took": 0.1,
    "method": "POST",
    "path": "/api/v5/trade/close-position",
    "status": 200,
}
SIGNED = Login("own", "own", "right", 0.0, demo=True)
WRONG = Login("own", "own", "wrong", 0.0, demo=True)
NO_MODE, CROSS = {"json": {"mgnMode": "none"}}, {"json": {"mgnMode": "cross"}}


@pytest.mark.parametrize(
    ("trial", "login", "sent", "told"),
    [
        ("body-is-read-before-signature", WRONG, None, True),
        ("twenty-first-close-is-50011", WRONG, CROSS, True),
        ("twenty-first-close-is-50011", SIGNED, NO_MODE, True),
        ("twenty-first-close-is-50011", SIGNED, CROSS, False),
        ("signature-is-checked-before-rate", None, None, False),
        ("wrong-signature-is-50113", WRONG, None, False),
        (OF_LOGIN, SIGNED, None, True),
        (OF_CLOSE, SIGNED, CROSS, True),
        ("position-is-checked-before-orders", SIGNED, CROSS, False),
        ("position-is-checked-before-orders", SIGNED, {"json": {"mgnMode": "isolated"}}, True),
    ],
)
def test_only_requests_with_several_faults_tell_an_order(
    trial: str, login: Login | None, sent: dict[str, Any] | None, *, told: bool
) -> None:
    assert tells_order(Entry(**USUAL, trial=trial, login=login, sent=sent)) is told


def test_the_trials_are_of_the_register() -> None:
    assert {trial for trials, _ in ORDERS.values() for trial in trials} <= set(BY_ID)


@pytest.mark.parametrize(
    ("told", "made"),
    [
        ("", "a b c d e"),
        ("a c e", "a b c d e"),
        ("e a", "b c d e a"),
        ("d b", "a c d b e"),
        ("c b a", "c b a d e"),
        ("b b x a", "b a c d e"),
    ],
)
def test_what_was_not_told_stays_near_its_place(told: str, made: str) -> None:
    assert " ".join(arranged("abcde", told.split())) == made


def test_what_several_trials_tell_of_one_order_is_put_together() -> None:
    assert arranged("abcde", "dc", "ba") == tuple("bade"[:2] + "dce")
    assert arranged("abcde", "ca", "ab") == tuple("cabde")
    assert sorted(arranged("abcde", "ca", "ac")) == [*"abcde"]  # a stranger's, which cannot be
    results = [
        TrialResult(OF_CLOSE, Verdict.HELD, "", {"close_checks": "mgnMode instId position"}),
        TrialResult("position-is-checked-before-orders", Verdict.NOT_HELD, "", {"close_checks": "orders position"}),
    ]
    ((name, order),) = settled_orders(results)
    assert name == "close_checks"
    places = [order.index(each) for each in ("mgnMode", "instId", "orders", "position")]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("trial", "observed"),
    [
        (OF_LOGIN, {"auth_checks": "signature key"}),  # of no key there is a signature
        (OF_LOGIN, {"close_checks": "position instId"}),
        (OF_CLOSE, {}),
    ],
)
def test_what_a_stranger_tells_of_an_order_settles_nothing(trial: str, observed: dict[str, Any]) -> None:
    assert [*settled_orders([TrialResult(trial, Verdict.HELD, "", observed)])] == []


@pytest.mark.share(4)
@pytest.mark.parametrize(
    ("trial", "name", "order", "told"),
    [
        (OF_LOGIN, "auth_checks", AUTH_CHECKS, "headers timestamp key environment passphrase signature"),
        (OF_LOGIN, "auth_checks", first(AUTH_CHECKS, "timestamp"), "timestamp headers key environment"),
        (OF_CLOSE, "close_checks", CLOSE_CHECKS, "instId mgnMode ids autoCxl instrument posSide position"),
        (
            OF_CLOSE,
            "close_checks",
            first(CLOSE_CHECKS, "instrument"),
            "instrument instId mgnMode ids autoCxl posSide position",
        ),
    ],
)
def test_an_order_that_a_trial_has_told_is_settled(
    rehearsed: Callable[..., Recording], trial: str, name: str, order: tuple[str, ...], told: str
) -> None:
    recording = rehearsed([trial, "wrong-signature-is-50113"], **{name: order})
    result = TrialResult(trial, Verdict.HELD, "", {name: told})
    settled = settle(replace(recording, results=(result,)))
    assert settled.settings.get(name) == order
    assert replay(settled, settled.settings).differences == ()
    other = replace(result, observed={name: " ".join(reversed(told.split()))})
    assert settle(replace(recording, results=(other,))).settings.get(name) is None, "the answers say otherwise"
