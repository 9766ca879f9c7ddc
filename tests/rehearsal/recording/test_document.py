"""Recordings as files: written and read back; a stranger's file is read or refused in words."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from okx_async.rehearsal.recording.document import MAX_REQUESTS, Recording, read_recording, recording_of
from okx_async.rehearsal.recording.recorder import write_recording
from okx_async.rehearsal.results import TrialResult, Verdict
from okx_async.simulator import RecordingError, Refusal, SimulatedExchange
from tests.rehearsal.recording.test_entry import FULL, LEAST

RECORDING = Recording(
    1768519672.5,
    (LEAST, FULL),
    (TrialResult("echo-names-the-side", Verdict.HELD, "net", {"pos_side": "net", "n": 1, "b": True}, 1.5),),
    {"window": "fixed", "fill_delay": (0.1, 0.2), "refusals": {"no position": Refusal("51023", 200, "full")}},
    "okx-async 1",
)


def test_written_and_read_back(tmp_path: Path) -> None:
    file = tmp_path / "recording.json"
    file.write_text("what was there before")
    write_recording(RECORDING, file)
    assert read_recording(file) == RECORDING
    assert [path.name for path in tmp_path.iterdir()] == ["recording.json"]
    assert file.stat().st_mode & 0o777 == 0o600
    assert SimulatedExchange.from_recording(file).behaviour.window == "fixed"


def test_requests_are_put_in_order() -> None:
    given = RECORDING.as_json()
    given["requests"].reverse()
    assert recording_of(given).entries == RECORDING.entries


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        write_recording(RECORDING, tmp_path / "nowhere" / "recording.json")
    file = tmp_path / "recording.json"
    file.mkdir()
    with pytest.raises(OSError, match="recording"):
        write_recording(RECORDING, file)
    assert [path.name for path in tmp_path.iterdir()] == ["recording.json"]


RESULT = {"id": "a", "verdict": "held"}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"requests": {}}, '"requests" must be a list'),
        ({"requests": [{}] * (MAX_REQUESTS + 1)}, "at most"),
        ({"requests": [1]}, "request 1: an object"),
        ({"requests": [{**LEAST.as_json(), "at": -1}]}, "request 1: at and took"),
        ({"requests": [{**LEAST.as_json(), "took": 1e6}]}, "request 1: at and took"),
        ({"started": "now"}, '"started"'),
        ({"started": -5}, '"started"'),
        ({"started": 5e9}, '"started"'),
        ({"by": 1}, '"by"'),
        ({"results": "none"}, '"results" must be a list'),
        ({"results": [{}]}, "result 1: an object"),
        ({"results": [{**RESULT, "x": 1}]}, "result 1: an object"),
        ({"results": [{**RESULT, "id": 1}]}, "result 1: id"),
        ({"results": [{**RESULT, "seconds": "1"}]}, "result 1: seconds"),
        ({"results": [{**RESULT, "verdict": "maybe"}]}, "result 1: verdict"),
        ({"results": [{**RESULT, "observed": {"a": []}}]}, "result 1: observed"),
        ({"settings": {"window": "round"}}, "settings: window"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_what_is_no_recording(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(RecordingError, match=words):
        recording_of({**RECORDING.as_json(), **wrong})


def test_the_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "strange.json"
    file.write_bytes(orjson.dumps({**RECORDING.as_json(), "requests": 1}))
    with pytest.raises(RecordingError, match=r"strange\.json: .*requests"):
        read_recording(file)
    file.write_bytes(orjson.dumps({**RECORDING.as_json(), "version": 99}))
    with pytest.raises(RecordingError, match="newer version"):
        read_recording(file)


def test_what_is_not_there_is_empty() -> None:
    assert recording_of({}) == replace(Recording(0.0, ()), settings={})
