"""A connection of a loop at the other end of which is a test."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from okx_async.stores._redis.direct import PATIENCE, Direct
from okx_async.stores._redis.link import Call

CALL = Call(("{t}:epoch", "{t}:bucket"), b"message")


class FarEnd:
    """The server's side of a connection, and what stands for the `Link` of this one."""

    run = "run-1"
    label = "redis://far:6379/0"

    def __init__(self) -> None:
        self.near, self.socket = socket.socketpair()
        self.socket.settimeout(5.0)
        self.asked = 0
        self.heard: list[Any] = []

    def command(self, call: Call) -> tuple[str, tuple[Any, ...]]:
        self.asked += 1
        return f"nonce{self.asked}", ("EVALSHA", "sha", len(call.keys), *call.keys, f"nonce{self.asked}", call.message)

    def close(self) -> None:
        self.near.close()

    def says(self, text: bytes) -> None:
        self.socket.sendall(text)


@pytest.fixture
async def far() -> AsyncIterator[FarEnd]:
    made = FarEnd()
    yield made
    made.near.close()
    made.socket.close()


def direct_to(far: FarEnd) -> Direct:
    link: Any = far
    return Direct(link, far.near, asyncio.get_running_loop())


async def heard(far: FarEnd, count: int = 1) -> list[Any]:
    """Return what was heard as soon as it is so much."""
    await come_about(lambda: len(far.heard) >= count)
    return far.heard


async def come_about(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5.0):
        while not holds():  # noqa: ASYNC110 - a socket tells it to the loop, which must run
            await asyncio.sleep(0)


async def test_one_thing_is_asked_at_a_time_and_an_answer_may_come_in_parts(far: FarEnd) -> None:
    direct = direct_to(far)
    assert direct.free
    assert direct.ask(CALL, far.heard.append)
    assert not direct.free
    asked = far.socket.recv(4096)
    assert b"EVALSHA" in asked
    assert b"message" in asked
    far.says(b"*2\r\n$6\r\nnonce1\r\n*2\r\n$2\r\nok")
    await asyncio.sleep(0.005)
    assert far.heard == []
    far.says(b"\r\n:7\r\n")
    assert await heard(far) == [[b"ok", 7]]
    assert direct.free
    assert direct.ask(CALL, far.heard.append)
    far.says(b"*2\r\n$6\r\nnonce2\r\n*1\r\n$2\r\nok\r\n")
    assert (await heard(far, 2))[1] == [b"ok"]
    direct.end()


@pytest.mark.parametrize(
    "answer",
    [
        b"*2\r\n$6\r\nnonce9\r\n*0\r\n",  # to another question
        b"-NOSCRIPT No matching script.\r\n",
        b"+OK\r\n",
        b"*0\r\n",
        b"*1\r\n$6\r\nnonce1\r\n",
        b"no protocol\r\n",
        b"",  # it ends
    ],
)
async def test_whatever_is_odd_ends_it(far: FarEnd, answer: bytes) -> None:
    direct = direct_to(far)
    assert direct.ask(CALL, far.heard.append)
    if answer:
        far.says(answer)
    else:
        far.socket.close()
    assert await heard(far) == [None]
    assert direct.ended
    assert far.near.fileno() == -1
    direct.end()
    assert far.heard == [None]


async def test_what_nobody_asked_for_ends_it(far: FarEnd) -> None:
    direct = direct_to(far)
    far.says(b"+hello\r\n")
    await come_about(lambda: direct.ended)
    assert not direct.free


async def test_a_silent_server_is_not_waited_for_however_late_it_was_asked(far: FarEnd) -> None:
    direct, loop = direct_to(far), asyncio.get_running_loop()
    assert direct.ask(CALL, far.heard.append)
    await asyncio.sleep(PATIENCE * 0.6)
    far.says(b"*2\r\n$6\r\nnonce1\r\n*0\r\n")
    assert await heard(far) == [[]]
    begun = loop.time()
    assert direct.ask(CALL, far.heard.append)
    assert (await heard(far, 2))[1] is None
    assert loop.time() - begun >= PATIENCE * 0.99
    assert direct.ended


async def test_a_message_that_cannot_be_written_at_once_was_not_sent(far: FarEnd) -> None:
    direct = direct_to(far)
    assert not direct.ask(Call(CALL.keys, bytes(64 << 20)), far.heard.append)
    assert direct.ended
    assert far.heard == []


async def test_a_connection_of_a_parent_is_not_read(far: FarEnd) -> None:
    direct = direct_to(far)
    direct.ended = True  # as a forked child has it
    far.says(b"for the parent")
    await asyncio.sleep(0.005)
    asyncio.get_running_loop().remove_reader(far.near.fileno())
    assert far.near.recv(99) == b"for the parent"
