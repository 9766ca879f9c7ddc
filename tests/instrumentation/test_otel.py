"""What OpenTelemetry's SDK exports: spans and metrics."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

import okx_async as okx
from okx_async.instrumentation import Instrumentation, opentelemetry
from tests.conftest import World

Make = Callable[..., okx.Attempt]
KEY = ("live", "446556", "BTC-USDT-SWAP")
PLACE = {"okx.environment": "live", "okx.endpoint": "trade/close-position"}


class Export:
    """An SDK that keeps what it exports."""

    def __init__(self) -> None:
        self._spans, self._reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracers, self.meters = TracerProvider(), MeterProvider([self._reader])
        self.tracers.add_span_processor(SimpleSpanProcessor(self._spans))

    def telemetry(self, **options: Any) -> Instrumentation:
        return opentelemetry(self.tracers, self.meters, **options)

    def spans(self) -> list[ReadableSpan]:
        return list(self._spans.get_finished_spans())

    def points(self, name: str, **labels: Any) -> list[Any]:
        """Return the data points of a metric that have these attributes, with dots for underscores before names."""
        data: Any = self._reader.get_metrics_data()
        found = [
            point
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]
        return [point for point in found if all(point.attributes.get(key) == labels[key] for key in labels)]

    def unit(self, name: str) -> str:
        data: Any = self._reader.get_metrics_data()
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics]
        return next(str(metric.unit) for scope in scopes for metric in scope.metrics if metric.name == name)

    def close(self) -> None:
        self.tracers.shutdown()
        self.meters.shutdown()


@pytest.fixture
def export() -> Iterator[Export]:
    made = Export()
    yield made
    made.close()


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_an_attempt_is_a_client_span_with_its_times(export: Export, attempt: Make) -> None:
    export.telemetry().on_attempt(attempt())
    [span] = export.spans()
    assert (span.name, span.kind) == ("POST /api/v5/trade/close-position", SpanKind.CLIENT)
    assert (span.start_time, span.end_time) == (1_000_000_000_000, 1_000_050_000_000)
    assert span.status.status_code is StatusCode.UNSET
    assert attributes(span) == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "server.address": "openapi.okx.com",
        "server.port": 443,
        "url.scheme": "https",
        "url.template": "/api/v5/trade/close-position",
        "url.full": "https://openapi.okx.com/api/v5/trade/close-position",
        "okx.outcome": "accepted",
        "okx.code": "0",
        "okx.token": "settled",
        "okx.wait.duration": 0.25,
        **PLACE,
    }


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"outcome": okx.Outcome.RATE, "code": "50011", "status": 429, "resends": 2}, "429", "rate 50011"),
        ({"outcome": okx.Outcome.FLAT, "code": "51023"}, "maybe_flat", "maybe_flat 51023"),
        ({"outcome": okx.Outcome.UNKNOWN, "code": "", "status": None, "settled": None}, "unknown", "unknown"),
        ({"outcome": okx.Outcome.UNKNOWN, "code": "", "status": 502}, "502", "unknown"),
    ],
    ids=["rate", "flat", "unknown", "gateway"],
)
def test_what_was_not_accepted_is_an_error(
    export: Export, attempt: Make, changes: dict[str, Any], error: str, words: str
) -> None:
    export.telemetry(wall_clock=lambda: 1005.0).on_attempt(attempt(**changes))
    [span] = export.spans()
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, words)
    assert attributes(span)["error.type"] == error
    assert attributes(span).get("http.request.resend_count") == changes.get("resends")
    assert span.end_time == (1_005_000_000_000 if "settled" in changes else 1_000_050_000_000)


def test_what_was_never_sent_is_a_moment_and_has_no_duration(export: Export, attempt: Make) -> None:
    unsent = attempt(outcome=okx.Outcome.NOT_SENT, code="", status=None, sent=None, settled=None)
    export.telemetry(wall_clock=lambda: 1005.0).on_attempt(unsent)
    [span] = export.spans()
    assert span.start_time == span.end_time == 1_005_000_000_000
    assert export.points("http.client.request.duration") == []
    [counted] = export.points("okx_async.attempts", **{"okx.outcome": "not_sent", **PLACE})
    assert counted.value == 1


def test_metrics_have_the_names_units_and_buckets_of_the_conventions(export: Export, attempt: Make) -> None:
    telemetry = export.telemetry()
    telemetry.on_attempt(attempt(resends=1))
    [duration] = export.points("http.client.request.duration")
    assert (duration.count, duration.sum) == (1, pytest.approx(0.05))
    assert duration.explicit_bounds[:3] == (0.005, 0.01, 0.025)
    assert duration.attributes["http.request.method"] == "POST"
    assert duration.attributes["server.address"] == "openapi.okx.com"
    assert "url.full" not in duration.attributes
    assert export.unit("http.client.request.duration") == "s"
    assert [point.value for point in export.points("okx_async.resends", **PLACE)] == [1]
    zero = export.points("okx_async.attempts", **{"okx.outcome": "unknown", "okx.environment": "live"})
    assert [point.value for point in zero] == [0]


async def test_waits_pauses_and_limiters(export: Export) -> None:
    telemetry, limiter = export.telemetry(), okx.Limiter()
    telemetry.watch(limiter)
    telemetry.on_limit(okx.LimitEvent("waited", KEY, "account/positions", 1.5, okx.Priority.PANIC))
    telemetry.on_limit(okx.LimitEvent("blocked", KEY, "trade/close-position", 2.25, okx.Priority.NORMAL))
    [wait] = export.points("okx_async.slot.wait.duration", **{"okx.wait.result": "waited", "okx.priority": "panic"})
    assert (wait.count, wait.sum, wait.attributes["okx.endpoint"]) == (1, 1.5, "account/positions")
    assert [point.value for point in export.points("okx_async.pauses", **PLACE)] == [1]
    assert [point.value for point in export.points("okx_async.pause", **PLACE)] == [2.25]
    assert export.points("okx_async.limiter.slots") == []
    async with limiter.slot(KEY):
        slots = {point.attributes["okx.state"]: point.value for point in export.points("okx_async.limiter.slots")}
        assert slots == {"free": 19, "in_flight": 1, "cooling": 0}
        assert [point.value for point in export.points("okx_async.limiter.waiting", **PLACE)] == [0]
        keys = export.points("okx_async.limiter.keys", **{"okx.state": "in_use"})
        assert [point.value for point in keys] == [1]


def test_no_attribute_names_an_instrument_or_a_user_unless_asked(export: Export, attempt: Make) -> None:
    export.telemetry().on_attempt(attempt())
    [span] = export.spans()
    assert not [value for value in attributes(span).values() if "BTC" in str(value) or "446556" in str(value)]
    assert not [point for point in export.points("okx_async.attempts") if "okx.inst_id" in point.attributes]
    export.telemetry(also=["inst_id", "user_id"]).on_attempt(attempt())
    asked = {"okx.inst_id": "BTC-USDT-SWAP", "okx.user_id": "446556"}
    assert attributes(export.spans()[1]).items() >= asked.items()
    assert [point.value for point in export.points("okx_async.attempts", **asked)] == [1]


def test_many_instruments_do_not_fill_the_memory(
    export: Export, attempt: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("okx_async.instrumentation.otel._MOST_KINDS", 2)
    telemetry: Any = export.telemetry(also=["inst_id"])
    for number in range(5):
        telemetry.on_attempt(attempt(request=okx.ClosePosition(f"X{number}", "cross")))
    assert len(telemetry._kinds) <= 2
    assert len(export.spans()) == 5


def test_spans_stand_below_the_span_in_which_the_close_was_called(export: Export, happen: Callable[..., Any]) -> None:
    telemetry = export.telemetry()
    tracer = export.tracers.get_tracer("strategy")

    async def story(world: World, _: okx.Client) -> okx.Credentials:
        for inst_id in ("BTC-USDT-SWAP", "ETH-USDT-SWAP"):
            world.exchange.open_position(inst_id, 3)
        world.exchange.inject("50011")
        async with world.client(on_attempt=telemetry.on_attempt) as client:
            with tracer.start_as_current_span("exit"):
                await client.flatten()
        return world.exchange.credentials

    keys = happen(story)
    *closes, parent = export.spans()
    assert (parent.name, len(closes)) == ("exit", 3)
    assert parent.context is not None
    for span in closes:
        assert span.parent is not None
        assert span.parent.span_id == parent.context.span_id
    assert sorted(attributes(span).get("http.request.resend_count", 0) for span in closes) == [0, 0, 1]
    shown = "".join(span.to_json() for span in closes)
    assert not [secret for secret in (keys.api_key, keys.secret_key, keys.passphrase) if secret in shown]


def test_without_an_sdk_nothing_happens(attempt: Make) -> None:
    telemetry = opentelemetry()
    telemetry.on_attempt(attempt())
    telemetry.on_limit(okx.LimitEvent("waited", KEY, "account/positions", 1.5, okx.Priority.PANIC))
