"""The settings that a recording settles: those with which the simulated exchange answers as the recorded one did.

A setting is settled if one of its values explains the recording better than each other one, and no trial of the
recording speaks against it. Values that a recording
measures (delays, ages, limits) are taken if the simulated exchange differs less with them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from math import inf
from typing import Any, Final, cast

from okx_async.rehearsal.recording.delays import delays, history_delays, opening_delays, range_of
from okx_async.rehearsal.recording.differences import (
    BODY_FIRST,
    BY_SITUATION,
    C_TIME_REOPENED,
    C_TIME_TURNED,
    COUNTS,
    ECHO,
    FLAT_BY_NAME,
    FLAT_LEFT_OUT,
    IDLE,
    LIMIT_FIRST,
    POS_ID_STAYS,
    SIGNED_FIRST,
    WINDOW,
    Kind,
)
from okx_async.rehearsal.recording.document import Recording
from okx_async.rehearsal.recording.entry import Entry
from okx_async.rehearsal.recording.heads import settled_heads
from okx_async.rehearsal.recording.orders import ORDERS, settled_orders
from okx_async.rehearsal.recording.replay import Replay, replay
from okx_async.rehearsal.results import Verdict
from okx_async.simulator import Behaviour, Refusal
from okx_async.simulator.api.behaviour import Settings
from okx_async.simulator.api.codes import Shape, status_of
from okx_async.simulator.api.situations import situation_of

OF_LIMITS: Final[Mapping[str, tuple[Any, ...]]] = {
    "window": ("sliding", "fixed"),
    "count_rejected": (True, False),
    "options_by_family": (True, False),
    "rate_first": (False, True),
}
"""Settings of limits and their values, the default first: none means anything without the others."""
VALUES: Final[Mapping[str, tuple[Any, ...]]] = {
    "body_first": (True, False),
    "form_first": (False, True),
    "empty_is_absent": (True, False),
    "lenient_booleans": (True, False),
    "pos_side_echo": ("net", "long", "short", ""),
    "heeds_exp_time": (True, False),
    "cl_ord_id_kept": (True, False),
    "cl_ord_id_reusable": (True, False),
    "auto_cxl_algos": (False, True),
    "lists_flat": ("named", "never", "always"),
    "flip_keeps_c_time": (False, True),
    "reopen_keeps_c_time": (False, True),
    "reopen_keeps_pos_id": (True, False),
}
"""The other settings with few values, the default first."""
OF_TRIALS: Final[Mapping[str, tuple[str, ...]]] = {
    "window": (WINDOW,),
    "count_rejected": (COUNTS,),
    "options_by_family": ("options-are-counted-by-family",),
    "rate_first": (SIGNED_FIRST,),
    "body_first": (BODY_FIRST,),
    "form_first": (LIMIT_FIRST,),
    "empty_is_absent": ("empty-parameters-count-as-absent",),
    "lenient_booleans": ("auto-cxl-as-text-is-taken",),
    "pos_side_echo": (ECHO,),
    "heeds_exp_time": ("expired-order-is-refused",),
    "cl_ord_id_kept": ("close-carries-its-cl-ord-id",),
    "cl_ord_id_reusable": ("ended-cl-ord-id-may-be-used-again",),
    "lists_flat": (FLAT_BY_NAME, FLAT_LEFT_OUT),
    "flip_keeps_c_time": (C_TIME_TURNED,),
    "reopen_keeps_c_time": (C_TIME_REOPENED,),
    "reopen_keeps_pos_id": (POS_ID_STAYS,),
}
"""The assumptions that the default of a setting stands for: where all of them held it is no other value."""
_EVEN_IF_EQUAL: Final = frozenset({*ORDERS, "answer_head"})
"""Settings that are taken over where they explain no less than the default: heads of answers are not compared."""
_ROUNDS: Final = 3
_SHORT: Final = 15.0
"""Seconds after which idle connections end if one of 16 s was gone: when exactly is not measured."""
_LIMIT: Final = "50011"
_OLD: Final = "50102"
_CLOSE: Final = "trade/close-position"
_COUNTED: Final = frozenset({Kind.CODE, Kind.STATUS, Kind.VALUE, Kind.TIMING})
"""Differences that a setting can explain; forms of refusals are a matter of their own."""


def settle(recording: Recording) -> Recording:
    """Return the recording with the settings that it settles."""
    search = _Search(recording)
    settings: dict[str, Any] = {}
    _adopt_measured(search, settings)
    limits = _of_limits(search, settings)
    settings |= {name: value for name, value in limits.items() if not contradicts(recording, name, value)}
    for _ in range(_ROUNDS):
        before = dict(settings)
        for name, values in VALUES.items():
            for value in values:
                if not contradicts(recording, name, value):
                    search.adopt(settings, name, value)
        if settings == before:
            break
    _adopt_measured(search, settings)  # what explains nothing before the other settings are known
    if refusals := _refusals(recording, search.run(settings)):
        search.adopt(settings, "refusals", refusals, even_if_equal=True)
    for name, values in VALUES.items():
        costs = {value: search.cost({**settings, name: value}) for value in values}
        best = min(costs, key=costs.__getitem__)
        if list(costs.values()).count(costs[best]) == 1 and not contradicts(recording, name, best):
            settings[name] = best
        else:
            settings.pop(name, None)
    return replace(recording, settings=cast("Settings", settings))


def contradicts(recording: Recording, name: str, value: Any) -> bool:
    """Whether the trials of a recording say that a setting has another value."""
    results = [result for result in recording.results if result.id in OF_TRIALS.get(name, ())]
    observed = [result.observed[name] for result in results if name in result.observed]
    if observed:
        return value not in observed
    verdicts = [result.verdict for result in results]
    held = verdicts.count(Verdict.HELD) == len(OF_TRIALS.get(name, ())) > 0
    return held and value != getattr(Behaviour(), name)


def _of_limits(search: "_Search", settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of limits that explain every answer about a limit, as far as all such ones agree."""
    names = list(OF_LIMITS)
    explaining = [
        dict(zip(names, values, strict=True))
        for values in product(*OF_LIMITS.values())
        if not search.wrong_about_limits({**settings, **dict(zip(names, values, strict=True))})
    ]
    return {
        name: explaining[0][name]
        for name in names
        if explaining and all(each[name] == explaining[0][name] for each in explaining)
    }


