"""A request and a connection as aiohttp has them, and the way of one through its gate."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import aiohttp

from okx_async._http import write_gate
from okx_async._http.inflight import InFlight
from okx_async._http.protocol import AskedProtocol
from okx_async._http.timeouts import TimeoutGroup
from okx_async._http.write_batch import WriteBatch
from okx_async._http.write_gate import WriteGate


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closing = False

    def is_closing(self) -> bool:
        return self.closing

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def writelines(self, data: Any) -> None:
        self.write(b"".join(data))

    def get_write_buffer_size(self) -> int:
        return 7


class Asked(AskedProtocol):
    """That of our own sessions; its readiness and its end are the test's."""

    should_close: Any = False
    set_exception: Any = None


class Connection:
    """aiohttp's, as far as a request knows it; `plain`: of a caller's session."""

    def __init__(self, *, plain: bool = False) -> None:
        self.real = Transport()
        self.protocol: Any = SimpleNamespace(exception=lambda: None) if plain else Asked(asyncio.get_running_loop())
        self.protocol.transport = self.real
        self.protocol.should_close = False
        self.protocol.set_exception = self.fail
        self.protocol.readable = lambda: vars(write_gate)["readable"](self.real)  # tests replace it
        self.failure: Exception | None = None
        self.released = 0

    def release(self) -> None:
        self.released += 1

    def fail(self, failure: Exception) -> None:
        self.failure = failure


class Request:
    """aiohttp's, which writes after some turns of the loop."""

    body: Any = b""
    turns = 1
    before: Callable[[], None] | None = None
    after: Callable[[], object] | None = None
    lines = False
    pieces = 2

    async def send(self, connection: Connection) -> str:
        for _ in range(self.turns):
            await asyncio.sleep(0)
        if self.before is not None:
            self.before()
        transport = connection.protocol.transport
        assert transport is not connection.real
        assert transport.get_write_buffer_size() == 7
        if transport.is_closing():
            raise aiohttp.ClientConnectionResetError
        if self.lines:
            transport.writelines([b"PO", b"ST"])
        else:
            transport.write(b"POST")
        if self.pieces > 1:
            connection.protocol.transport.write(b"more")
        if self.after is not None:
            self.after()
        await asyncio.sleep(0)  # for the answer
        if connection.failure is not None:
            raise connection.failure
        return "answer"


def gate_of(one: InFlight) -> WriteGate:
    return WriteGate(one, WriteBatch(), b"body")


def wire() -> InFlight:
    return InFlight(TimeoutGroup(asyncio.get_running_loop()), timeout=5.0, wall_clock=lambda: 9.0)


async def through(gate: WriteGate, request: Request, connection: Connection) -> Any:
    async def handler(made: Any) -> Any:
        return await made.send(connection)

    sent: Any = request
    return await gate(sent, handler)
