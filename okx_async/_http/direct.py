"""Requests of the client's own session over aiohttp's connections, without its objects of a request and a response.

Those objects, and the way through them, take a third of the CPU time of a close. The connections, their pool, TLS,
names, and the parser of answers stay aiohttp's. Their methods are public, but no page of aiohttp's describes them. So
only versions that this was tried with are used in this way; with others, and where a tool has put itself into the
steps of a request, requests go by `aiohttp.ClientSession`.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

import aiohttp
from aiohttp.connector import Connection
from aiohttp.hdrs import ACCEPT_ENCODING, CONNECTION
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from okx_async._http.connector import Connector
from okx_async._http.protocol import LIMITS
from okx_async._http.session_way import NO_TIMEOUT
from okx_async._http.steps import is_usual, usual_session
from okx_async._http.write_gate import WriteGate

_TRIED: Final = (3, 14)
"""The newest version of aiohttp that this was tried with."""


class DirectResponse:
    """An answer whose head is there, with what a reader asks of aiohttp's.

    Args:
        connection: What it comes over.
        message: Its head, as aiohttp's parser has it.
        content: Its body.
    """

    __slots__ = ("connection", "content", "headers", "status")

    def __init__(self, connection: Connection, message: Any, content: aiohttp.StreamReader) -> None:
        self.connection = connection
        self.content = content
        self.status: int = message.code
        self.headers: CIMultiDictProxy[str] = message.headers

    def close(self) -> None:
        """End the connection."""
        self.connection.close()

    def release(self) -> None:
        """Give the connection back to its pool, which closes one whose answer was not read to its end."""
        self.connection.release()


class DirectWay:
    """The way of requests to one host over the connections of the client's own session, without a proxy.

    Args:
        session: The session.
        connector: Its connections.
        url: The host.
    """

    def __init__(self, session: aiohttp.ClientSession, connector: Connector, url: URL) -> None:
        self._connector = connector
        # Never sent: it tells the connector where to connect to, and which headers aiohttp adds.
        self._address = aiohttp.ClientRequest("GET", url, loop=connector._loop, session=session)  # noqa: SLF001 - the public name warns
        added = {name: value for name, value in self._address.headers.items() if name != ACCEPT_ENCODING}
        if connector.force_close:
            added[CONNECTION] = "close"
        self._added = _lines(added)

    async def ask(
        self, gate: WriteGate, method: str, url: URL, headers: Callable[[], Mapping[str, str]]
    ) -> DirectResponse:
        """Write one request and return its answer once the head is there; raise what aiohttp's session would raise.

        Args:
            gate: Decides in the step of the write, and has the body.
            method: "GET" or "POST".
            url: At the host.
            headers: Returns those beside what aiohttp adds. A function shows no secret where frames are logged.
        """
        gate.open()
        try:
            try:
                connection = await self._connector.lend(self._address, [], NO_TIMEOUT)
            except TimeoutError as exc:
                raise aiohttp.ConnectionTimeoutError(f"Connection timeout to host {url}") from exc
            try:
                return await self._answer(connection, gate, method, url, headers)
            except BaseException:
                connection.close()
                raise
        finally:
            gate.shut()

    async def _answer(
        self, connection: Connection, gate: WriteGate, method: str, url: URL, headers: Callable[[], Mapping[str, str]]
    ) -> DirectResponse:
        protocol = connection.protocol
        if protocol is None:
            raise aiohttp.ClientConnectionResetError("the connection was lost")
        protocol.set_response_params(read_until_eof=True, auto_decompress=False, **LIMITS)

        def head() -> bytes:
            return f"{method} {url.raw_path_qs} HTTP/1.1\r\n{self._added}{_lines(headers())}\r\n".encode()

        gate.take(connection, head)
        try:
            while True:
                message, content = await protocol.read()
                if message.code // 100 != 1 or message.code == HTTPStatus.SWITCHING_PROTOCOLS:  # else it is interim
                    return DirectResponse(connection, message, content)
        except HttpProcessingError as exc:
            info = aiohttp.RequestInfo(url, method, CIMultiDictProxy(CIMultiDict[str]()), url)
            raise aiohttp.ClientResponseError(
                info, (), status=exc.code, message=exc.message, headers=exc.headers
            ) from exc


def direct_way(session: aiohttp.ClientSession, url: URL, version: str = aiohttp.__version__) -> DirectWay | None:
    """Return the direct way of a session of ours to a host.

    None where this version of aiohttp was not tried, or where a tool has put a class or a function of its own in the
    place of those that make sessions: what it would do with each request cannot be known here.
    """
    connector = session.connector
    tried = tuple(int(part) for part in version.split(".")[:2]) <= _TRIED
    if not (tried and is_usual() and usual_session(session)) or not isinstance(connector, Connector):
        return None
    return DirectWay(session, connector, url)


def _lines(headers: Mapping[str, str]) -> str:
    # No value can end its line: credentials are checked, and the rest is made here.
    return "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
