"""The part of a recording that the simulated exchange reads: the settings that the real exchange has settled.

A recording is a JSON file, written by `okx-async rehearse --record`; ``docs/reference/recording.md`` describes it. It
may come from a stranger: its size is bounded, and nothing of it is used that is not of the right type.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from os import PathLike
from typing import Any, Final, TypeAlias, cast

import orjson

from okx_async.simulator.api.behaviour import Behaviour, Refusal, Settings

FORMAT: Final = "okx-async recording"
VERSION: Final = 1
MAX_BYTES: Final = 32 * 1024 * 1024
_SHOWN: Final = 80  # characters of a foreign text in a message

FilePath: TypeAlias = str | PathLike[str]


class RecordingError(ValueError):
    """A file that is no recording, or not one that this version can read."""


def read_document(path: FilePath) -> dict[str, Any]:
    """Return the JSON object of a recording, of which only format and version are checked.

    Raises:
        OSError: If the file cannot be read.
        RecordingError: If it is too large, no recording, or one of a newer version.
    """
    with open(path, "rb") as file:  # noqa: PTH123 - a path of any kind
        text = file.read(MAX_BYTES + 1)
    if len(text) > MAX_BYTES:
        raise RecordingError(f"{path}: larger than {MAX_BYTES} bytes, which no recording is")
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise RecordingError(f"{path}: no JSON: {error}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise RecordingError(f'{path}: no recording: "format" is not "{FORMAT}"')
    version = document.get("version")
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise RecordingError(f'{path}: "version" must be a whole number from 1, got {shown(version)}')
    if version > VERSION:
        raise RecordingError(
            f"{path}: written by a newer version of okx-async: format version {version}, and this one reads "
            f"up to {VERSION}; update okx-async"
        )
    return document


def read_settings(path: FilePath) -> Settings:
    """Return the settings of a recording; raises as `read_document` and `settings_of`, and names the file."""
    document = read_document(path)
    try:
        return settings_of(document)
    except RecordingError as error:
        raise RecordingError(f"{path}: {error}") from None


def settings_of(document: Mapping[str, Any]) -> Settings:
    """Return the settings of a recording's section "settings", checked; those it does not name are absent.

    Raises:
        RecordingError: If one has another name or type, or a value that is not possible.
    """
    given = document.get("settings", {})
    if not isinstance(given, dict):
        raise RecordingError('"settings" must be an object')
    known = {each.name for each in fields(Behaviour)}
    settings: dict[str, Any] = {}
    for name, value in given.items():
        if name not in known:
            raise RecordingError(f"settings: {shown(name)} is no setting of this version")
        try:
            settings[name] = _READERS.get(name, _as_it_is)(value)
            Behaviour(**{name: settings[name]})
        except (TypeError, ValueError) as error:
            raise RecordingError(f"settings: {_short(str(error))}") from None
    return cast("Settings", settings)  # Behaviour has checked each


def settings_section(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as JSON has them: the reverse of `settings_of`."""
    return {name: _plain(value) for name, value in settings.items()}


def shown(value: object) -> str:
    """Return a foreign value for a message, shortened."""
    return _short(repr(value))


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _plain(value: Any) -> Any:
    if isinstance(value, Refusal):
        return {"code": value.code, "status": value.status, "shape": value.shape}
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return list(value) if isinstance(value, tuple) else value


def _as_it_is(value: Any) -> Any:
    if isinstance(value, list | dict):
        raise TypeError(f"a single value is due, got {shown(value)}")
    return value


def _sequence(value: Any) -> Any:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise TypeError(f"a list of names is due, got {shown(value)}")
    return tuple(value)


def _seconds(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"an object is due, got {shown(value)}")
    return value


def _refusals(value: Any) -> dict[str, Refusal]:
    names = {each.name for each in fields(Refusal)}
    made = {}
    for situation, given in _mapping(value).items():
        if not _mapping(given).keys() <= names:
            raise TypeError(f"{shown(situation)} has {shown(sorted(given.keys() - names))}, which no refusal has")
        made[situation] = Refusal(**{"code": "", **given})
    return made


_READERS: Final[dict[str, Callable[[Any], Any]]] = {
    "auth_checks": _sequence,
    "close_checks": _sequence,
    "fill_delay": _seconds,
    "positions_lag": _seconds,
    "opening_lag": _seconds,
    "limits": _mapping,
    "refusals": _refusals,
}
"""By setting; the others are single values."""
