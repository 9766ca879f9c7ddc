"""The library's client in a rehearsal: the public `Client`, with every request of it told to an observer."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from okx_async._client import Client
from okx_async._credentials import Credentials
from okx_async._http.bodies import Reply
from okx_async._http.inflight import InFlight
from okx_async.rehearsal.exchanges import HttpExchange, Observer, current_trial


class ObservedClient(Client):
    """A client that tells each of its requests.

    Args:
        credentials: The API key.
        observer: Is told every exchange.
        base_url: Where to.
        wall_clock: Unix seconds.
        options: Further arguments of Client.
    """

    def __init__(
        self,
        credentials: Credentials,
        observer: Observer,
        *,
        base_url: str,
        wall_clock: Callable[[], float] = time.time,
        **options: Any,
    ) -> None:
        super().__init__(credentials, base_url=base_url, wall_clock=wall_clock, **options)
        send = self._wiring.transport.send

        async def observed(
            request: InFlight, method: str, path: str, headers: Callable[[], Mapping[str, str]], body: bytes
        ) -> Reply | None:
            written: Mapping[str, str] = {}

            def signed() -> Mapping[str, str]:
                nonlocal written
                written = headers()  # signed when it is written
                return written

            started, reply = wall_clock(), None
            try:
                reply = await send(request, method, path, signed, body)
                return reply
            finally:
                retry_after = None if reply is None else reply.retry_after
                observer(
                    HttpExchange(
                        current_trial.get(),
                        base_url,
                        method,
                        path,
                        dict(written),
                        body,
                        0 if reply is None else reply.status,
                        {} if retry_after is None else {"Retry-After": retry_after},
                        b"" if reply is None else reply.body,
                        started,
                        wall_clock(),
                        "" if reply is not None else request.failure or "cancelled",
                    )
                )

        # The one place that every request of a client passes, whatever makes it.
        self._wiring.transport.send = observed  # type: ignore[method-assign]
