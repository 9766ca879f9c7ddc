"""Metrics and traces of closes and limits: functions for `Client(on_attempt=, on_limit=)`.

The libraries that they report to are extras, and imported when they are asked for.
"""

import time
from collections.abc import Callable, Iterable
from typing import Final

from okx_async.instrumentation.hooks import Also, Instrumentation, MeterSource, Registry, TracerSource, combine

__all__ = [
    "Also",
    "Instrumentation",
    "MeterSource",
    "Registry",
    "TracerSource",
    "combine",
    "opentelemetry",
    "prometheus",
]

ENVIRONMENTS: Final = ("live", "demo")


def prometheus(
    registry: Registry | None = None,
    *,
    also: Iterable[Also] = (),
    environments: Iterable[str] = ENVIRONMENTS,
    wall_clock: Callable[[], float] = time.time,
) -> Instrumentation:
    """Return functions that count attempts, waits and pauses for Prometheus; needs the extra ``[prometheus]``.

    Asked again for the same registry it returns the same, so that all clients of a process share their metrics.

    Args:
        registry: Where the metrics are registered, a prometheus_client.CollectorRegistry. None: the process's own.
        also: "inst_id" or "user_id", to have them as labels too. Each value makes a time series of its own.
        environments: The environments whose counters stand at 0 from the beginning, so that an alert sees the first
            of a kind: "live", "demo", or the origin of another `base_url`.
        wall_clock: The time in Unix seconds, for the duration of attempts without an answer.

    Raises:
        ImportError: prometheus-client is not installed.
        ValueError: The registry has metrics of these names by others, or was asked for with another `also`.
    """
    try:
        from okx_async.instrumentation.prometheus_metrics import metrics_of  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise _missing(error, "prometheus_client", "prometheus", "prometheus-client") from None
    return metrics_of(registry, tuple(also), tuple(environments), wall_clock)


def opentelemetry(
    tracer_provider: TracerSource | None = None,
    meter_provider: MeterSource | None = None,
    *,
    also: Iterable[Also] = (),
    environments: Iterable[str] = ENVIRONMENTS,
    wall_clock: Callable[[], float] = time.time,
) -> Instrumentation:
    """Return functions that make spans and metrics by OpenTelemetry; needs the extra ``[opentelemetry]``.

    Each attempt of a close becomes a CLIENT span below the span that is current where the close was called. No header
    is added to requests.

    Args:
        tracer_provider: Makes the spans. None: the one that is set for the process.
        meter_provider: Makes the metrics. None: likewise.
        also: "inst_id" or "user_id", to have them as attributes too. In metrics, each value makes a series of its own.
        environments: The environments whose counters stand at 0 from the beginning, as in `prometheus`.
        wall_clock: The time in Unix seconds, for the end of attempts without an answer.

    Raises:
        ImportError: opentelemetry-api is not installed.
    """
    try:
        from okx_async.instrumentation.otel import Telemetry  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise _missing(error, "opentelemetry", "opentelemetry", "opentelemetry-api") from None
    return Telemetry(tracer_provider, meter_provider, tuple(also), tuple(environments), wall_clock)


def _missing(error: ModuleNotFoundError, package: str, extra: str, distribution: str) -> ImportError:
    """Return an error that says what to install, unless another package is missing."""
    if not (error.name or "").startswith(package):
        return error
    text = f"{error.name} is not installed: pip install {distribution}, or okx-async with its extra [{extra}]"
    return ImportError(text, name=error.name)
