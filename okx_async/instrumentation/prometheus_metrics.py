"""Metrics for Prometheus: counters and histograms that attempts move, and gauges that are read at each scrape.

Names are those that OpenTelemetry's conventions give, as its exporters write them for Prometheus. A series is looked up
once and kept: `labels()` costs more than what is counted with it.
"""

import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Final, cast

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from okx_async import Attempt, LimitEvent, Outcome, Priority, SlotSource
from okx_async.instrumentation.hooks import Registry, check_also
from okx_async.instrumentation.labels import CLOSE, also_of, code_label, environment_of
from okx_async.instrumentation.limiter_state import KEYS, SLOTS, Watched

# https://opentelemetry.io/docs/specs/semconv/http/http-metrics/#metric-httpclientrequestduration
DURATIONS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
WAITS: Final = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 2.5, 4.0, 8.0, 16.0, 30.0, 60.0)
"""Windows of 2 s, and what a few of them add up to."""

_PLACE: Final = ("environment", "endpoint")
_MOST_SERIES: Final = 4096
"""Kinds of attempts whose series are kept at hand: their codes are what an exchange or a proxy answers."""


class PrometheusMetrics:
    """The metrics of one registry.

    Args:
        registry: Where they are registered.
        also: Further labels of attempts.
        wall_clock: Unix seconds.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        also: tuple[str, ...],
        wall_clock: Callable[[], float],
    ) -> None:
        self.also = also
        self._wall_clock = wall_clock
        self._series: dict[tuple[str, ...], tuple[Counter, Histogram, Counter]] = {}
        self._attempts = Counter(
            "okx_async_attempts",
            "Attempts of closes, by what became of them.",
            ("outcome", *_PLACE, *also),
            registry=registry,
        )
        self._durations = Histogram(
            "http_client_request_duration_seconds",
            "Duration of HTTP client requests: of closes, from the write to the complete answer.",
            ("outcome", "code", *_PLACE, *also),
            registry=registry,
            buckets=DURATIONS,
        )
        self._resends = Counter(
            "okx_async_resends",
            "Attempts that repeat an earlier one of the same close.",
            (*_PLACE, *also),
            registry=registry,
        )
        self._waits = Histogram(
            "okx_async_slot_wait_duration_seconds",
            "Waits of requests of every kind for their slot, of more than a millisecond.",
            ("result", "priority", *_PLACE),
            registry=registry,
            buckets=WAITS,
        )
        self._pauses = Counter(
            "okx_async_pauses",
            "Pauses of rate keys, each after a refusal for rate.",
            _PLACE,
            registry=registry,
        )
        self._paused = Counter(
            "okx_async_pause_seconds",
            "Length of these pauses.",
            _PLACE,
            registry=registry,
        )
        self._limiters = Watched()
        registry.register(LimiterCollector(self._limiters))

    def begin(self, environment: str) -> None:
        """Have the counters of an environment at 0: an increase from nothing is none that Prometheus sees."""
        self._pauses.labels(environment, CLOSE)
        self._paused.labels(environment, CLOSE)
        for lane in Priority:
            self._waits.labels("gave_up", lane.name.lower(), environment, CLOSE)
        if not self.also:
            self._begin_attempts(environment)

    def on_attempt(self, attempt: Attempt) -> None:
        """Count an attempt."""
        environment = environment_of(attempt.key)
        labels = attempt.outcome.value, attempt.code, environment, *also_of(attempt, self.also)
        series = self._series.get(labels) or self._new(labels)
        attempts, durations, resends = series
        attempts.inc()
        if attempt.sent is not None:
            ended = self._wall_clock() if attempt.settled is None else attempt.settled
            durations.observe(max(0.0, ended - attempt.sent))
        if attempt.resends:
            resends.inc()

    def on_limit(self, event: LimitEvent) -> None:
        """Count a wait or a pause."""
        place = environment_of(event.key), event.endpoint
        if event.kind == "blocked":
            self._pauses.labels(*place).inc()
            self._paused.labels(*place).inc(event.seconds)
        else:
            self._waits.labels(event.kind, event.priority.name.lower(), *place).observe(event.seconds)

    def watch(self, *limiters: SlotSource) -> None:
        """Read the state of limiters at each scrape."""
        self._limiters.add(*limiters)

    def _begin_attempts(self, environment: str, *more: str) -> None:
        for outcome in Outcome:
            self._attempts.labels(outcome.value, environment, CLOSE, *more)
        self._resends.labels(environment, CLOSE, *more)

    def _new(self, labels: tuple[str, ...]) -> tuple[Counter, Histogram, Counter]:
        if len(self._series) >= _MOST_SERIES:
            self._series.clear()
        outcome, code, environment, *more = labels
        self._begin_attempts(environment, *more)
        self._series[labels] = series = (
            self._attempts.labels(outcome, environment, CLOSE, *more),
            self._durations.labels(outcome, code_label(code), environment, CLOSE, *more),
            self._resends.labels(environment, CLOSE, *more),
        )
        return series


class LimiterCollector:
    """Gauges of the watched limiters, read when they are collected."""

    def __init__(self, limiters: Watched) -> None:
        self._limiters = limiters

    def describe(self) -> Iterator[Metric]:
        """Return the gauges without values: registering them must read no limiter."""
        yield from self._gauges()

    def collect(self) -> Iterator[Metric]:
        """Return the gauges."""
        slots, waiting, keys = self._gauges()
        for place, totals in self._limiters.totals().items():
            for state in SLOTS:
                slots.add_metric([*place, state], getattr(totals, state))
            waiting.add_metric(place, totals.waiting)
            for state in KEYS:
                keys.add_metric([*place, state], getattr(totals, state))
        yield from (slots, waiting, keys)

    def _gauges(self) -> tuple[GaugeMetricFamily, GaugeMetricFamily, GaugeMetricFamily]:
        return (
            GaugeMetricFamily("okx_async_limiter_slots", "Slots of the keys in use.", labels=(*_PLACE, "state")),
            GaugeMetricFamily("okx_async_limiter_waiting", "Requests that wait for a slot now.", labels=_PLACE),
            GaugeMetricFamily("okx_async_limiter_keys", "Rate keys by their state.", labels=(*_PLACE, "state")),
        )


_LOCK: Final = threading.Lock()
_MADE: Final[weakref.WeakKeyDictionary[CollectorRegistry, PrometheusMetrics]] = weakref.WeakKeyDictionary()


def metrics_of(
    given: Registry | None,
    also: tuple[str, ...],
    environments: tuple[str, ...],
    wall_clock: Callable[[], float],
) -> PrometheusMetrics:
    """Return the metrics of a registry, made when they are first asked for."""
    registry = REGISTRY if given is None else cast("CollectorRegistry", given)
    wanted = check_also(also)
    with _LOCK:
        made = _MADE.get(registry)
        if made is None:
            made = _MADE[registry] = PrometheusMetrics(registry, wanted, wall_clock)
        if made.also != wanted:
            raise ValueError(f"this registry has metrics with also={made.also!r} already, asked for {wanted!r}")
        for environment in environments:
            made.begin(environment)
        return made
