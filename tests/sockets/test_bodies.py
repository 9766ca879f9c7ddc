"""Answers of broken networks, proxies and malice: the right error class, the right token, bounded memory."""

import asyncio
import gzip
import tracemalloc
import zlib
from functools import cache

import aiohttp
import pytest

from okx_async import Attempt, ClosedPosition, OkxError, Outcome, OutcomeUnknownError, RejectedError
from tests.sockets.conftest import OWN, Clients, Connection, Script, Stub, response

pytestmark = pytest.mark.usefixtures("no_uid_check")

HTML = b"<html><head><title>%d</title></head><body><center><h1>cloudflare</h1></center></body></html>"
GOOD = b'{"code":"0","data":[{"instId":"BTC-USDT-SWAP","posSide":"net","clOrdId":"","tag":""}],"msg":""}'


DEFLATED = zlib.compress(GOOD)[2:-4]
"""Without the head that would say how it is packed."""


def once(raw: bytes, *, hang_up: bool = False) -> Script:
    """Return a script that answers one request with these bytes."""

    async def script(connection: Connection) -> None:
        await connection.request()
        connection.write(raw)
        if hang_up:
            connection.transport.close()

    return script


async def close(clients: Clients, stub: Stub, *, own: bool = True) -> tuple[ClosedPosition | OkxError, str]:
    """Return how the close ended, and where its token is."""
    attempts: list[Attempt] = []
    async with aiohttp.ClientSession() as session:
        client = clients(stub.base_url, session=None if own else session, timeout=2.0, on_attempt=attempts.append)
        end: ClosedPosition | OkxError
        try:
            end = await client.close_position("BTC-USDT-SWAP", "cross")
        except OkxError as error:
            end = error
        (attempt,) = attempts
        assert end.attempts == (attempt,)
        assert len(stub.requests) <= 1
        fate = clients.fate(client)
        assert fate == attempt.token
        return end, fate


@OWN
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("301 Moved Permanently", RejectedError),
        ("302 Found", RejectedError),
        ("307 Temporary Redirect", RejectedError),
        ("308 Permanent Redirect", RejectedError),
        ("401 Unauthorized", RejectedError),
        ("403 Forbidden", RejectedError),
        ("404 Not Found", RejectedError),
        ("405 Method Not Allowed", RejectedError),
        ("400 Bad Request", OutcomeUnknownError),
        ("408 Request Timeout", OutcomeUnknownError),
        ("429 Too Many Requests", OutcomeUnknownError),
        ("500 Internal Server Error", OutcomeUnknownError),
        ("502 Bad Gateway", OutcomeUnknownError),
        ("503 Service Unavailable", OutcomeUnknownError),
        ("520 Unknown Error", OutcomeUnknownError),
        ("200 OK", OutcomeUnknownError),
    ],
)
async def test_a_page_of_a_proxy(stub: Stub, clients: Clients, status: str, kind: type[OkxError], *, own: bool) -> None:
    number = int(status[:3])
    stub.script = once(response(status, HTML % number, "Content-Type: text/html", f"Location: {stub.base_url}/other"))
    end, fate = await close(clients, stub, own=own)
    assert type(end) is kind
    assert (end.code, end.status) == ("", number)
    assert fate == "in doubt"  # a proxy answered: the exchange may count the request or not


