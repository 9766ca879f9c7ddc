import asyncio
import socket
import struct
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, NamedTuple

import aiohttp
import pytest
from yarl import URL

from okx_async._http.connector import Connector, distrust_theirs
from okx_async._http.sockets import reset

ADDRESS = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 9))


class Place(NamedTuple):
    """As aiohttp's key of connections names it."""

    host: str
    port: int


async def test_it_knows_its_sockets_and_since_when_they_are_there() -> None:
    connector = Connector(keepalive=1.0)
    now = asyncio.get_running_loop().time
    before = now()
    first, second = connector._socket(ADDRESS), connector._socket(ADDRESS)
    assert first.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8) == struct.pack("ii", 1, 0)
    assert connector.standing == 2
    connection: Any = SimpleNamespace(transport=Reached(first))
    assert not connector.older(connection, before)
    assert connector.older(connection, now() + 1.0)
    first.close()
    assert connector.standing == 1
    second.close()
    nothing: Any = SimpleNamespace(transport=None)
    assert not connector.older(nothing, now() + 1.0)
    await connector.close()


async def test_of_many_connections_at_once_few_begin_in_each_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system holds a hundred for a server that has not met them yet, and drops the others for a second."""
    begun: list[object] = []

    async def create(_: Connector, *request: object) -> None:
        begun.append(request)

    monkeypatch.setattr(aiohttp.TCPConnector, "_create_connection", create)
    connector = Connector(keepalive=1.0)
    tasks = [asyncio.create_task(connector._create_connection(n)) for n in range(200)]
    counts = [0]
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        counts.append(len(begun))
    assert max(later - earlier for earlier, later in pairwise(counts)) == 50
    assert begun == [(n,) for n in range(200)]
    await connector.close()


class Reached(asyncio.Transport):
    def __init__(self, sock: socket.socket | None) -> None:
        super().__init__({"socket": sock} if sock else {})
        self.aborted = 0

    def abort(self) -> None:
        self.aborted += 1


def test_a_reset_drops_what_the_kernel_holds() -> None:
    with socket.socket() as sock:
        reached = Reached(sock)
        reset(reached)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8) == struct.pack("ii", 1, 0)
        assert reached.aborted == 1
    reset(reached)  # closed meanwhile
    assert reached.aborted == 2


def test_a_reset_of_nothing_is_none() -> None:
    reset(None)
    reset(asyncio.BaseTransport())
    bare = Reached(None)
    reset(bare)
    assert bare.aborted == 1


def test_of_a_callers_connections_those_that_were_idle_through_a_silence_end() -> None:
    closed: list[str] = []

    def idle(name: str, since: float) -> tuple[Any, float]:
        return SimpleNamespace(close=lambda: closed.append(name)), since

    there, elsewhere = Place("openapi.okx.com", 443), Place("example.org", 443)
    connector: Any = SimpleNamespace(
        _conns={
            there: [idle("before", 8.0), idle("just before", 8.9999), idle("heard since", 9.0)],
            elsewhere: [idle("elsewhere", 1.0)],
        }
    )
    distrust_theirs(connector, URL("https://openapi.okx.com"), 9.0)
    assert closed == ["before", "just before"]
