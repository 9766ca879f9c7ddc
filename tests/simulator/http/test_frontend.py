"""Requests and answers over real sockets: what is read, counted and sent, and when."""

import asyncio
import io
import time

import aiohttp
import pytest

from okx_async.simulator import SimulatedExchange
from tests.simulator.conftest import CLOSE, Wire
from tests.simulator.http.serving import address, until, working


async def raw(exchange: SimulatedExchange, data: bytes) -> bytes:
    """Send bytes, and return what comes until the server closes or half a second passed."""
    reader, writer = await asyncio.open_connection(*address(exchange))
    writer.write(data)
    answer = bytearray()
    try:
        async with asyncio.timeout(0.5):
            while chunk := await reader.read(65536):
                answer += chunk
                if b"}" in chunk:
                    break
    except TimeoutError:
        pass
    finally:
        writer.close()
        await writer.wait_closed()
    return bytes(answer)


@pytest.mark.parametrize(("least", "most"), [(0, 150), (1500, 1520), (9000, 9040)])
async def test_heads_of_answers_are_as_large_as_is_asked_for(wire: Wire, least: int, most: int) -> None:
    async with SimulatedExchange(answer_head=least) as exchange:
        assert (await wire.close(exchange)).code == "51023"
        answer = await raw(exchange, b"GET /api/v5/public/time HTTP/1.1\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert least <= len(head) + 4 <= most
    assert body.startswith(b"{")


async def test_a_close_over_a_real_socket(wire: Wire) -> None:
    async with SimulatedExchange() as exchange:
        exchange.open_position("BTC-USDT-SWAP", "-3")
        reply = await wire.close(exchange)
        assert (reply.status, reply.code) == (200, "0")
        reply = await wire.request(exchange, "GET", "/api/v5/account/positions?instId=BTC-USDT-SWAP%2CETH-USDT-SWAP")
        assert [row["pos"] for row in reply.data] == ["0"]
        assert exchange.journal[-1].path.endswith("%2CETH-USDT-SWAP")  # the raw path, as signed


async def test_headers_that_are_no_text_and_paths_in_full(wire: Wire) -> None:
    async with SimulatedExchange() as exchange:
        host, port = address(exchange)
        absolute = b"GET http://x/api/v5/public/time HTTP/1.1\r\nHost: x\r\n\r\n"
        assert b'"code":' in await raw(exchange, absolute)
        head = b"POST /api/v5/trade/close-position HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        body = b"OK-ACCESS-KEY: \xff\r\nOK-ACCESS-SIGN: \xfe\r\nOK-ACCESS-TIMESTAMP: \xfd\r\n"
        body += b"OK-ACCESS-PASSPHRASE: \xfc\r\nContent-Length: 2\r\n\r\n{}"
        assert b'"50112"' in await raw(exchange, head + body)
        assert (await wire.close(exchange)).code == "51023"
        assert (host, port) == ("127.0.0.1", port)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"garbage\r\n\r\n", b" 400 "),
        (b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03", b" 400 "),  # TLS, answered at once
        (b"GET / HTTP/1.1\r\nX:" + b" " * 32_000 + b"\x01\r\n\r\n", b" 400 "),
        (b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n", b" 400 "),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", b" 400 "),
        (b"POST " + CLOSE.encode() + b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n", b" 400 "),
        (b"POST " + CLOSE.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{", b""),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b'"error_message":"Not Found"'),
        (
            b"POST " + CLOSE.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
            b'"50103"',  # the bytes are taken as they came
        ),
    ],
)
async def test_malformed_http_brings_nothing_down(wire: Wire, data: bytes, expected: bytes) -> None:
    async with SimulatedExchange() as exchange:
        answer = await raw(exchange, data)
        assert expected in answer
        assert b"Traceback" not in answer
        assert b" 500 " not in answer
        assert (await wire.close(exchange)).code == "51023"


@pytest.mark.parametrize("rest", [b"", b"ZZ\r\n", b"2\r\n{", b"2\r\n{}\r\n0\r\n\r\n"])
async def test_what_did_not_arrive_in_full_is_not_counted(wire: Wire, rest: bytes) -> None:
    async with SimulatedExchange() as exchange:
        reader, writer = await asyncio.open_connection(*address(exchange))
        writer.write(b"POST " + CLOSE.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
        writer.write(b"Transfer-Encoding: chunked\r\n\r\n")
        await until(lambda: working(exchange) == 1)
        writer.write(rest)
        complete = rest.endswith(b"0\r\n\r\n")
        if complete:
            assert b'"50103"' in await reader.readuntil(b"}")
        writer.close()
        await writer.wait_closed()
        await until(lambda: not working(exchange))
        assert [row.code for row in exchange.journal] == (["50103"] if complete else [])
        assert (await wire.close(exchange)).code == "51023"


async def test_an_oversized_body_is_an_error_and_no_more(wire: Wire) -> None:
    async with SimulatedExchange() as exchange:
        async with wire.session.post(exchange.base_url + CLOSE, data=io.BytesIO(b"x" * 3_000_000)) as response:
            assert response.status == 413
            assert (await response.json())["code"] == 413
        assert [(row.code, row.key) for row in exchange.journal] == [("413", None)]
        assert (await wire.close(exchange)).code == "51023"


async def test_the_way_takes_time_in_both_directions(wire: Wire) -> None:
    async with SimulatedExchange(latency=0.03, jitter=0.02, seed=1) as exchange:
        began = time.monotonic()
        await wire.close(exchange)
        ended = time.monotonic()
        (row,) = exchange.journal
        assert row.at - began >= 0.03
        assert ended - row.at >= 0.03


async def test_requests_on_their_way_do_not_wait_for_each_other(wire: Wire) -> None:
    async with SimulatedExchange(latency=0.1) as exchange:
        began = time.monotonic()
        await asyncio.gather(*(wire.close(exchange) for _ in range(20)))
        assert time.monotonic() - began < 2.0  # one after another takes 4 s at the least


@pytest.mark.parametrize("window", ["sliding", "fixed"])
async def test_many_at_once_recounted(wire: Wire, window: str) -> None:
    async with SimulatedExchange(window=window, jitter=0.05, seed=2) as exchange:  # type: ignore[arg-type]
        ids = ("BTC-USDT-SWAP", "BTC-USD-260327-60000-C", "BTC-USD-260327-70000-P")
        for inst_id in ids:
            exchange.open_position(inst_id, 1)
        replies = await asyncio.gather(*(wire.close(exchange, inst_id) for inst_id in ids * 30))
        rows = exchange.journal
        assert len(rows) == len(replies) == 90
        assert [row.at for row in rows] == sorted(row.at for row in rows)
        for scope, sent in (("BTC-USDT-SWAP", 30), ("BTC-USD", 60)):
            key = (exchange.user_id, scope)
            taken = [row.at for row in rows if row.key == key and row.code != "50011"]
            assert exchange.worst_window(key) == sent
            assert max(sum(0 <= at - first < 2 for at in taken) for first in taken) <= (
                20 if window == "sliding" else 40
            )
        assert sum(reply.code == "50011" for reply in replies) == len(exchange.rejections)
        assert sum(row.executed for row in rows) == 3
        assert not exchange.positions


async def test_a_late_answer(wire: Wire) -> None:
    async with SimulatedExchange() as exchange:
        exchange.inject(delay=0.1)
        began = time.monotonic()
        assert (await wire.close(exchange)).code == "51023"
        assert time.monotonic() - began >= 0.1
        assert exchange.journal[0].at - began < 0.1


async def test_all_addresses_of_a_host_have_the_port_that_is_told(wire: Wire) -> None:
    async with SimulatedExchange(host="") as exchange:  # everywhere, by IPv4 and by IPv6
        server = exchange._frontend._server
        assert server is not None
        assert {sock.getsockname()[1] for sock in server.sockets} == {address(exchange)[1]}
        assert (await wire.close(exchange)).code == "51023"


async def test_any_transport_will_do() -> None:
    exchange = SimulatedExchange()
    factory = exchange.factory()
    server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/v5/public/time"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert (await response.json())["code"] == "0"
    server.close()
    await factory.shutdown(0.1)
    await server.wait_closed()


async def body_of(wire: Wire, exchange: SimulatedExchange) -> bytes:
    return (await wire.close(exchange)).raw


async def test_headers_first_and_the_body_later(wire: Wire) -> None:
    async with SimulatedExchange() as exchange:
        exchange.inject(body="late", pause=0.1, headers={"X-Trace": "7"})
        began = time.monotonic()
        async with wire.session.get(exchange.base_url + "/x") as response:  # not the one that is meant
            assert response.status == 404
        assert await body_of(wire, exchange) == b"late"
        assert time.monotonic() - began >= 0.1


async def test_much_space_goes_before_the_body(wire: Wire) -> None:
    async with SimulatedExchange() as exchange:
        exchange.inject("20 MB", padding=1_000_001)
        body = await body_of(wire, exchange)
        assert (len(body), body.strip()) == (1_000_032, b'{"code":"0","data":[],"msg":""}')
