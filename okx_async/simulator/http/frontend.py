"""The HTTP frontend: receives requests, has each one decided after the way in, and answers after the way out."""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from okx_async.simulator.http.connections import Connections, HttpConnection
from okx_async.simulator.http.heads import padding
from okx_async.simulator.http.messages import Answer, Request

_BLANKS = b" " * 65536
_BACKLOG = 4096  # connections that may arrive in one burst


class Decider(Protocol):
    """What answers the requests: the gateway."""

    def decide(self, request: Request, now: float, ms: int, *, forwarded: bool = False) -> Answer:
        """Return the answer to a request that arrives at `now`; `ms` is the server's time."""


class HttpFrontend:
    """Serves a gateway over HTTP, on a socket or on any transport that takes a protocol factory.

    Args:
        gateway: Decides each request.
        clock: The exchange's clock, in seconds.
        wall_clock: The server's time, in Unix seconds.
        latency: Returns the seconds that a request, or an answer, is under way.
        keepalive: Seconds that an idle connection is kept; by default 75.
        max_head: Bytes that the first line and the headers of a request may have; by default 32 KiB.
        answer_head: Bytes that the head of an answer has at least.
        control: Returns the answer to a request that steers the exchange, None for any other; by default there is none.
    """

    def __init__(
        self,
        gateway: Decider,
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        latency: Callable[[], float],
        keepalive: float = 75.0,
        max_head: int = 32 * 1024,
        answer_head: int = 0,
        control: Callable[[Request], Answer | None] | None = None,
    ) -> None:
        self._gateway = gateway
        self._clock = clock
        self._wall_clock = wall_clock
        self._latency = latency
        self._keepalive, self._max_head, self._answer_head = keepalive, max_head, answer_head
        self._control = control
        self._timers: set[asyncio.TimerHandle] = set()
        self._server: asyncio.Server | None = None
        self._connections: Connections | None = None

    def factory(self) -> Connections:
        """Return a protocol factory of the running loop: for `loop.create_server`, or for a network in memory."""
        return Connections(self._serve, keepalive=self._keepalive, max_head=self._max_head)

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port."""
        self._connections = self.factory()
        self._server = await self._listen(self._connections, host, port)
        first, *others = (int(sock.getsockname()[1]) for sock in self._server.sockets)
        if any(other != first for other in others):  # a name of several addresses, each with a free port of its own
            self._server.close()
            await self._server.wait_closed()
            self._server = await self._listen(self._connections, host, first)
        return first

    @staticmethod
    async def _listen(connections: Connections, host: str, port: int) -> asyncio.Server:
        return await asyncio.get_running_loop().create_server(connections, host, port, backlog=_BACKLOG)

    async def stop(self) -> None:
        """Close every connection, and drop the requests and answers that are under way."""
        if self._server is None or self._connections is None:
            return
        self._server.close()
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        await self._connections.shutdown(0.05)
        await self._server.wait_closed()
        for _ in range(3):  # a closed transport reports its end in a later turn of the loop
            await asyncio.sleep(0)
        self._server = self._connections = None

    def _serve(self, connection: HttpConnection, request: Request) -> None:
        if self._control is not None and (answer := self._control(request)) is not None:
            self._send(connection, request, answer)
            return
        way_in, way_out = self._latency(), self._latency()
        self._after(way_in, self._decide, connection, request, way_out)

    def _decide(self, connection: HttpConnection, request: Request, way_out: float) -> None:
        answer = self._gateway.decide(request, self._clock(), int(self._wall_clock() * 1000))
        if answer.forwarded is not None:
            self._after(answer.forwarded, self._forward, request)
        self._after(answer.delay + way_out, self._send, connection, request, answer)

    def _forward(self, request: Request) -> None:
        """Decide a request that a proxy, which has answered it already, sends on late."""
        self._gateway.decide(request, self._clock(), int(self._wall_clock() * 1000), forwarded=True)

    def _send(self, connection: HttpConnection, request: Request, answer: Answer) -> None:
        """Send an answer, complete or broken on purpose."""
        if not answer.status:
            connection.hang_up(reset=answer.reset)
            return
        length = answer.padding + len(answer.body)
        first = connection.head(answer.status, answer.content_type, length, answer.headers)
        if len(first) < self._answer_head:
            headers = {**answer.headers, **padding(self._answer_head - len(first))}
            first = connection.head(answer.status, answer.content_type, length, headers)
        if request.method == "HEAD":
            connection.write(first)
            connection.answered()
        elif answer.pause or answer.padding or answer.cut is not None:
            connection.write(first)
            self._after(answer.pause, self._send_rest, connection, answer)
        else:
            connection.write(first + answer.body)
            connection.answered()

    def _send_rest(self, connection: HttpConnection, answer: Answer) -> None:
        for sent in range(0, answer.padding, len(_BLANKS)):
            connection.write(_BLANKS[: answer.padding - sent])
        connection.write(answer.body[: answer.cut])
        if answer.cut is None:
            connection.answered()
        else:
            connection.hang_up(reset=answer.reset)

    def _after(self, seconds: float, do: Callable[..., None], *arguments: Any) -> None:
        """Call `do` in so many seconds, unless the frontend stops before; at once for 0."""
        if not seconds:
            do(*arguments)
            return

        def run() -> None:
            self._timers.discard(timer)
            do(*arguments)

        timer = asyncio.get_running_loop().call_later(seconds, run)
        self._timers.add(timer)
