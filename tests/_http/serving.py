"""A server that keeps what it was sent, and a transport of the client's own session to it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from okx_async._http.bodies import Reply
from okx_async._http.inflight import InFlight
from okx_async._http.timeouts import TimeoutGroup
from okx_async._http.transport import Transport

PATH = "/api/v5/trade/close-position?tag=a,b%20c"
HEADERS = {"OK-ACCESS-KEY": "k", "Accept-Encoding": "identity"}
OF_A_BODY = {"Content-Type": "application/json", "Content-Length": "2"}
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nRetry-After: 3\r\n\r\n{}"


class Server:
    """Answers each request with the same bytes."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.received: list[bytes] = []
        self.connections = 0
        self.asked, self.ended = asyncio.Event(), asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(2 if b"Content-Length: 2" in head else 0)
            except (asyncio.IncompleteReadError, ConnectionResetError):
                self.ended.set()
                break
            self.received.append(head + body)
            self.asked.set()
            writer.write(self.answer)
        writer.close()

    @property
    def lines(self) -> list[list[bytes]]:
        """The lines of each request; the order of headers says nothing."""
        parts = [request.partition(b"\r\n") for request in self.received]
        return [[first, *sorted(rest.split(b"\r\n"))] for first, _, rest in parts]


@asynccontextmanager
async def serving(answer: bytes = ANSWER, **options: Any) -> AsyncIterator[tuple[Server, Transport]]:
    server = Server(answer)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    subject = Transport(
        f"http://127.0.0.1:{port}", session=None, **{"connect_timeout": 2.0, "keepalive": 15.0, **options}
    )
    try:
        yield server, subject
    finally:
        await subject.aclose()
        listening.close()


async def send(subject: Transport, method: str = "POST", body: bytes = b"[]") -> tuple[InFlight, Reply | None]:
    request = InFlight(TimeoutGroup(asyncio.get_running_loop()), timeout=5.0, wall_clock=lambda: 0.0)
    headers = {**HEADERS, **OF_A_BODY} if body else HEADERS
    with request:
        return request, await subject.send(request, method, PATH, lambda: headers, body)
