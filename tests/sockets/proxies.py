"""Proxies of the tests' own: HTTP (CONNECT and absolute form, with login, with TLS) and SOCKS5."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, TypeVar
from urllib.parse import urlsplit

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Serving(Protocol):
    """What listens at a port."""

    port: int

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""


T = TypeVar("T", bound=Serving)


@dataclass
class HttpProxy:
    """An HTTP proxy that leads where it is asked to, or to `target` whatever is asked for."""

    target: int | None = None
    """A local port."""
    login: str | None = None
    """The value of Proxy-Authorization that it asks for."""
    established: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n"
    """Its answer to CONNECT; b"": it hangs up instead."""
    early: Callable[[asyncio.StreamWriter], Awaitable[None]] | None = None
    """Done between that answer and the tunnel."""
    port: int = 0
    heads: list[bytes] = field(default_factory=list)
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        method, where, _ = head.split(b" ", 2)
        if self.login is not None and f"Proxy-Authorization: {self.login}\r\n".encode() not in head:
            writer.write(b"HTTP/1.1 407 no\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n")
            return
        if method == b"CONNECT":
            port = self.target or int(where.rpartition(b":")[2])
            if not self.established.startswith((b"HTTP/1.1 200", b"HTTP/1.0 200")):
                writer.write(self.established)
                return
            writer.write(self.established)
            if self.early is not None:
                await self.early(writer)
            await join((reader, writer), await asyncio.open_connection("127.0.0.1", port))
        else:
            port = self.target or urlsplit(where).port or 80
            there = await asyncio.open_connection("127.0.0.1", port)
            there[1].write(head)
            await join((reader, writer), there)


@dataclass
class Front:
    """A server that carries bytes to a local port; with TLS it gives a plain server its certificate."""

    target: int
    port: int = 0
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        await join((reader, writer), await asyncio.open_connection("127.0.0.1", self.target))


@dataclass
class SocksProxy:
    """A SOCKS5 proxy, or one that ends at some step: "methods" (none of them), "refused" (the host), "silent".

    Or it "hangs up" at once, or speaks "HTTP".
    """

    target: int | None = None
    ends: str = ""
    login: tuple[str, str] | None = None
    port: int = 0
    asked: list[tuple[str, int]] = field(default_factory=list)
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        _, count = await reader.readexactly(2)
        await reader.readexactly(count)
        if self.ends == "silent":
            await reader.read()
        if self.ends == "hangs up":
            return
        if self.ends == "HTTP":
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            return
        if self.ends == "methods":
            writer.write(b"\x05\xff")
            return
        writer.write(b"\x05\x02" if self.login else b"\x05\x00")
        if self.login:
            given = []
            await reader.readexactly(1)
            for _ in range(2):
                (length,) = await reader.readexactly(1)
                given.append((await reader.readexactly(length)).decode())
            writer.write(b"\x01\x00" if tuple(given) == self.login else b"\x01\x01")
            if tuple(given) != self.login:
                return
        *_, kind = await reader.readexactly(4)
        (length,) = await reader.readexactly(1) if kind == 3 else (4,)
        host = (await reader.readexactly(length)).decode("latin-1")
        port = int.from_bytes(await reader.readexactly(2))
        self.asked.append((host, port))
        if self.ends == "refused":
            writer.write(b"\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00")
            return
        there = await asyncio.open_connection("127.0.0.1", self.target or port)
        writer.write(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
        await join((reader, writer), there)


async def join(here: Streams, there: Streams) -> None:
    """Carry bytes both ways until one side ends."""

    async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                sink.write(data)
        sink.close()

    try:
        await asyncio.gather(carry(here[0], there[1]), carry(there[0], here[1]))
    finally:
        there[1].transport.abort()


@asynccontextmanager
async def running(proxy: T, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[T]:
    """Let a proxy listen; at the end no connection of it is left."""
    tasks: set[asyncio.Task[None]] = set()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, EOFError):
                await proxy.serve(reader, writer)
                writer.close()
        except asyncio.CancelledError:
            pass
        finally:
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(one, "127.0.0.1", 0, ssl=tls)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
