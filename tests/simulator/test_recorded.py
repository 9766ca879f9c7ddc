"""What the simulated exchange takes of a recording, and what it refuses."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from okx_async.simulator import Behaviour, Refusal, SimulatedExchange
from okx_async.simulator.api.behaviour import CLOSE_CHECKS
from okx_async.simulator.recorded import FORMAT, MAX_BYTES, RecordingError, read_document, settings_of, settings_section

GOOD: dict[str, Any] = {"format": FORMAT, "version": 1, "settings": {}}
ALL = {
    "window": "fixed",
    "count_rejected": False,
    "limits": {"trade/close-position": 5},
    "close_checks": tuple(reversed(CLOSE_CHECKS)),
    "max_age": 10,
    "pos_side_echo": "long",
    "fill_delay": (0.1, 0.4),
    "positions_lag": 0.3,
    "refusals": {"no position": Refusal("51043", 404, "bare"), "wrong posSide": Refusal("51000")},
    "max_head": 8192,
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "recording.json"


def test_settings_survive_writing_and_reading(file: Path) -> None:
    file.write_bytes(orjson.dumps({**GOOD, "settings": settings_section(ALL)}))
    exchange = SimulatedExchange.from_recording(file)
    assert exchange.behaviour == Behaviour(**ALL)  # type: ignore[arg-type]
    other = SimulatedExchange.from_recording(str(file), window="sliding", pos_mode="long_short_mode")
    assert (other.behaviour.window, other.behaviour.max_age, other.account.pos_mode) == (
        "sliding",
        10,
        "long_short_mode",
    )


def test_without_settings_all_is_as_usual(file: Path) -> None:
    file.write_bytes(orjson.dumps({"format": FORMAT, "version": 1}))
    assert SimulatedExchange.from_recording(file).behaviour == Behaviour()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "no JSON"),
        (b"\xff", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "no recording"),
        (b'{"version":1}', "no recording"),
        (orjson.dumps({**GOOD, "format": "other"}), "no recording"),
        *((orjson.dumps({**GOOD, "version": version}), "whole number") for version in (0, -1, "1", True, None, 1.0)),
        (orjson.dumps({**GOOD, "version": 2}), "newer version.*update okx-async"),
        (b" " * (MAX_BYTES + 1), "larger than"),
    ],
    ids=lambda value: str(value[:40]),
)
def test_files_that_are_no_recording(file: Path, text: bytes, words: str) -> None:
    file.write_bytes(text)
    with pytest.raises(RecordingError, match=words):
        read_document(file)


def test_a_missing_file_is_an_error_of_the_system(file: Path) -> None:
    with pytest.raises(FileNotFoundError):
        SimulatedExchange.from_recording(file)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ([], "object"),
        ({"fill": 1}, "'fill' is no setting"),
        ({"x" * 10_000: 1}, "…"),
        ({"window": "round"}, "window"),
        ({"window": ["fixed"]}, "single value"),
        ({"max_age": {"s": 1}}, "single value"),
        ({"fill_delay": [1]}, "fill_delay"),
        ({"fill_delay": [1, 2, 3]}, "fill_delay"),
        ({"fill_delay": "never"}, "fill_delay"),
        ({"close_checks": "instId"}, "list of names"),
        ({"close_checks": [1]}, "list of names"),
        ({"close_checks": ["instId"]}, "order"),
        ({"limits": []}, "object"),
        ({"limits": {"trade/order": -1}}, "limits"),
        ({"refusals": {"no position": "51023"}}, "object"),
        ({"refusals": {"no position": {}}}, "code"),
        ({"refusals": {"no position": {"code": "5", "words": "x"}}}, "'words'"),
        ({"refusals": {"no position": {"code": 5}}}, "code"),
        ({"refusals": {"no position": {"code": "5", "shape": []}}}, "shape"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_settings_that_cannot_be(settings: Any, words: str) -> None:
    with pytest.raises(RecordingError, match=words) as caught:
        settings_of({**GOOD, "settings": settings})
    assert len(str(caught.value)) < 200


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*Behaviour.__dataclass_fields__]), JSON))
def test_any_settings_are_read_or_refused_in_words(settings: dict[str, Any]) -> None:
    try:
        read = settings_of({**GOOD, "settings": settings})
    except RecordingError:
        return
    SimulatedExchange(**read)


def test_a_wrong_setting_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "wrong.json"
    file.write_text('{"format": "okx-async recording", "version": 1, "settings": {"window": "oval"}}')
    with pytest.raises(RecordingError, match=r"wrong\.json: settings: "):
        SimulatedExchange.from_recording(file)
