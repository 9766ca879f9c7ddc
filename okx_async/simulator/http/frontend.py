"""The HTTP side: a request in, the way in, the decision, the way out, bytes out.

The raw path is what is signed, and unknown paths and wrong methods are answered in the exchange's own words.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from okx_async.simulator.gateway import Gateway
from okx_async.simulator.http.connections import Door, Doors
from okx_async.simulator.http.messages import Answer, Request

__all__ = ["Front"]

_BLANKS = b" " * 65536
_BACKLOG = 4096  # connections that may arrive in one burst


class Front:
    """Serves a gateway over HTTP, on a socket or on any transport that takes a protocol factory."""

    def __init__(
        self,
        gateway: Gateway,
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        way: Callable[[], float],
    ) -> None:
        self._gateway = gateway
        self._clock = clock
        self._wall_clock = wall_clock
        self._way = way
        self._timers: set[asyncio.TimerHandle] = set()
        self._server: asyncio.Server | None = None
        self._doors: Doors | None = None

    def factory(self) -> Doors:
        """Return a protocol factory of the running loop: for `loop.create_server`, or for a network in memory."""
        return Doors(self._serve)

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port."""
        self._doors = self.factory()
        self._server = await self._listen(self._doors, host, port)
        first, *others = (int(sock.getsockname()[1]) for sock in self._server.sockets)
        if any(other != first for other in others):  # a name of several addresses, each with a free port of its own
            self._server.close()
            await self._server.wait_closed()
            self._server = await self._listen(self._doors, host, first)
        return first

    @staticmethod
    async def _listen(doors: Doors, host: str, port: int) -> asyncio.Server:
        return await asyncio.get_running_loop().create_server(doors, host, port, backlog=_BACKLOG)

    async def stop(self) -> None:
        """Close every connection and leave nothing behind, whatever is still on its way."""
        if self._server is None or self._doors is None:
            return
        self._server.close()
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        await self._doors.shutdown(0.05)
        await self._server.wait_closed()
        for _ in range(3):  # a closed transport reports its end in a later turn of the loop
            await asyncio.sleep(0)
        self._server = self._doors = None

    def _serve(self, door: Door, request: Request) -> None:
        way_in, way_out = self._way(), self._way()
        self._after(way_in, self._decide, door, request, way_out)

    def _decide(self, door: Door, request: Request, way_out: float) -> None:
        answer = self._gateway.decide(request, self._clock(), int(self._wall_clock() * 1000))
        if answer.forwarded is not None:
            self._after(answer.forwarded, self._forward, request)
        self._after(answer.delay + way_out, self._send, door, request, answer)

    def _forward(self, request: Request) -> None:
        """Decide a request again that a proxy has answered in the exchange's place."""
        self._gateway.decide(request, self._clock(), int(self._wall_clock() * 1000), forwarded=True)

    def _send(self, door: Door, request: Request, answer: Answer) -> None:
        """Send an answer, as whole or as broken as it is meant to be."""
        if not answer.status:
            door.hang_up(reset=answer.reset)
            return
        first = door.head(answer.status, answer.content_type, answer.padding + len(answer.body), answer.headers)
        if request.method == "HEAD":
            door.write(first)
            door.answered()
        elif answer.pause or answer.padding or answer.cut is not None:
            door.write(first)
            self._after(answer.pause, self._send_rest, door, answer)
        else:
            door.write(first + answer.body)
            door.answered()

    def _send_rest(self, door: Door, answer: Answer) -> None:
        for sent in range(0, answer.padding, len(_BLANKS)):
            door.write(_BLANKS[: answer.padding - sent])
        door.write(answer.body[: answer.cut])
        if answer.cut is None:
            door.answered()
        else:
            door.hang_up(reset=answer.reset)

    def _after(self, seconds: float, do: Callable[..., None], *arguments: Any) -> None:
        """Do something in so many seconds, unless it stops before; at once for 0."""
        if not seconds:
            do(*arguments)
            return

        def run() -> None:
            self._timers.discard(timer)
            do(*arguments)

        timer = asyncio.get_running_loop().call_later(seconds, run)
        self._timers.add(timer)
