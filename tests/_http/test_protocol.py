import asyncio
from typing import Any

import aiohttp
import pytest
from aiohttp.client_proto import ResponseHandler

from okx_async._http.protocol import LIMITS, MOST_HEAD, AskedProtocol, rest_theirs


class Reached(asyncio.Transport):
    aborted = 0
    protocol: object = None

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def abort(self) -> None:
        self.aborted += 1


def connected() -> tuple[AskedProtocol, Reached]:
    protocol, transport = AskedProtocol(asyncio.get_running_loop()), Reached()
    protocol.connection_made(transport)
    return protocol, transport


async def test_bytes_that_nothing_asked_for_end_the_connection_and_are_not_kept() -> None:
    protocol, transport = connected()
    protocol.rest()
    assert transport.aborted == 0
    protocol.data_received(b"HTTP/1.1 200 OK\r\n")
    assert transport.aborted == 1
    assert protocol.should_close
    assert not protocol._tail


async def test_bytes_that_came_while_the_connection_was_made_end_it() -> None:
    protocol, transport = connected()
    protocol.data_received(b"HTTP/1.1 2")
    assert transport.aborted == 0
    protocol.rest()
    assert transport.aborted == 1


async def test_an_answer_is_read() -> None:
    protocol, transport = connected()
    protocol.rest()
    protocol.asker = object()
    protocol.set_response_params()
    protocol.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    message, payload = await protocol.read()
    body: Any = await payload.read()
    assert (message.code, body, transport.aborted) == (200, b"ok", 0)


async def test_what_follows_an_answer_in_one_piece_ends_the_connection_afterwards() -> None:
    protocol, transport = connected()
    protocol.asker = object()
    protocol.set_response_params()
    protocol.data_received(b"HTTP/1.1 204 No\r\n\r\n" * 2)
    await protocol.read()
    protocol.rest()
    assert transport.aborted == 1


@pytest.mark.parametrize(("interim", "read"), [(1, True), (90, True), (4000, False)])
async def test_a_flood_of_interim_answers_is_not_taken_apart(interim: int, *, read: bool) -> None:
    protocol, transport = connected()
    protocol.asker = object()
    protocol.set_response_params()
    protocol.data_received(b"HTTP/1.1 100 Continue\r\n\r\n" * interim + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert transport.aborted == (0 if read else 1)
    if read:
        for _ in range(interim):
            assert (await protocol.read())[0].code == 100
        assert (await protocol.read())[0].code == 200
    else:
        with pytest.raises(aiohttp.ClientPayloadError, match="a flood of answers"):
            await protocol.read()


async def test_a_resumed_reader_is_no_answer() -> None:
    protocol, transport = connected()
    protocol.rest()
    protocol.data_received(b"")  # aiohttp goes on with what it has
    assert transport.aborted == 0


@pytest.mark.parametrize("begun", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 103 Early Hints\r\n"])
@pytest.mark.parametrize("interim", [b"", b"\r\nHTTP/1.1 103 Early Hints\r\n"])
async def test_a_head_without_end_is_not_kept(begun: bytes, interim: bytes) -> None:
    protocol, transport = connected()
    protocol.asker = object()
    protocol.set_response_params(**LIMITS)
    protocol.data_received(begun)
    field = b"X-Trace: " + b"x" * 60_000 + b"\r\n" + interim
    for _ in range(MOST_HEAD // len(field)):
        protocol.data_received(field)
    assert transport.aborted == 0
    for _ in range(2):
        protocol.data_received(field)
    assert transport.aborted >= 1
    assert isinstance(protocol.exception(), aiohttp.ClientPayloadError)
    assert f"the head of the answer is longer than {MOST_HEAD} bytes" in str(protocol.exception())


async def test_a_body_of_any_length_is_no_part_of_the_head_and_each_answer_has_its_own() -> None:
    protocol, transport = connected()
    for _ in range(3):
        protocol.asker = object()
        protocol.set_response_params(**LIMITS)
        for _ in range(MOST_HEAD // 100_000):
            protocol.data_received(b"HTTP/1.1 103 Early Hints\r\nX-Trace: " + b"x" * 60_000 + b"\r\n\r\n")
            await protocol.read()
        protocol.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 600000\r\n\r\n")
        for _ in range(6):
            protocol.data_received(b" " * 100_000)
        _, payload = await protocol.read()
        body: Any = await payload.read()
        assert len(body) == 600_000
        protocol.rest()
    assert transport.aborted == 0


ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_a_connection_of_a_callers_session_ends_by_what_comes_after_our_answer() -> None:
    protocol, transport = ResponseHandler(asyncio.get_running_loop()), Reached()
    protocol.connection_made(transport)
    for _ in range(2):
        protocol.set_response_params()  # a request of ours, then one of the caller's
        protocol.data_received(ANSWER)
        protocol.data_received(b"")
        message, _payload = await protocol.read()
        assert (message.code, transport.aborted) == (200, 0)
        rest_theirs(protocol)
        assert transport.protocol is protocol
    protocol.data_received(ANSWER)
    assert transport.aborted == 1
    assert not protocol.should_close  # nothing was kept of it


async def test_what_is_no_connection_of_aiohttps_is_left_alone() -> None:
    for other in (None, object(), ResponseHandler(asyncio.get_running_loop())):
        rest_theirs(other)
        assert not hasattr(other, "__dict__") or "data_received" not in vars(other)
