"""The replay: every request of a recording is sent to the simulated exchange, and the answers are compared.

It takes no time: the exchange is asked without connections, its clock is set to each request's time. Ids that the
exchange made up are translated, logins are made anew, right or wrong as they were.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson
from multidict import CIMultiDict

from okx_async._credentials import Credentials
from okx_async._rest.signing import sign
from okx_async.rehearsal.recording.compare import Simulated, compare, text_of
from okx_async.rehearsal.recording.delays import arrival, delays
from okx_async.rehearsal.recording.differences import (
    CLOSE,
    COUNTS,
    HEADS,
    HISTORY,
    IDLE,
    LIMIT,
    LIMIT_FIRST,
    LIMIT_PASSES,
    POSITIONS,
    SIGNED_FIRST,
    WINDOW,
    Difference,
    Found,
    Kind,
    gathered,
)
from okx_async.rehearsal.recording.document import Recording
from okx_async.rehearsal.recording.entry import Entry, Login, deciding_code
from okx_async.rehearsal.recording.heads import head_sizes, unlike
from okx_async.rehearsal.recording.names import kind_of
from okx_async.rehearsal.recording.orders import is_malformed, is_wrongly_signed, tells_order
from okx_async.rehearsal.recording.positions import compare_history, compare_positions
from okx_async.rehearsal.recording.relations import Relations
from okx_async.rehearsal.recording.scene import follow, stage_of
from okx_async.rehearsal.recording.timestamps import timestamp_of
from okx_async.rehearsal.results import Verdict
from okx_async.simulator.api.behaviour import Settings
from okx_async.simulator.api.situations import situation_of
from okx_async.simulator.http.messages import Request
from okx_async.simulator.recorded import RecordingError

_OTHER: Final = Credentials("0f4b2c5e-1111-4222-8333-444455556666", "another-secret", "another-passphrase")
_WRONG: Final = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
_ADDRESS: Final = "192.0.2.1"
_BURST: Final = 256
"""Requests that are looked at together, at most: a stranger's recording must not take for ever."""
_IDLE: Final = 16.0
"""Seconds for which the trial leaves a connection idle."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What a replay came to."""

    differences: tuple[Difference, ...]
    compared: int
    """How many requests."""
    left_out: int
    """How many had no answer, so that nothing is known of them."""
    found: tuple[tuple[int, str, Found], ...] = ()
    """Each difference in each request, with the request's number and trial."""
    situations: tuple[tuple[int, str], ...] = ()
    """The situations in which the simulated exchange refused, with the request's number."""

    def by_assumption(self) -> dict[str, list[Difference]]:
        """Return the differences by the id of the assumption that they are about."""
        found: dict[str, list[Difference]] = {}
        for difference in self.differences:
            found.setdefault(difference.assumption, []).append(difference)
        return found


def replay(recording: Recording, settings: Settings | None = None) -> Replay:
    """Run the simulated exchange against a recording, and return every difference.

    Args:
        recording: The recording.
        settings: The settings of the exchange; by default none, which is what it assumes without a recording.

    Raises:
        RecordingError: If the exchange cannot answer a request.
    """
    settings = Settings() if settings is None else settings
    run = _Run(recording, settings)
    run.play()
    if about_limits := _about_limits(run.found):
        # When requests arrived is known only within their round trips: what another time explains is no difference.
        for bursts, singles in ((0.0, 1.0), (1.0, 0.0)):
            other = _Run(recording, settings, bursts=bursts, singles=singles)
            other.play()
            about_limits &= _about_limits(other.found)
    return run.result(about_limits)