@OWN
@pytest.mark.parametrize(
    ("raw", "hang_up"),
    [
        (response("200 OK", b""), False),
        (response("204 No Content", b""), False),
        (response("200 OK", GOOD[:-9]), False),
        (response("200 OK", GOOD)[:-9], True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n60\r\n" + GOOD, True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + GOOD, True),
        (b"HTTP/1.1 200 OK\r\n\r\n" + GOOD[:20], True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n" + GOOD, True),
        (b"HTTP/1.1 2OO OK\r\n\r\n", False),
        (b"SSH-2.0-OpenSSH_9.6\r\n", True),
        (b"\x00\xff" * 100 + b"\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100_000 + b"\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\n" + b"X-Many: x\r\n" * 10_000 + b"\r\n", False),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", False),
        (response("200 OK", gzip.compress(GOOD)[:-9], "Content-Encoding: gzip"), False),
        (response("200 OK", b"x", "Content-Encoding: br"), False),
        (b"", True),
    ],
    ids=[
        "empty",
        "no content",
        "truncated JSON",
        "cut in mid-body",
        "cut in mid-chunk",
        "no chunk",
        "cut without a length",
        "negative length",
        "garbage status line",
        "not HTTP",
        "binary",
        "long header",
        "many headers",
        "upgrade",
        "cut in its compression",
        "false compression",
        "hang-up",
    ],
)
async def test_an_answer_that_cannot_be_read(
    stub: Stub, clients: Clients, raw: bytes, *, hang_up: bool, own: bool
) -> None:
    stub.script = once(raw, hang_up=hang_up)
    end, fate = await close(clients, stub, own=own)
    assert type(end) is OutcomeUnknownError
    assert "400" not in str(end).replace(stub.base_url, "")  # aiohttp's own status, in no answer; a port may have it
    assert fate == "in doubt"
    assert "do not blindly repeat" in str(end)
    assert len(str(end)) < 500


@OWN
@pytest.mark.parametrize(
    "raw",
    [
        response("200 OK", GOOD),
        response("200 OK", GOOD, "Connection: close"),
        response("200 OK", b" " * 100_000 + GOOD),
        response("200 OK", gzip.compress(GOOD), "Content-Encoding: gzip"),
        response("200 OK", gzip.compress(gzip.compress(GOOD)), "Content-Encoding: gzip", "Content-Encoding: gzip"),
        response("200 OK", DEFLATED, "Content-Encoding: identity", "Content-Encoding: deflate"),
        response("200 OK", gzip.compress(GOOD)),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"
        % (len(gzip.compress(GOOD)), gzip.compress(GOOD)),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5f\r\n" + GOOD + b"\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + response("200 OK", GOOD),
    ],
    ids=[
        *("plain", "and no more", "after much space", "compressed unasked", "compressed twice", "by the second header"),
        *("compressed without a word", "compressed in transfer", "chunked", "after informational ones"),
    ],
)
async def test_an_answer_is_an_answer_however_it_is_sent(
    stub: Stub, clients: Clients, raw: bytes, *, own: bool
) -> None:
    stub.script = once(raw)
    end, fate = await close(clients, stub, own=own)
    assert isinstance(end, ClosedPosition)
    assert (end.inst_id, end.attempts[0].outcome, fate) == ("BTC-USDT-SWAP", Outcome.ACCEPTED, "settled")


async def test_an_answer_before_the_request_was_read(stub: Stub, clients: Clients) -> None:
    async def script(connection: Connection) -> None:
        while not connection.received:  # noqa: ASYNC110 - the first bytes of a request, and perhaps not all
            await asyncio.sleep(0)
        connection.write(response("200 OK", GOOD))
        await connection.ended.wait()

    # It is the exchange's envelope, over a connection that carried the request.
    stub.script = script
    end, fate = await close(clients, stub)
    assert isinstance(end, ClosedPosition)
    assert fate == "settled"


async def test_a_second_answer_is_not_taken_for_that_of_the_next_request(stub: Stub, clients: Clients) -> None:
    more = asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.request()
        connection.answer({"code": "0", "data": [], "msg": ""})
        await more.wait()
        connection.write(response("200 OK", GOOD))  # a second answer to the first request
        await connection.request()
        connection.answer({"code": "51023", "data": [], "msg": "Position doesn't exist."})

    stub.script = script
    client = clients(stub.base_url)
    await client.close_position("ETH-USDT-SWAP", "cross")
    more.set()
    for _ in range(5):
        await asyncio.sleep(0)

    async def refuse(connection: Connection) -> None:
        await connection.request()
        connection.answer({"code": "51023", "data": [], "msg": "Position doesn't exist."})

    stub.script = refuse
    with pytest.raises(RejectedError, match="51023"):
        await client.close_position("BTC-USDT-SWAP", "cross")
    assert len(stub.connections) == 2


async def endless(connection: Connection) -> None:
    await connection.request()
    connection.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    while not connection.ended.is_set():
        if connection.transport.get_write_buffer_size() < 1 << 20:
            connection.write(chunk)
        await asyncio.sleep(0)


def long(size: int) -> Script:
    async def script(connection: Connection) -> None:
        await connection.request()
        connection.write(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
        while size and not connection.ended.is_set():
            if connection.transport.get_write_buffer_size() < 1 << 20:
                connection.write(b" " * 65536)
            await asyncio.sleep(0)

    return script


@cache
def packed_blanks() -> bytes:
    return gzip.compress(b" " * 200_000_000, 9)


def bomb(status: str, *headers: str) -> Script:
    """Answer with 200 MB behind gzip, packed when a test needs it."""

    async def script(connection: Connection) -> None:
        await once(response(status, packed_blanks(), "Content-Encoding: gzip", *headers))(connection)

    return script


@pytest.mark.share(3)
@OWN
@pytest.mark.parametrize(
    ("script", "words"),
    [
        (endless, "longer than 1048576 bytes"),
        (long(20_000_000), "longer than 1048576 bytes"),
        (bomb("200 OK"), "HTTP 200"),
        (bomb("502 Bad Gateway", "Connection: close"), "HTTP 502"),
    ],
    ids=["endless", "20 MB", "200 MB behind gzip", "200 MB behind gzip of a proxy"],
)
async def test_memory_is_bounded(stub: Stub, clients: Clients, script: Script, words: str, *, own: bool) -> None:
    stub.script = script
    packed_blanks()  # not while memory is counted
    tracemalloc.start()
    try:
        end, fate = await close(clients, stub, own=own)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert type(end) is OutcomeUnknownError
    assert words in str(end)
    assert fate == "in doubt"
    assert peak < 12_000_000  # the stub's own buffers included
    await stub.all_ended()
