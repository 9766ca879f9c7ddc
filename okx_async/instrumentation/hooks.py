"""What every instrumentation offers to a client, and how several functions share one hook."""

from collections.abc import Callable, Iterable
from typing import Any, Final, Literal, Protocol, TypeAlias, TypeVar, get_args, runtime_checkable

from okx_async import Attempt, LimitEvent, SlotSource
from okx_async._callbacks import notify

Also: TypeAlias = Literal["inst_id", "user_id"]

_ALSO: Final = get_args(Also)
_T = TypeVar("_T")


@runtime_checkable
class Registry(Protocol):
    """What metrics are registered with: a prometheus_client.CollectorRegistry."""

    def register(self, collector: Any) -> None:
        """Add a collector.

        Args:
            collector: What is asked for metrics when they are collected.
        """


@runtime_checkable
class TracerSource(Protocol):
    """What makes tracers: an opentelemetry.trace.TracerProvider."""

    def get_tracer(self, *args: Any, **kwargs: Any) -> Any:
        """Return a tracer.

        Args:
            *args: As OpenTelemetry has them.
            **kwargs: As OpenTelemetry has them.
        """


@runtime_checkable
class MeterSource(Protocol):
    """What makes meters: an opentelemetry.metrics.MeterProvider."""

    def get_meter(self, *args: Any, **kwargs: Any) -> Any:
        """Return a meter.

        Args:
            *args: As OpenTelemetry has them.
            **kwargs: As OpenTelemetry has them.
        """


@runtime_checkable
class Instrumentation(Protocol):
    """Functions for the hooks of a Client, and limiters whose state is read when metrics are collected.

    One of them serves any number of clients, in any thread.
    """

    def on_attempt(self, attempt: Attempt) -> None:
        """Report one attempt of a close: give it to `Client(on_attempt=)`.

        Args:
            attempt: The attempt, as the client tells it.
        """

    def on_limit(self, event: LimitEvent) -> None:
        """Report one wait for a slot, or one pause: give it to `Client(on_limit=)`.

        Args:
            event: The wait or pause, as the client tells it.
        """

    def watch(self, *limiters: SlotSource) -> None:
        """Report the state of limiters too, summed over their keys, whenever metrics are collected.

        A limiter is not kept alive by it, and reported once however often it is given.

        Args:
            limiters: Such as `client.limiter`.

        Raises:
            TypeError: One of them has no `keys` or no `statistics`.
        """


def combine(*functions: Callable[[_T], object]) -> Callable[[_T], None]:
    """Return a function that calls each of these in turn: several for one `on_attempt`, `on_limit`, or other hook.

    What one of them raises is logged and keeps no other from its call.

    Args:
        *functions: Plain functions of what the hook tells.
    """

    def call(value: _T) -> None:
        for function in functions:
            notify(function, value)

    return call


def check_also(also: Iterable[str]) -> tuple[str, ...]:
    """Return the names of further labels in one order; raise ValueError for others."""
    asked = set(also)
    if unknown := sorted(asked.difference(_ALSO)):
        raise ValueError(f"also must be of {', '.join(_ALSO)}, got {', '.join(map(repr, unknown))}")
    return tuple(name for name in _ALSO if name in asked)