class _Run:
    """One replay.

    Args:
        recording: The recording.
        settings: The settings of the exchange.
        bursts: The part of a round trip after which requests arrive that were on their way together.
        singles: The same of other requests.
    """

    def __init__(self, recording: Recording, settings: Settings, *, bursts: float = 0.5, singles: float = 0.5) -> None:
        self._parts = singles, bursts
        self._entries = recording.entries
        self._results = recording.results
        self._since_ms = int(recording.started * 1000)
        self._stage, self._account = stage_of(recording, settings)
        self._relations = Relations()
        self._delays = delays(recording.entries)
        self._either_form = "limit exceeded" not in self._stage.behaviour.refusals
        self._acts: dict[str, str] = {}
        self._apart: set[str] = set()
        """Instruments whose position is another one, since one side refused what the other one accepted."""
        self.found: list[tuple[int, str, Found]] = []
        self._compared = 0
        self._situations: list[tuple[int, str]] = []

    def play(self) -> None:
        """Send every request, and compare the answers."""
        answers: dict[int, Simulated] = {}
        order = sorted(range(len(self._entries)), key=lambda place: arrival(self._entries[place]))
        for burst in _bursts(self._entries, [place for place in order if self._entries[place].status]):
            # In which order they arrived is not known: at once.
            first, part = self._entries[burst[0]], self._parts[len(burst) > 1]
            self._stage.after = max(first.at + part * first.took, self._stage.after)
            for place in burst:
                if (delay := self._delays.get(place)) is not None:
                    lag = self._stage.behaviour.positions_lag
                    self._stage.wanted = max(delay.likely - (lag[0] if isinstance(lag, tuple) else lag), 0.0)
            for place in burst:
                answers[place] = self._answer(place)
            for place, simulated in _matched(self._entries, burst, answers):
                self._compared += 1
                if simulated.situation and not tells_order(self._entries[place]):
                    self._situations.append((place + 1, simulated.situation))
                self._compare(place, simulated)
        self.found += self._of_connections()

    def result(self, about_limits: set[int]) -> Replay:
        """Return the differences; of those about limits only the ones of these requests."""
        found = [each for each in map(self._owned, self.found) if each[0] in about_limits or not _about_limits([each])]
        uniform = _uniform(self._entries, found, self._situations)
        for place, (number, trial, each) in enumerate(found):
            entry = self._entries[number - 1]
            if tells_order(entry) and uniform.get(each.situation) != (entry.code, entry.status):
                found[place] = number, trial, replace(each, situation="")
        return Replay(
            gathered(sorted(found, key=lambda each: each[0]), uniform),
            self._compared,
            len(self._entries) - self._compared,
            tuple(found),
            tuple(self._situations),
        )

    def _owned(self, one: tuple[int, str, Found]) -> tuple[int, str, Found]:
        """Return a difference with its assumption, where one experiment serves several trials of limits."""
        number, trial, found = one
        entry = self._entries[number - 1]
        if trial != LIMIT_PASSES or not _about_limits([one]):
            return one
        wrong = {result.id for result in self._results if result.verdict is Verdict.NOT_HELD}
        owner = next((name for name in (WINDOW, COUNTS) if name in wrong), "")
        if is_wrongly_signed(entry):
            owner = SIGNED_FIRST
        elif is_malformed(entry):
            owner = LIMIT_FIRST
        return number, trial, replace(found, owner=owner)

    def _of_connections(self) -> Iterator[tuple[int, str, Found]]:
        """Yield how connections behave if they do so differently: the trials have told, the requests do not."""
        observed = {result.id: result.observed for result in self._results}
        numbers = {entry.trial: number for number, entry in enumerate(self._entries, 1)}
        behaviour = self._stage.behaviour
        kept = observed.get(IDLE, {}).get("kept_idle")
        if IDLE in numbers and isinstance(kept, bool) and kept is not (behaviour.keepalive > _IDLE):
            words = ("kept", "closed") if kept else ("closed", "kept")
            yield numbers[IDLE], IDLE, Found(Kind.TIMING, f"a connection idle for {_IDLE:g} s", *words)
        if HEADS in numbers and (found := unlike(head_sizes(self._results), behaviour.max_head)) is not None:
            yield numbers[HEADS], HEADS, found

    def _answer(self, place: int) -> Simulated:
        entry, stage = self._entries[place], self._stage
        try:
            answer = stage.decide(self._request(entry), stage.now, self._ms())
        except ArithmeticError as error:
            raise RecordingError(f"request {place + 1}: its numbers cannot be calculated with: {error!r}") from None
        body = _json(answer.body)
        code = deciding_code(body)
        refused = situation_of(code) if code not in {"", "0"} else ""  # an order's, in the item of its own
        return Simulated(answer.status, body, answer.situation or refused)

    def _compare(self, place: int, simulated: Simulated) -> None:
        entry = self._entries[place]
        if entry.trial == HEADS and entry.code != "0":
            return  # what was wrong is its size, of which the trial tells
        found = [*compare(entry, simulated, self._relations, either_form_of_rate=self._either_form)]
        if entry.endpoint == POSITIONS and entry.code == simulated.code == "0":
            for inst_id in self._apart.copy():
                if follow(self._stage, self._account, entry, inst_id):
                    self._apart.discard(inst_id)
                    simulated = self._answer(place)
            found += compare_positions(entry, simulated, self._relations, self._acts)
        elif entry.endpoint == HISTORY and entry.code == simulated.code == "0":
            found += compare_history(entry, simulated, self._relations, self._since_ms)
        elif entry.method == "POST" and "0" in {entry.code, simulated.code}:
            for item in _items(entry.request):
                inst_id = text_of(item, "instId")
                if entry.code != simulated.code:
                    self._apart.add(inst_id)
                self._acts[inst_id] = "close" if entry.endpoint == CLOSE else "order"
        self.found += [(place + 1, entry.trial, each) for each in found]

    def _ms(self) -> int:
        return int((self._stage.started + self._stage.after) * 1000)

    def _request(self, entry: Entry) -> Request:
        """Return the request with this exchange's ids, and a login of the same kind."""
        body = b""
        if isinstance(entry.sent, dict):
            sent = entry.sent
            body = orjson.dumps(self._translated(sent["json"])) if "json" in sent else sent["text"].encode()
        path = self._translated_path(entry.path)
        headers = CIMultiDict({"Content-Type": entry.content_type} if entry.content_type else {})
        if entry.expires is not None:
            headers["expTime"] = str(round(self._ms() + 1000 * entry.expires))
        if entry.login is not None:
            headers.update(self._login(entry.login, entry.method, path, body))
        return Request(entry.method, path, headers, body, _ADDRESS)

    def _login(self, login: Login, method: str, path: str, body: bytes) -> dict[str, str]:
        own = self._account.credentials
        whose = {"own": own, "other": _OTHER}
        now = self._stage.started + self._stage.after
        timestamp = "malformed" if login.age is None else timestamp_of(now - login.age)
        headers = {"OK-ACCESS-TIMESTAMP": timestamp}
        if login.key != "none":
            headers["OK-ACCESS-KEY"] = whose[login.key].api_key
        if login.passphrase != "none":
            headers["OK-ACCESS-PASSPHRASE"] = whose[login.passphrase].passphrase
        if login.signature != "none":
            right = login.signature == "right"
            headers["OK-ACCESS-SIGN"] = sign(own.secret_key, timestamp, method, path, body) if right else _WRONG
        if login.demo:
            headers["x-simulated-trading"] = "1"
        return headers

    def _translated(self, value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {key: self._translated(each, key) for key, each in value.items()}
        if isinstance(value, list):
            return [self._translated(each, name) for each in value]
        return self._relations.simulated(value) if isinstance(value, str) and kind_of(name) == "id" else value

    def _translated_path(self, path: str) -> str:
        front, mark, query = path.partition("?")
        pairs = [pair.partition("=") for pair in query.split("&")] if mark else []
        made = [f"{name}{equals}{self._translated(value, name)}" for name, equals, value in pairs]
        return f"{front}{mark}{'&'.join(made)}"


def _bursts(entries: Sequence[Entry], order: Sequence[int]) -> Iterator[list[int]]:
    """Yield the places of requests, those together that are equal and were on their way at the same time."""
    burst: list[int] = []
    until = 0.0
    for place in order:
        entry = entries[place]
        if burst and (entry.at >= until or len(burst) >= _BURST or not _are_equal(entries[burst[-1]], entry)):
            yield burst
            burst = []
        burst.append(place)
        until = min(until, entry.at + entry.took) if len(burst) > 1 else entry.at + entry.took
    if burst:
        yield burst


def _are_equal(one: Entry, other: Entry) -> bool:
    return (one.trial, one.method, one.path, one.sent) == (other.trial, other.method, other.path, other.sent)


def _matched(
    entries: Sequence[Entry], burst: Sequence[int], answers: dict[int, Simulated]
) -> Iterator[tuple[int, Simulated]]:
    """Yield each place of a burst with a simulated answer of the same code, as far as there are such.

    In which order requests arrive that are on their way together is not known.
    """
    left = [answers[place] for place in burst]
    rest = []
    for place in burst:
        same = next((each for each in left if each.code == entries[place].code), None)
        if same is None:
            rest.append(place)
        else:
            left.remove(same)
            yield place, same
    yield from zip(rest, left, strict=True)


def _uniform(
    entries: Sequence[Entry], found: Sequence[tuple[int, str, Found]], situations: Sequence[tuple[int, str]]
) -> dict[str, tuple[str, int]]:
    """Return the situations in which every answer differs, and all in the same way, with its code and status."""
    differing: dict[str, dict[int, tuple[str, int]]] = {}
    for number, _, each in found:
        entry = entries[number - 1]
        if each.situation and not tells_order(entry):
            differing.setdefault(each.situation, {})[number] = entry.code, entry.status
    uniform = {}
    for situation, numbers in differing.items():
        all_of_it = {number for number, name in situations if name == situation}
        told = set(numbers.values())
        if numbers.keys() == all_of_it and len(told) == 1 and not {code for code, _ in told} & {"", "0"}:
            uniform[situation] = told.pop()
    return uniform


def _about_limits(found: Iterable[tuple[int, str, Found]]) -> set[int]:
    """Return the numbers of requests that were refused for rate on one side only."""
    return {number for number, _, each in found if each.kind is Kind.CODE and LIMIT in {each.recorded, each.simulated}}


def _items(request: Any) -> list[Any]:
    items = request if isinstance(request, list) else [request]
    return [item for item in items if isinstance(item, dict)]


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