def _adopt_measured(search: "_Search", settings: dict[str, Any]) -> None:
    for name, value in _measured(search.recording):
        if name not in settings:
            search.adopt(settings, name, value, even_if_equal=name in _EVEN_IF_EQUAL)


class _Search:
    """Replays of one recording with different settings."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self._replays: dict[str, Replay] = {}

    def run(self, settings: Mapping[str, Any]) -> Replay:
        """Return the replay with these settings."""
        defaults = Behaviour()
        changed = {name: value for name, value in settings.items() if value != getattr(defaults, name)}
        key = repr(sorted(changed.items()))
        if key not in self._replays:
            self._replays[key] = replay(self.recording, cast("Settings", changed))
        return self._replays[key]

    def cost(self, settings: Mapping[str, Any]) -> int:
        """Return how many differences there are with these settings."""
        return sum(each.kind in _COUNTED for _, _, each in self.run(settings).found)

    def wrong_about_limits(self, settings: Mapping[str, Any]) -> bool:
        """Whether a request is refused for rate on one side only."""
        limit = f"code {_LIMIT}"
        return any(
            each.kind is Kind.CODE and limit in {each.recorded, each.simulated}
            for _, _, each in self.run(settings).found
        )

    def adopt(self, settings: dict[str, Any], name: str, value: Any, *, even_if_equal: bool = False) -> None:
        """Take a value into the settings if there are fewer differences with it."""
        tried = {**settings, name: value}
        if self.cost(tried) < self.cost(settings) + even_if_equal:
            settings[name] = value


def _measured(recording: Recording) -> Iterator[tuple[str, Any]]:
    """Yield settings with values that the recording measures."""
    for result in recording.results:
        lag = result.observed.get("positions_lag")
        if isinstance(lag, int | float) and not isinstance(lag, bool) and 0 < lag < inf:
            yield "positions_lag", float(lag)
        if result.id == LIMIT_FIRST and result.observed.get("form_first") is True:
            yield "form_first", True  # else the answers about limits are not explained
        if result.id == IDLE and result.observed.get("kept_idle") is False:
            yield "keepalive", _SHORT
    yield from settled_orders(recording.results)
    yield from settled_heads(recording)
    yield from _delays(recording)
    if (age := _max_age(recording.entries)) is not None:
        yield "max_age", age
    if (limit := _limit(recording.entries)) is not None:
        yield "limits", {_CLOSE: limit}


def _delays(recording: Recording) -> Iterator[tuple[str, Any]]:
    """Yield how long closes, new positions and closed periods took to be seen."""
    if (seconds := range_of([*delays(recording.entries).values()])) is not None:
        yield "fill_delay", seconds
    if (seconds := range_of(opening_delays(recording.entries))) is not None:
        yield "opening_lag", seconds
    if (seconds := range_of(history_delays(recording.entries, recording.started))) is not None:
        yield "history_lag", sum(seconds) / 2 if isinstance(seconds, tuple) else seconds


def _max_age(entries: Sequence[Entry]) -> float | None:
    """Return the age between the oldest timestamp that was taken and the youngest that was refused."""
    taken, refused = 0.0, inf
    for entry in entries:
        login = entry.login
        if login is None or login.age is None or login.key != "own" or not entry.code:
            continue
        if entry.code == _OLD:
            refused = min(refused, abs(login.age))
        elif entry.code == "0":
            taken = max(taken, abs(login.age))
    if taken < Behaviour().max_age < refused:
        return None
    return round((taken + refused) / 2, 3) if refused < inf else taken + 1.0


def _limit(entries: Sequence[Entry]) -> int | None:
    """Return how many closes of one trial passed before the first that was refused for rate; None: none was."""
    passed = 0
    for entry in entries:
        if entry.trial == BY_SITUATION["limit exceeded"] and entry.endpoint.endswith(_CLOSE):
            if entry.code == _LIMIT:
                return passed or None
            passed += 1
    return None


def _refusals(recording: Recording, replayed: Replay) -> dict[str, Refusal]:
    """Return how the recorded exchange refused in each situation, where it always did so and otherwise than usual."""
    situations: dict[str, list[int]] = {}
    for number, situation in replayed.situations:
        situations.setdefault(situation, []).append(number)
    differing = {each.situation for _, _, each in replayed.found}
    refusals = {}
    for situation, numbers in situations.items():
        told = {_told(recording.entries[number - 1]) for number in numbers}
        limits = situation == situation_of(_LIMIT) and len(numbers) > 1
        if len(told) == 1 and (situation in differing or limits):
            code, status, shape = told.pop()
            if code not in {"", "0"} and status:
                refusals[situation] = _refusal(code, status, shape)
    return refusals


def _refusal(code: str, status: int, shape: Shape | None) -> Refusal:
    return Refusal(code, None if status == status_of(code) and code != _LIMIT else status, shape)


def _told(entry: Entry) -> tuple[str, int, Shape | None]:
    """Return code, status and shape of a refusal."""
    body, code = entry.body, entry.code
    shape: Shape | None
    if "data" not in body:
        shape = "bare"
    elif isinstance(body["data"], dict):
        shape = "object"
    elif isinstance(body.get("code"), int):
        shape = "integer"
    elif code != str(body.get("code")):
        shape = "item"
    else:
        shape = "full"
    return code, entry.status, shape
