"""Spans and metrics by OpenTelemetry, under the names of its semantic conventions for HTTP clients.

https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-client-span
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NamedTuple, cast

from opentelemetry import metrics, trace
from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation
from opentelemetry.trace import SpanKind, Status, StatusCode, TracerProvider

from okx_async import Attempt, LimitEvent, Outcome, SlotSource, __version__
from okx_async.instrumentation.hooks import MeterSource, TracerSource, check_also
from okx_async.instrumentation.labels import CLOSE, also_of, code_label, environment_of, target_of
from okx_async.instrumentation.limiter_state import KEYS, SLOTS, Totals, Watched

# The convention's own advice.
DURATIONS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
WAITS: Final = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 2.5, 4.0, 8.0, 16.0, 30.0, 60.0)

_NAME: Final = "okx_async"
_SCHEMA: Final = "https://opentelemetry.io/schemas/1.36.0"
_LEAST_ERROR: Final = 400
_MOST_KINDS: Final = 4096
"""Kinds of attempts whose attributes are kept: with `also`, each instrument has its own."""


class _Kind(NamedTuple):
    """The attributes of attempts that differ in their times only."""

    name: str
    counted: Mapping[str, str | int]
    timed: Mapping[str, str | int]
    span: Mapping[str, str | int]
    status: Status | None


class Telemetry:
    """Spans and metrics of one pair of providers.

    Args:
        tracer_provider: Makes the spans; None: the process's own.
        meter_provider: Makes the metrics; None: likewise.
        also: Further attributes.
        environments: Those whose counters begin at 0.
        wall_clock: Unix seconds.
    """

    def __init__(
        self,
        tracer_provider: TracerSource | None,
        meter_provider: MeterSource | None,
        also: tuple[str, ...],
        environments: tuple[str, ...],
        wall_clock: Callable[[], float],
    ) -> None:
        self._also = check_also(also)
        self._wall_clock = wall_clock
        self._kinds: dict[tuple[object, ...], _Kind] = {}
        tracers, meters = cast("TracerProvider | None", tracer_provider), cast("MeterProvider | None", meter_provider)
        self._tracer = trace.get_tracer(_NAME, __version__, tracers, _SCHEMA)
        meter = metrics.get_meter(_NAME, __version__, meters, _SCHEMA)
        self._durations = meter.create_histogram(
            "http.client.request.duration",
            "s",
            "Duration of HTTP client requests.",
            explicit_bucket_boundaries_advisory=DURATIONS,
        )
        self._attempts = meter.create_counter(
            "okx_async.attempts", "{attempt}", "Attempts of closes, by what became of them."
        )
        self._resends = meter.create_counter(
            "okx_async.resends", "{attempt}", "Attempts that repeat an earlier one of the same close."
        )
        self._waits = meter.create_histogram(
            "okx_async.slot.wait.duration",
            "s",
            "Waits of requests of every kind for their slot, of more than a millisecond.",
            explicit_bucket_boundaries_advisory=WAITS,
        )
        self._pauses = meter.create_counter(
            "okx_async.pauses", "{pause}", "Pauses of rate keys, each after a refusal for rate."
        )
        self._paused = meter.create_counter("okx_async.pause", "s", "Length of these pauses.")
        self._limiters = Watched()
        meter.create_observable_gauge(
            "okx_async.limiter.slots", [self._observe(_slots)], "{slot}", "Slots of the keys in use."
        )
        meter.create_observable_gauge(
            "okx_async.limiter.waiting", [self._observe(_waiting)], "{request}", "Requests that wait for a slot now."
        )
        meter.create_observable_gauge(
            "okx_async.limiter.keys", [self._observe(_keys)], "{key}", "Rate keys by their state."
        )
        for environment in environments:
            place = {"okx.environment": environment, "okx.endpoint": CLOSE}
            self._pauses.add(0, place)
            if not self._also:
                self._resends.add(0, place)
                for outcome in Outcome:
                    self._attempts.add(0, {"okx.outcome": outcome.value, **place})

    def on_attempt(self, attempt: Attempt) -> None:
        """Make the span of an attempt, and count it."""
        environment, more = environment_of(attempt.key), also_of(attempt, self._also)
        found = attempt.outcome, attempt.code, attempt.status, environment, attempt.url, more
        kind = self._kinds.get(found)
        if kind is None:
            if len(self._kinds) >= _MOST_KINDS:
                self._kinds.clear()
            kind = self._kinds[found] = _kind(attempt, environment, dict(zip(self._also, more, strict=True)))
        self._attempts.add(1, kind.counted)
        if attempt.resends:
            self._resends.add(1, {name: kind.counted[name] for name in kind.counted if name != "okx.outcome"})
        ended = self._wall_clock() if attempt.settled is None else attempt.settled
        begun = ended if attempt.sent is None else attempt.sent
        if attempt.sent is not None:
            self._durations.record(max(0.0, ended - begun), kind.timed)
        own = {"okx.token": attempt.token, "okx.wait.duration": attempt.waited, **kind.span}
        if attempt.resends:
            own["http.request.resend_count"] = attempt.resends
        span = self._tracer.start_span(kind.name, kind=SpanKind.CLIENT, attributes=own, start_time=_ns(begun))
        if kind.status is not None:
            span.set_status(kind.status)
        span.end(_ns(max(begun, ended)))

    def on_limit(self, event: LimitEvent) -> None:
        """Count a wait or a pause."""
        place = {"okx.environment": environment_of(event.key), "okx.endpoint": event.endpoint}
        if event.kind == "blocked":
            self._pauses.add(1, place)
            self._paused.add(event.seconds, place)
        else:
            lane = {"okx.wait.result": event.kind, "okx.priority": event.priority.name.lower()}
            self._waits.record(event.seconds, {**lane, **place})

    def watch(self, *limiters: SlotSource) -> None:
        """Read the state of limiters at each collection."""
        self._limiters.add(*limiters)

    def _observe(
        self, numbers: Callable[[Totals], Iterable[tuple[str, int]]]
    ) -> Callable[[CallbackOptions], Iterator[Observation]]:
        def observe(_: CallbackOptions) -> Iterator[Observation]:
            for (environment, endpoint), totals in self._limiters.totals().items():
                place = {"okx.environment": environment, "okx.endpoint": endpoint}
                for state, number in numbers(totals):
                    yield Observation(number, {**place, "okx.state": state} if state else place)

        return observe


def _slots(totals: Totals) -> Iterable[tuple[str, int]]:
    return [(state, getattr(totals, state)) for state in SLOTS]


def _keys(totals: Totals) -> Iterable[tuple[str, int]]:
    return [(state, getattr(totals, state)) for state in KEYS]


def _waiting(totals: Totals) -> Iterable[tuple[str, int]]:
    return [("", totals.waiting)]


def _kind(attempt: Attempt, environment: str, also: Mapping[str, str]) -> _Kind:
    """Return the attributes of an attempt, those of the conventions and those of this library."""
    target = target_of(attempt.url)
    more = {f"okx.{name}": value for name, value in also.items()}
    place: dict[str, str | int] = {"okx.environment": environment, "okx.endpoint": CLOSE, **more}
    timed: dict[str, str | int] = {
        "http.request.method": "POST",
        "server.address": target.address,
        "server.port": target.port,
        "url.scheme": target.scheme,
        "url.template": target.path,
        "okx.outcome": attempt.outcome.value,
        "okx.code": code_label(attempt.code),
        **place,
    }
    if attempt.status is not None:
        timed["http.response.status_code"] = attempt.status
    status = None
    if attempt.outcome is not Outcome.ACCEPTED:
        answered = attempt.status is not None and attempt.status >= _LEAST_ERROR
        timed["error.type"] = str(attempt.status) if answered else attempt.outcome.value
        status = Status(StatusCode.ERROR, f"{attempt.outcome.value} {code_label(attempt.code)}".rstrip())
    counted = {"okx.outcome": attempt.outcome.value, **place}
    return _Kind(f"POST {target.path}", counted, timed, {**timed, "url.full": target.url}, status)


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
