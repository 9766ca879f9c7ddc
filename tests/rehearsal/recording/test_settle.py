"""What a recording settles: the settings with which the simulator answers as the recorded exchange did."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from okx_async.rehearsal.assumptions import BY_ID
from okx_async.rehearsal.recording.document import Recording
from okx_async.rehearsal.recording.replay import replay
from okx_async.rehearsal.recording.settle import OF_LIMITS, OF_TRIALS, VALUES, contradicts, settle
from okx_async.rehearsal.results import TrialResult, Verdict
from okx_async.simulator import Behaviour, Refusal
from tests.rehearsal.recording.conftest import recorded

Rehearsed = Callable[..., Recording]
OBSERVED = {"flip_keeps_c_time": True}


def test_the_first_value_of_each_is_the_default() -> None:
    defaults = Behaviour()
    assert {name: values[0] for name, values in {**VALUES, **OF_LIMITS}.items()} == {
        name: getattr(defaults, name) for name in {**VALUES, **OF_LIMITS}
    }


@pytest.mark.long
def test_defaults_are_settled_where_the_recording_tells_them_apart(rehearsed: Rehearsed) -> None:
    settings = settle(rehearsed()).settings
    told = {**VALUES, **OF_LIMITS}.keys() - {"auto_cxl_algos"}  # no trial has an algo order
    assert settings == {name: getattr(Behaviour(), name) for name in told}


def test_what_was_not_tried_is_not_settled(rehearsed: Rehearsed) -> None:
    settings = settle(rehearsed(["echo-names-the-side"])).settings
    assert settings.get("pos_side_echo") == "net"
    assert not settings.keys() & {"window", "count_rejected", "body_first", "lenient_booleans", "flip_keeps_c_time"}


ALTERED: list[dict[str, Any]] = [
    {"window": "fixed", "options_by_family": False, "lists_flat": "never", "lenient_booleans": False},
    {"count_rejected": False, "rate_first": True, "reopen_keeps_c_time": True, "pos_side_echo": "long"},
    {"limits": {"trade/close-position": 15}, "body_first": False, "cl_ord_id_kept": False},
    {"lists_flat": "always", "empty_is_absent": False, "cl_ord_id_reusable": False, "flip_keeps_c_time": True},
    {"reopen_keeps_pos_id": False},
    {"heeds_exp_time": False},
    {
        "refusals": {
            "no position": Refusal("51043", shape="full"),
            "order gone": Refusal("51410", shape="item"),
            "limit exceeded": Refusal("50011", 429, "bare"),
            "closing orders pending": Refusal("51115", 200, "full"),
        }
    },
]


@pytest.mark.long
def test_what_few_trials_tell_is_found(rehearsed: Rehearsed) -> None:
    trials = ["flat-is-listed-by-name", "auto-cxl-as-text-is-taken", "window-is-sliding"]
    altered: dict[str, Any] = {"window": "fixed", "lists_flat": "never", "lenient_booleans": False}
    recording = settle(rehearsed(trials, **altered))
    assert {name: recording.settings.get(name) for name in altered} == altered
    assert replay(recording, recording.settings).differences == ()


@pytest.mark.long
@pytest.mark.parametrize("altered", ALTERED, ids=str)
def test_altered_settings_are_found(rehearsed: Rehearsed, altered: dict[str, Any]) -> None:
    recording = settle(rehearsed(**altered))
    assert {name: recording.settings.get(name) for name in altered} == altered
    assert replay(recording, recording.settings).differences == ()


def test_delays_and_ages_are_measured(rehearsed: Rehearsed) -> None:
    trials = [
        "old-timestamp-is-50102",
        "pos-id-outlives-a-close",
        "ended-cl-ord-id-may-be-used-again",
        "echo-names-the-side",
    ]
    settings = settle(rehearsed(trials, fill_delay=(0.1, 0.6), max_age=90.0)).settings
    least, most = settings["fill_delay"]  # type: ignore[misc]  # a range, here
    assert 0.0 <= least < most <= 0.6
    assert settings["max_age"] == 61.0
    assert 0.0 <= settle(rehearsed(["timestamp-of-25-s-is-taken"], max_age=20.0)).settings["max_age"] < 25.0


@pytest.mark.long
def test_a_limit_that_is_not_understood_settles_nothing_of_limits(rehearsed: Rehearsed) -> None:
    settings = settle(rehearsed(limits={"trade/close-position": 30})).settings
    assert not settings.keys() & OF_LIMITS.keys()


@pytest.mark.long
def test_limits_are_settled_though_something_is_checked_before_them(tmp_path: Path) -> None:
    ids = frozenset({"limit-is-checked-before-parameters", "window-is-sliding"})
    recording = settle(recorded(tmp_path, ids, form_first=True, window="fixed"))
    assert (recording.settings["form_first"], recording.settings["window"]) == (True, "fixed")
    assert replay(recording, recording.settings).differences == ()


@pytest.mark.long
def test_what_a_trial_has_measured_is_taken_if_it_explains_more(rehearsed: Rehearsed) -> None:
    result = TrialResult("filled-order-is-listed-at-once", Verdict.NOT_HELD, "0.3 s late", {"positions_lag": 0.3})
    late = replace(rehearsed(["c-time-is-new-after-a-turn"], positions_lag=0.3), results=(result,))
    assert settle(late).settings["positions_lag"] == 0.3
    at_once = replace(rehearsed(["c-time-is-new-after-a-turn"]), results=(result,))
    assert "positions_lag" not in settle(at_once).settings


LAGS = {"opening_lag", "history_lag", "positions_lag"}


@pytest.mark.share(4)
@pytest.mark.parametrize("lag", [{"opening_lag": 0.6, "history_lag": 0.7}, {}], ids=str)
def test_lags_are_measured_where_readings_lag(tmp_path: Path, lag: dict[str, float]) -> None:
    ids = frozenset({"positions-can-be-read", "filled-order-is-listed-at-once", "history-names-the-period"})
    recording = settle(recorded(tmp_path, ids, **lag))
    assert {name: recording.settings.get(name) for name in LAGS & recording.settings.keys()} == {
        name: pytest.approx(seconds, abs=0.3) for name, seconds in lag.items()
    }
    assert replay(recording, recording.settings).differences == ()


@pytest.mark.long
@pytest.mark.parametrize("fill_delay", [0.0, (0.3, 0.6)])
def test_nothing_is_settled_against_the_verdict_of_a_trial(tmp_path: Path, fill_delay: tuple[float, float]) -> None:
    """Readings that lag show a turned position under its old cTime for a moment."""
    ids = frozenset({"c-time-is-new-after-a-turn", "accepted-close-goes-flat", "echo-names-the-side"})
    recording = settle(recorded(tmp_path, ids, positions_lag=0.3, fill_delay=fill_delay))
    turned = next(result for result in recording.results if result.id == "c-time-is-new-after-a-turn")
    assert turned.verdict is Verdict.HELD
    assert recording.settings.get("flip_keeps_c_time") in {None, False}


@pytest.mark.parametrize(
    ("name", "value", "results", "against"),
    [
        ("flip_keeps_c_time", True, [("c-time-is-new-after-a-turn", Verdict.HELD, {})], True),
        ("flip_keeps_c_time", False, [("c-time-is-new-after-a-turn", Verdict.HELD, {})], False),
        ("flip_keeps_c_time", True, [("c-time-is-new-after-a-turn", Verdict.NOT_TRIED, {})], False),
        ("flip_keeps_c_time", True, [], False),
        ("flip_keeps_c_time", False, [("c-time-is-new-after-a-turn", Verdict.NOT_HELD, OBSERVED)], True),
        ("lists_flat", "never", [("flat-is-listed-by-name", Verdict.HELD, {})], False),  # the other one is not told
        ("lists_flat", "never", [(one, Verdict.HELD, {}) for one in OF_TRIALS["lists_flat"]], True),
        ("auto_cxl_algos", True, [], False),
    ],
)
def test_a_trial_speaks_against_another_value(
    name: str, value: Any, results: list[tuple[str, Verdict, dict[str, Any]]], *, against: bool
) -> None:
    told = tuple(TrialResult(each, verdict, "", observed) for each, verdict, observed in results)
    assert contradicts(Recording(0.0, (), told), name, value) is against


def test_every_setting_with_a_trial_names_one_of_the_register() -> None:
    assert OF_TRIALS.keys() <= {**VALUES, **OF_LIMITS}.keys()
    assert {each for ids in OF_TRIALS.values() for each in ids} <= BY_ID.keys()


def test_a_connection_that_did_not_last_settles_how_long_they_do(rehearsed: Rehearsed) -> None:
    recording = rehearsed(["closing-nothing-is-51023"])
    entries = (*recording.entries, replace(recording.entries[-1], trial="idle-connections-last-16-s"))
    for kept, settled in ((False, 15.0), (True, None)):
        result = TrialResult("idle-connections-last-16-s", Verdict.HELD, "", {"kept_idle": kept})
        assert settle(replace(recording, entries=entries, results=(result,))).settings.get("keepalive") == settled
