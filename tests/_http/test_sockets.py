import asyncio
import select
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from okx_async._http import sockets
from okx_async._http.sockets import extra_info, readable, reset


class Reached(asyncio.Transport):
    """A transport that knows what it is given."""

    def __init__(self, **extra: object) -> None:
        super().__init__(extra)
        self.aborted = 0

    def abort(self) -> None:
        self.aborted += 1


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ours = socket.create_connection(listening.getsockname())
        theirs, _ = listening.accept()
        with ours, theirs:
            yield ours, theirs


@pytest.mark.parametrize("polls", [True, False], ids=["poll", "select, as on Windows"])
@pytest.mark.parametrize("news", ["bytes", "the end", "a reset"])
def test_what_the_kernel_has_is_seen(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch, news: str, *, polls: bool
) -> None:
    monkeypatch.setattr(sockets, "_POLLS", polls)
    ours, theirs = pair
    transport = Reached(socket=ours)
    assert not readable(transport)
    if news == "bytes":
        theirs.send(b"x")
    elif news == "the end":
        theirs.shutdown(socket.SHUT_WR)
    else:
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, sockets.RESET)
        theirs.close()
    select.select([ours], [], [], 1.0)
    assert readable(transport)
    if news == "bytes":
        ours.recv(1)
        assert not readable(transport)


def test_without_a_socket_nothing_is_known(pair: tuple[socket.socket, socket.socket]) -> None:
    assert not readable(Reached())
    pair[0].close()
    assert not readable(Reached(socket=pair[0]))


def test_a_tls_transport_that_has_ended_knows_nothing() -> None:
    class Ended(Reached):
        def get_extra_info(self, *_: object) -> Any:
            raise AttributeError

    ended = Ended()
    assert extra_info(ended, "socket") is None
    assert not readable(ended)
    reset(ended)
    assert ended.aborted == 1


class Foreign:
    """A transport of another event loop, which is no asyncio.Transport."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.aborted = 0

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self.sock if name == "socket" else default

    def abort(self) -> None:
        self.aborted += 1


def test_a_reset_reaches_transports_of_every_loop(pair: tuple[socket.socket, socket.socket]) -> None:
    foreign: Any = Foreign(pair[0])
    reset(foreign)
    assert foreign.aborted == 1
    assert pair[0].getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8) == sockets.RESET
