"""One request of a recording with its answer, as JSON has it: made from what was observed, or read from a file.

Which login a request had is said in words, so that it can be made again: whose key, signed rightly or not, how old.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from okx_async.simulator.recorded import RecordingError, shown

MAX_DEPTH: Final = 32
"""Objects and lists inside of one another."""
Part = Literal["own", "other", "none"]


@dataclass(frozen=True, slots=True)
class Login:
    """The login of a request: what was right in it."""

    key: Part
    passphrase: Part
    signature: Literal["right", "wrong", "none"]
    age: float | None
    """Seconds by which the timestamp is behind the exchange's clock; None: it is no timestamp."""
    demo: bool
    """Whether it has x-simulated-trading: 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One request and its answer; times in seconds."""

    trial: str
    """The id of the assumption, or of the step that caused it."""
    at: float
    """From the beginning of the recording to the write of the request."""
    took: float
    """From there to the end of the answer."""
    host: str = ""
    method: str
    path: str
    login: Login | None = None
    """None: it is a public request."""
    content_type: str = ""
    expires: float | None = None
    """Seconds from the request to its expTime; None: it has none."""
    sent: Any = None
    """The body, {"json": …} or {"text": …}; None: it has none."""
    status: int
    """The HTTP status; 0: there was no answer."""
    headers: Mapping[str, str | None] = field(default_factory=dict)
    """Of the answer; None: there was one, and it is not shown."""
    head: int = 0
    """Bytes of the answer's head."""
    longest: int = 0
    """Bytes of its longest line."""
    answer: Any = None
    """Its body, as `sent`."""
    failure: str = ""
    """Why there was no answer."""

    @property
    def endpoint(self) -> str:
        """The path without its query."""
        return self.path.partition("?")[0]

    @property
    def body(self) -> dict[str, Any]:
        """The answer's JSON object; empty where it has none."""
        value = self.answer.get("json") if isinstance(self.answer, dict) else None
        return value if isinstance(value, dict) else {}

    @property
    def request(self) -> Any:
        """The JSON value that was sent."""
        return self.sent.get("json") if isinstance(self.sent, dict) else None

    @property
    def code(self) -> str:
        """The answer's code that decides."""
        return deciding_code(self.body)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it; what has its default is left out."""
        made: dict[str, Any] = {}
        for name in Entry.__dataclass_fields__:
            value = getattr(self, name)
            if name == "login" and value is not None:
                value = {part: getattr(value, part) for part in Login.__dataclass_fields__}
            if value not in (None, "", 0, {}) or name in _NEEDED:
                made[name] = dict(value) if isinstance(value, Mapping) else value
        return made


_NEEDED: Final = {"trial": str, "at": float, "took": float, "method": str, "path": str, "status": int}
_TYPES: Final = {
    **_NEEDED,
    "host": str,
    "content_type": str,
    "expires": float,
    "head": int,
    "longest": int,
    "failure": str,
}
_LOGIN: Final = {
    "key": ("own", "other", "none"),
    "passphrase": ("own", "other", "none"),
    "signature": ("right", "wrong", "none"),
    "demo": (True, False),
}


def deciding_code(body: Any) -> str:
    """Return the code that decides: that of the first refused item under an outer 0, 1 or 2, else the outer one."""
    if not isinstance(body, dict):
        return ""
    outer, data = str(body.get("code", "")), body.get("data")
    if outer in {"0", "1", "2", ""} and isinstance(data, list):
        for item in data:
            if isinstance(item, dict) and item.get("sCode", "0") not in (
                None,
                "",
                "0",
            ):  # a tuple: it need not be hashable
                return str(item["sCode"])
    return outer


def entry_of(given: Any, where: str) -> Entry:
    """Return the entry that a JSON value describes.

    Raises:
        RecordingError: If it is none; the message begins with `where`.
    """
    if not isinstance(given, dict):
        raise RecordingError(f"{where}: an object is due, got {shown(given)}")
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name not in Entry.__dataclass_fields__:
            raise RecordingError(f"{where}: {shown(name)} is not known")
        values[name] = _value(name, value, where)
    if missing := _NEEDED.keys() - values.keys():
        raise RecordingError(f"{where}: {', '.join(sorted(missing))} missing")
    return Entry(**values)


def _value(name: str, value: Any, where: str) -> Any:
    if name == "login":
        return _login(value, where)
    if name == "headers":
        ok = isinstance(value, dict) and all(each is None or isinstance(each, str) for each in value.values())
    elif name in {"sent", "answer"}:
        ok = value is None or (isinstance(value, dict) and (value.keys() == {"json"} or _is_text(value)))
        ok = ok and depth_within(value, MAX_DEPTH + 1)
    else:
        kind = _TYPES[name]
        ok = is_number(value) if kind is float else isinstance(value, kind) and not isinstance(value, bool)
    if not ok:
        raise RecordingError(f"{where}: {name} cannot be {shown(value)}")
    return value


def _login(value: Any, where: str) -> Login | None:
    if value is None:
        return None
    names = set(Login.__dataclass_fields__)
    if not isinstance(value, dict) or value.keys() != names:
        raise RecordingError(f"{where}: login must be an object of {', '.join(sorted(names))}")
    for name, allowed in _LOGIN.items():
        if not (isinstance(value[name], type(allowed[0])) and value[name] in allowed):
            raise RecordingError(f"{where}: login cannot have {name} {shown(value[name])}")
    if value["age"] is not None and not is_number(value["age"]):
        raise RecordingError(f"{where}: login cannot have age {shown(value['age'])}")
    return Login(**value)


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number of a size that a time may have."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12  # noqa: PLR2004 - seconds


def depth_within(value: Any, most: int) -> bool:
    """Whether a JSON value has at most so many objects and lists inside of one another."""
    if not isinstance(value, dict | list):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return most > 0 and all(depth_within(each, most - 1) for each in inner)


def _is_text(value: dict[str, Any]) -> bool:
    return value.keys() == {"text"} and isinstance(value["text"], str)
