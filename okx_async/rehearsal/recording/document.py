"""A recording: the requests of one rehearsal, its results, and the settings that they settle.

A file may come from a stranger: size, number and depth are bounded, every type is checked, and what is wrong is said in
words. ``docs/reference/recording.md`` describes the format.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from okx_async.rehearsal.recording.entry import Entry, entry_of, is_number
from okx_async.rehearsal.results import TrialResult, Value, Verdict
from okx_async.simulator.api.behaviour import Settings
from okx_async.simulator.recorded import (
    FORMAT,
    VERSION,
    FilePath,
    RecordingError,
    read_document,
    settings_of,
    settings_section,
    shown,
)

MAX_REQUESTS: Final = 20_000
MAX_SECONDS: Final = 24 * 3600.0
MAX_RESULTS: Final = 1_000
_LATEST: Final = 4e9  # Unix seconds, in 2096
_RESULT: Final = {"id": str, "verdict": str, "evidence": str, "observed": dict, "seconds": float}


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording."""

    started: float
    """Unix seconds of the exchange's clock at its beginning."""
    entries: tuple[Entry, ...]
    """In the order in which the requests were written."""
    results: tuple[TrialResult, ...] = ()
    settings: Settings = field(default_factory=Settings)
    """What the requests settle."""
    by: str = ""
    """The program that wrote it."""

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "by": self.by,
            "started": self.started,
            "settings": settings_section(self.settings),
            "results": [_result_json(each) for each in self.results],
            "requests": [each.as_json() for each in self.entries],
        }


def read_recording(path: FilePath) -> Recording:
    """Return the recording of a file.

    Raises:
        OSError: If it cannot be read.
        RecordingError: If it is none, one of a newer version, or malformed.
    """
    document = read_document(path)
    try:
        return recording_of(document)
    except RecordingError as error:
        raise RecordingError(f"{path}: {error}") from None


def recording_of(document: Mapping[str, Any]) -> Recording:
    """Return the recording of a JSON object, whose format and version are checked already."""
    requests = _list(document, "requests", MAX_REQUESTS)
    results = _list(document, "results", MAX_RESULTS)
    started, by = document.get("started", 0.0), document.get("by", "")
    if not (is_number(started) and 0 <= started <= _LATEST) or not isinstance(by, str):
        raise RecordingError(f'"started" must be Unix seconds and "by" a text, got {shown(started)} and {shown(by)}')
    entries = [entry_of(each, f"request {number}") for number, each in enumerate(requests, 1)]
    for number, entry in enumerate(entries, 1):
        if not (0 <= entry.at <= MAX_SECONDS and 0 <= entry.took <= MAX_SECONDS):
            raise RecordingError(f"request {number}: at and took must be from 0 to {MAX_SECONDS:g} s")
    return Recording(
        float(started),
        tuple(sorted(entries, key=lambda entry: entry.at)),
        tuple(_result(each, f"result {number}") for number, each in enumerate(results, 1)),
        settings_of(document),
        by,
    )


def _list(document: Mapping[str, Any], name: str, most: int) -> Sequence[Any]:
    value = document.get(name, [])
    if not isinstance(value, list) or len(value) > most:
        raise RecordingError(f'"{name}" must be a list of at most {most}')
    return value


def _result(given: Any, where: str) -> TrialResult:
    if not isinstance(given, dict) or not {"id", "verdict"} <= given.keys() <= _RESULT.keys():
        raise RecordingError(f"{where}: an object of id, verdict, evidence, observed, seconds is due")
    for name, value in given.items():
        kind = _RESULT[name]
        if not (is_number(value) if kind is float else isinstance(value, kind)):
            raise RecordingError(f"{where}: {name} cannot be {shown(value)}")
    verdicts = [verdict.value for verdict in Verdict]
    if given["verdict"] not in verdicts:
        raise RecordingError(f"{where}: verdict must be {', '.join(verdicts)}, got {shown(given['verdict'])}")
    observed: dict[str, Value] = {}
    for name, value in given.get("observed", {}).items():
        if not isinstance(value, Value) or (isinstance(value, float) and not math.isfinite(value)):
            raise RecordingError(f"{where}: observed {shown(name)} cannot be {shown(value)}")
        observed[name] = value
    return TrialResult(
        given["id"], Verdict(given["verdict"]), given.get("evidence", ""), observed, float(given.get("seconds", 0.0))
    )


def _result_json(result: TrialResult) -> dict[str, Any]:
    return {
        "id": result.id,
        "verdict": result.verdict.value,
        "evidence": result.evidence,
        "observed": dict(result.observed),
        "seconds": result.seconds,
    }
