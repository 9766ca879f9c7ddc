"""Replays: a recording of the simulator shows no difference to it, and each altered setting shows exactly its own."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from decimal import Context
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from okx_async.rehearsal.assumptions import BY_ID
from okx_async.rehearsal.recording.differences import Kind
from okx_async.rehearsal.recording.document import Recording, recording_of
from okx_async.rehearsal.recording.entry import Entry, Login
from okx_async.rehearsal.recording.recorder import Recorder
from okx_async.rehearsal.recording.replay import replay
from okx_async.rehearsal.results import TrialResult, Verdict
from okx_async.simulator import RecordingError, Refusal
from okx_async.simulator.api.behaviour import AUTH_CHECKS, CLOSE_CHECKS, Settings
from okx_async.simulator.books import instruments
from tests.rehearsal.recording.conftest import TRIALS
from tests.rehearsal.world import World, play

Rehearsed = Callable[..., Recording]
LOAD = {
    "twenty-first-close-is-50011",
    "window-is-sliding",
    "refused-requests-count",
    "signature-is-checked-before-rate",
    "limit-is-checked-before-parameters",
    "options-are-counted-by-family",
}


def test_the_trials_here_are_of_the_register() -> None:
    assert set(TRIALS) <= set(BY_ID)


@pytest.mark.share(4)
@pytest.mark.parametrize("pos_mode", ["net_mode", "long_short_mode"])
def test_a_recording_of_the_simulator_shows_no_difference(rehearsed: Rehearsed, pos_mode: str) -> None:
    recording = rehearsed(pos_mode=pos_mode)
    result = replay(recording)
    assert result.differences == ()
    assert (result.compared, result.left_out) == (len(recording.entries), 0)
    assert result.compared > 200


KEY_FIRST = ("key", "headers", *(name for name in AUTH_CHECKS if name not in {"headers", "key"}))
FORM = tuple(name for name in CLOSE_CHECKS if name not in {"mgnMode", "instrument"})
ALTERED: list[tuple[dict[str, Any], set[str]]] = [
    ({"window": "fixed"}, {"window-is-sliding", "refused-requests-count"}),
    ({"count_rejected": False}, {"refused-requests-count"}),
    ({"limits": {"trade/close-position": 15}}, LOAD),
    ({"limits": {"trade/close-position": 30}}, LOAD),
    ({"options_by_family": False}, {"options-are-counted-by-family"}),
    ({"body_first": False}, {"body-is-read-before-signature"}),
    ({"rate_first": True}, {"signature-is-checked-before-rate"}),
    ({"form_first": True}, {"limit-is-checked-before-parameters"}),
    ({"auth_checks": KEY_FIRST}, {"login-is-checked-in-order"}),
    ({"close_checks": ("mgnMode", "instrument", *FORM)}, {"parameters-are-checked-in-order"}),
    ({"close_checks": ("orders", *CLOSE_CHECKS[:-1])}, {"position-is-checked-before-orders"}),
    ({"max_age": 20.0}, {"timestamp-of-25-s-is-taken"}),
    ({"max_age": 90.0}, {"old-timestamp-is-50102"}),
    ({"empty_is_absent": False}, {"empty-parameters-count-as-absent"}),
    ({"lenient_booleans": False}, {"auto-cxl-as-text-is-taken"}),
    ({"pos_side_echo": "long"}, {"echo-names-the-side"}),
    ({"heeds_exp_time": False}, {"expired-order-is-refused"}),
    ({"cl_ord_id_kept": False}, {"close-carries-its-cl-ord-id", "ended-cl-ord-id-may-be-used-again"}),
    ({"cl_ord_id_reusable": False}, {"ended-cl-ord-id-may-be-used-again"}),
    ({"fill_delay": (0.1, 0.6)}, {"accepted-close-goes-flat"}),
    ({"lists_flat": "never"}, {"flat-is-listed-by-name"}),
    ({"lists_flat": "always"}, {"flat-is-left-out-of-the-whole-list"}),
    ({"opening_lag": 0.5}, {"filled-order-is-listed-at-once", "flat-is-listed-by-name"}),
    ({"history_lag": 5.0}, {"history-names-the-period"}),
    ({"flip_keeps_c_time": True}, {"c-time-is-new-after-a-turn"}),
    ({"reopen_keeps_c_time": True}, {"c-time-is-new-after-reopening"}),
    ({"reopen_keeps_pos_id": False}, {"pos-id-outlives-a-close"}),
    ({"refusals": {"no position": Refusal("51043")}}, {"closing-nothing-is-51023"}),
    ({"refusals": {"no isolated position": Refusal("51043")}}, {"wrong-margin-mode-is-51023"}),
    ({"refusals": {"closing orders pending": Refusal("51115", 200)}}, {"resting-close-order-is-51115"}),
    ({"refusals": {"wrong posSide": Refusal("51025")}}, {"wrong-side-is-51000"}),
    ({"refusals": {"unknown instrument": Refusal("51001", shape="item")}}, {"unknown-instrument-is-51001"}),
    ({"refusals": {"order gone": Refusal("51410")}}, {"cancel-of-nothing-is-51400"}),
    ({"refusals": {"wrong environment": Refusal("50111")}}, {"environment-is-checked"}),
    ({"refusals": {"limit exceeded": Refusal("50011", 429, "full")}}, {"twenty-first-close-is-50011"}),
]


@pytest.mark.share(48)
@pytest.mark.parametrize(("settings", "named"), ALTERED, ids=[str(settings) for settings, _ in ALTERED])
def test_an_altered_setting_shows_exactly_its_difference(
    rehearsed: Rehearsed, settings: dict[str, Any], named: set[str]
) -> None:
    recording = rehearsed(**settings)
    assert set(replay(recording).by_assumption()) == named
    again = replay(recording, Settings(**settings))  # type: ignore[typeddict-item]  # Behaviour checks it
    assert again.differences == ()


def test_a_difference_says_what_and_where(rehearsed: Rehearsed) -> None:
    (difference,) = replay(rehearsed(["echo-names-the-side"], pos_side_echo="")).differences
    assert (difference.kind, difference.where) == (Kind.VALUE, "POST trade/close-position posSide")
    assert (difference.recorded, difference.simulated, len(difference.requests)) == ("''", "'net'", 1)


# --- a whole rehearsal, with latency ---


def _rehearsed(folder: Path, **settings: Any) -> Recording:
    ids = settings.pop("ids", None)

    async def main(world: World) -> Recording:
        report = await world.rehearse(ids=ids)
        recorder = Recorder(world.account.credentials, salt=b"salt")
        for exchange in world.seen:
            recorder(exchange)
        return recorder.recording(report.results)

    return play(main, folder, **settings)


@pytest.mark.long
@pytest.mark.parametrize("pos_mode", ["net_mode", "long_short_mode"])
def test_a_whole_rehearsal_shows_no_difference(tmp_path: Path, pos_mode: str) -> None:
    recording = _rehearsed(tmp_path, fill_delay=0.0, pos_mode=pos_mode)
    result = replay(recording)
    assert result.differences == ()
    assert result.compared == len(recording.entries) > 300


@pytest.mark.share(2)
@pytest.mark.parametrize(
    ("settings", "named"),
    [({"window": "fixed"}, "window-is-sliding"), ({"rate_first": True}, "signature-is-checked-before-rate")],
)
def test_one_experiment_tells_of_several_assumptions(tmp_path: Path, settings: dict[str, Any], named: str) -> None:
    recording = _rehearsed(tmp_path, ids=LOAD, fill_delay=0.0, **settings)
    assert set(replay(recording).by_assumption()) == {named}
    assert replay(recording, Settings(**settings)).differences == ()  # type: ignore[typeddict-item]  # as above


@pytest.mark.long
def test_a_whole_rehearsal_shows_the_differences_of_its_exchange(tmp_path: Path) -> None:
    settings = {"fill_delay": (0.2, 0.4), "pos_side_echo": "", "lenient_booleans": False}
    assert set(replay(_rehearsed(tmp_path, **settings)).by_assumption()) == {
        "accepted-close-goes-flat",
        "echo-names-the-side",
        "auto-cxl-as-text-is-taken",
    }


@pytest.mark.parametrize(
    ("kept", "keepalive", "words"), [(False, 75.0, ("closed", "kept")), (True, 9.0, ("kept", "closed"))]
)
def test_idle_connections_are_compared_by_what_the_trial_has_told(
    keepalive: float, words: tuple[str, str], *, kept: bool
) -> None:
    result = TrialResult("idle-connections-last-16-s", Verdict.HELD, "", {"kept_idle": kept})
    recording = Recording(1e9, (entry(trial="idle-connections-last-16-s"),), (result,))
    (difference,) = replay(recording, Settings(keepalive=keepalive)).differences
    assert (difference.assumption, difference.recorded, difference.simulated) == (result.id, *words)
    assert replay(recording, Settings(keepalive=84.0 - keepalive)).differences == ()


# --- what is odd ---


def entry(**changes: Any) -> Entry:
    usual: dict[str, Any] = {"trial": "t", "at": 0.0, "took": 0.1, "method": "GET", "path": "/api/v5/public/time"}
    return Entry(
        **{**usual, "status": 200, "answer": {"json": {"code": "0", "data": [{"ts": "1"}], "msg": ""}}, **changes}
    )


def test_requests_without_an_answer_are_left_out() -> None:
    result = replay(Recording(1e9, (entry(), entry(status=0, at=1.0, failure="no answer in time"))))
    assert (result.differences, result.compared, result.left_out) == ((), 1, 1)


def test_requests_at_the_same_time_may_have_come_in_any_order(rehearsed: Rehearsed) -> None:
    recording = rehearsed(["twenty-first-close-is-50011"])
    places = [place for place, each in enumerate(recording.entries) if each.trial == "twenty-first-close-is-50011"][:22]
    entries = list(recording.entries)
    first, last = entries[places[0]], entries[places[-1]]
    assert (first.code, last.code) == ("51023", "50011")
    entries[places[0]] = replace(last, at=first.at, took=first.took)
    entries[places[-1]] = replace(first, at=last.at, took=last.took)
    assert replay(replace(recording, entries=tuple(entries))).differences == ()


def test_an_endpoint_that_is_not_simulated_is_a_difference() -> None:
    (difference,) = replay(Recording(1e9, (entry(path="/api/v5/market/ticker?instId=X"),))).differences
    assert (difference.kind, difference.assumption) == (Kind.ENDPOINT, "t")


@pytest.mark.parametrize(
    "odd",
    [
        {"path": "no path"},
        {"path": "/api/v5/account/positions?" + "&" * 50},
        {"method": "\x00"},
        {"method": "POST", "path": "/api/v5/trade/order", "sent": {"text": "{"}},
        {"method": "POST", "path": "/api/v5/trade/close-position", "sent": {"json": [{"instId": {}}, 1]}},
        {"answer": {"text": "<html>"}},
        {"answer": {"json": {"code": [], "data": {"a": {}}}}},
        {"answer": {"json": [[[]]]}},
    ],
    ids=str,
)
def test_a_stranger_s_recording_may_be_odd(odd: dict[str, Any]) -> None:
    result = replay(recording_of(Recording(1e9, (entry(**odd),)).as_json()))
    assert result.compared == 1


def test_numbers_that_cannot_be_calculated_with_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instruments, "_WIDE", Context(prec=28))
    login = Login("own", "own", "right", 0.0, demo=False)
    row = {"instId": "BTC-USDT-SWAP", "mgnMode": "cross", "posSide": "net", "pos": "0", "markPx": "999999999999"}
    read = entry(
        path="/api/v5/account/positions", login=login, answer={"json": {"code": "0", "data": [row], "msg": ""}}
    )
    order = {"instId": "BTC-USDT-SWAP", "tdMode": "cross", "side": "buy", "ordType": "market", "sz": "999999999999999"}
    sent = {"sent": {"json": order}, "content_type": "application/json"}
    placed = entry(method="POST", path="/api/v5/trade/order", login=login, at=1.0, **sent)
    with pytest.raises(RecordingError, match="request 3: its numbers cannot be calculated with"):
        replay(Recording(1e9, (read, placed, replace(read, at=2.0))))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.sampled_from(["0", "50011", "1e99"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the ways to all values of a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, each in inner for place in _places(each, (*path, key)))]


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_a_stranger_changes_it_is_replayed_or_refused_in_words(
    rehearsed: Rehearsed, data: st.DataObject
) -> None:
    if not _SMALL:
        _SMALL.append(orjson.dumps(rehearsed(["resting-close-order-is-51115"]).as_json()))
    changed = orjson.loads(_SMALL[0])
    places = _places(changed["requests"])[1:]
    for _ in range(data.draw(st.integers(1, 4))):
        *way, last = data.draw(st.sampled_from(places))
        target = changed["requests"]
        for key in way:
            target = target[key] if isinstance(target, dict | list) and _has(target, key) else {}
        if isinstance(target, dict | list) and _has(target, last):
            target[last] = data.draw(JSON)
    with suppress(RecordingError):
        replay(recording_of(orjson.loads(orjson.dumps(changed))))


_SMALL: list[bytes] = []
"""A recording to be changed, once it is made."""


def _has(target: Any, key: Any) -> bool:
    return key in target if isinstance(target, dict) else isinstance(key, int) and key < len(target)
