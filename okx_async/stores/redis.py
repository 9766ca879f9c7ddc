"""The limiter whose limits stand in a Redis or Valkey server: one limit for programs on many hosts."""

import sys
import time
from importlib.util import find_spec
from typing import Any, Literal

from okx_async._errors import InvalidRequestError, hides_arguments
from okx_async._quota import Quota
from okx_async._validation import check_seconds, short_repr
from okx_async.stores._agent.agent import Agent
from okx_async.stores.clocks import shared_clock
from okx_async.stores.lease import Terms
from okx_async.stores.shared import SharedLimiter
from okx_async.stores.url_options import PREFIX, SLACK, check_prefix


class RedisLimiter(SharedLimiter):
    """At most ``quota.limit`` requests in any ``quota.per`` seconds for each key, over all programs that use a server.

    It serves any number of event loops, threads, processes and hosts, and needs the extra ``redis``. It speaks to the
    server in a thread of its own; a loop that goes on asking a server nearby gets a connection, too, by which it asks
    for what is likely to be free. Use it in place of a `Limiter`:
    ``okx.Client(..., limiter=RedisLimiter("redis://host:6379/0"))``. Keys are tuples of texts.

    A server that has lost its memory grants nothing until no program that it has forgotten can matter any more, some
    15 s. While it is out of reach, requests end in NotSentError. The lane PANIC waits for neither: it goes on with one
    request in a window for each process.

    Args:
        url: The server: ``redis://``, ``rediss://`` (TLS) or ``unix://``. It may hold a user and a password.
        quota: The quota of every key that is not given another one.
        lease: Seconds, above 0, for which a slot may be used. Until its end and `doubt_grace` have passed, the slots of
            a process that died stay out. It must exceed a client's ``connect_timeout + timeout``.
        doubt_grace, guard: Seconds, as `Limiter` takes them. All programs that use the server must agree on these and
            on `lease`.
        clock_slack: Seconds, above 0, by which the server's clock may be ahead of what is expected before it counts as
            stepped.
        on_loss: What to do without the server: "refuse", or "local", to go on with ``limit // processes`` in each
            process once no slot of before is out. That keeps the limit only if all processes have lost the server.
        processes: With "local", how many processes there are at most.
        prefix: With which all keys in the server begin.

    Raises:
        InvalidRequestError: A value cannot work, or the extra ``redis`` is not installed.
    """

    @hides_arguments
    def __init__(
        self,
        url: str,
        quota: Quota = Quota(),  # noqa: B008 - frozen
        *,
        lease: float = 8.0,
        doubt_grace: float = 5.0,
        guard: float = 0.003,
        clock_slack: float = SLACK,
        on_loss: Literal["refuse", "local"] = "refuse",
        processes: int | None = None,
        prefix: str = PREFIX,
    ) -> None:
        check_seconds(lease=lease, clock_slack=clock_slack)
        terms = Terms(lease, doubt_grace, guard).checked(quota)
        shares = _shares(on_loss, processes, quota)
        check_prefix(prefix)
        check_extra()
        from okx_async.stores._redis.address import read_address  # noqa: PLC0415 - an extra
        from okx_async.stores._redis.store import RedisStore  # noqa: PLC0415
        from okx_async.stores._redis.worker import RedisWorker  # noqa: PLC0415

        address = read_address(url)
        store = RedisStore(address, terms, prefix, clock=shared_clock, slack=clock_slack)
        self._label = address.label
        self._again = url, quota, lease, doubt_grace, guard, clock_slack, on_loss, processes, prefix
        agent = Agent(
            store,
            quota,
            shared_clock,
            begin=lambda: RedisWorker(store, quota, shared_clock, time.time, shares),
        )
        super().__init__(agent, quota, terms)

    @property
    def label(self) -> str:
        """Where the server is, without user and password."""
        return self._label

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, self._again

    def __repr__(self) -> str:
        return f"<RedisLimiter {self._quota.limit} per {self._quota.per:g} s: {self._label}>"


def _shares(on_loss: object, processes: object, quota: Quota) -> int:
    if on_loss not in ("refuse", "local"):  # a tuple: the value need not be hashable
        raise InvalidRequestError(f'on_loss must be "refuse" or "local", got {short_repr(on_loss)}')
    if on_loss == "refuse":
        return 0
    if type(processes) is not int or not 1 <= processes <= quota.limit:
        raise InvalidRequestError(
            f'on_loss="local" needs processes, at least 1 and at most the limit, {quota.limit}: got '
            f"{short_repr(processes)}"
        )
    return processes


def check_extra() -> None:
    """Raise InvalidRequestError unless the library is there; a program without it imports no module that needs it."""
    found = sys.modules["redis"] is not None if "redis" in sys.modules else find_spec("redis") is not None
    if not found:
        raise InvalidRequestError("limits in Redis need an extra: pip install 'okx-async[redis]'")


@hides_arguments
def _again(url: str, quota: Quota, *rest: Any) -> RedisLimiter:
    lease, doubt_grace, guard, clock_slack, on_loss, processes, prefix = rest
    return RedisLimiter(
        url,
        quota,
        lease=lease,
        doubt_grace=doubt_grace,
        guard=guard,
        clock_slack=clock_slack,
        on_loss=on_loss,
        processes=processes,
        prefix=prefix,
    )
