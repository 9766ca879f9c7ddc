"""The cost of metrics and traces: microseconds of CPU that the functions of okx_async.instrumentation take an attempt.

Run: python -m benchmarks.instrumentation [--rounds N] [--calls N] [--folder DIR]

Beside OpenTelemetry stands what its SDK takes for the same by itself: a span of so many attributes, a point of a
histogram and one of a counter. Exporters keep nothing. Every figure comes from a fresh process.
"""

import gc
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Final

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from prometheus_client import CollectorRegistry

import okx_async as okx
from benchmarks._processes import fresh, in_turns
from benchmarks._table import Report, arguments, spread
from okx_async.instrumentation import opentelemetry, prometheus

WARM: Final = 2_000
ATTEMPT: Final = okx.Attempt(
    okx.ClosePosition("BTC-USDT-SWAP", "cross"),
    ("live", "123", "BTC-USDT-SWAP"),
    *(0.0, 1000.0, 1000.05, "0", 200, okx.Outcome.ACCEPTED, "settled"),
    "https://openapi.okx.com/api/v5/trade/close-position",
)
ATTRIBUTES: Final = {f"attribute {number}": "value" for number in range(12)}


def providers() -> tuple[TracerProvider, MeterProvider]:
    """Return an SDK whose spans go through a batch to an exporter."""
    exporter = InMemorySpanExporter()
    exporter.shutdown()  # it takes no more spans, so the memory is not what is measured
    tracers = TracerProvider()
    tracers.add_span_processor(BatchSpanProcessor(exporter))
    return tracers, MeterProvider([InMemoryMetricReader()])


def sdk_alone() -> Callable[[okx.Attempt], object]:
    """Return a function that makes the same of OpenTelemetry's parts, by hand."""
    tracers, meters = providers()
    tracer, meter = tracers.get_tracer("bench"), meters.get_meter("bench")
    durations, attempts = meter.create_histogram("durations"), meter.create_counter("attempts")

    def report(_: okx.Attempt) -> None:
        attempts.add(1, ATTRIBUTES)
        durations.record(0.05, ATTRIBUTES)
        tracer.start_span("POST", kind=SpanKind.CLIENT, attributes=ATTRIBUTES, start_time=1).end(2)

    return report


SUBJECTS: Final[dict[str, Callable[[], Callable[[okx.Attempt], object]]]] = {
    "a function that does nothing": lambda: lambda _: None,
    "prometheus()": lambda: prometheus(CollectorRegistry()).on_attempt,
    "opentelemetry(), no SDK": lambda: opentelemetry().on_attempt,
    "opentelemetry(), metrics": lambda: opentelemetry(None, providers()[1]).on_attempt,
    "opentelemetry(), spans and metrics": lambda: opentelemetry(*providers()).on_attempt,
    "the SDK alone, spans and metrics": sdk_alone,
}


def job(name: str, calls: int) -> float:
    """Return microseconds of CPU, of all threads, an attempt."""
    report = SUBJECTS[name]()
    for _ in range(WARM):
        report(ATTEMPT)
    gc.collect()
    gc.freeze()
    begun = time.process_time()
    for _ in range(calls):
        report(ATTEMPT)
    return (time.process_time() - begun) / calls * 1e6


def main() -> None:
    """Measure in turns, and publish."""
    args = arguments(__doc__, rounds=7, calls=20_000).parse_args()
    found = defaultdict[str, list[float]](list)
    for name in in_turns(args.rounds, list(SUBJECTS)):
        found[name].append(fresh(job, name, args.calls))
    report = Report("instrumentation", "One attempt, µs of CPU: median (least to most)", ["", "µs"])
    for name in SUBJECTS:
        report.add(name, spread(found[name], 2))
    report.notes.append(f"{args.rounds} rounds, {args.calls:,} calls each, a fresh process for each.")
    report.raw = found
    report.publish(args.folder)


if __name__ == "__main__":
    main()
