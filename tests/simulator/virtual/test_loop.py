import asyncio
import socket
import time

import aiohttp
import pytest
from aiohttp import connector

import okx_async as okx
from okx_async.simulator import Network, Path, SimulatedExchange, VirtualLoop, run

WALL = 1768519672.0


def test_the_exchange_serves_a_virtual_loop_unchanged_to_the_real_client() -> None:
    async def main(loop: VirtualLoop) -> float:
        wall = lambda: WALL + loop.clock()  # noqa: E731 - two uses
        async with SimulatedExchange(clock=loop.clock, wall_clock=wall) as exchange:
            limiter = okx.Limiter(clock=loop.clock)
            exchange.open_position("BTC-USDT-SWAP", 3)
            async with okx.Client(
                exchange.credentials, base_url=exchange.base_url, limiter=limiter, wall_clock=wall
            ) as client:
                await client.close_position("BTC-USDT-SWAP", "cross")
                assert await client.positions() == []
            assert [row.code for row in exchange.journal] == ["0", "0", "0"]
        return loop.clock()

    loop = VirtualLoop(Network(inward=Path(0.1), outward=Path(0.2)))
    # Connecting, the user id, the close and the positions: four round trips of 0.3 s.
    assert run(main, loop) == pytest.approx(1000.0 + 4 * 0.3)
    assert loop.is_closed()


def test_a_pool_of_aiohttp_goes_by_the_virtual_clock() -> None:
    async def main(loop: VirtualLoop) -> int:
        async with SimulatedExchange(clock=loop.clock) as exchange, aiohttp.ClientSession() as session:
            for pause in (14.0, 16.0, 0.0):  # aiohttp keeps an idle connection for 15 s
                async with session.get(f"{exchange.base_url}/api/v5/public/time") as response:
                    await response.read()
                await asyncio.sleep(pause)
            return network.made

    network = Network()
    assert run(main, VirtualLoop(network)) == 2
    assert vars(connector)["monotonic"] is time.monotonic


def test_a_name_is_looked_up_in_the_network() -> None:
    async def main(_: VirtualLoop) -> list[str]:
        seen = []
        async with SimulatedExchange(port=80), aiohttp.ClientSession() as session:
            for host in ("exchange.test", "nowhere.test"):
                try:
                    async with session.get(f"http://{host}/api/v5/public/time") as response:
                        seen.append(f"{host} {response.status}")
                except aiohttp.ClientConnectorDNSError:
                    seen.append(f"{host} unknown")
        return seen

    network = Network()
    network.names["exchange.test"] = "127.0.0.1"
    assert run(main, VirtualLoop(network)) == ["exchange.test 200", "nowhere.test unknown"]


def test_a_plain_connection_without_a_socket_of_ones_own() -> None:
    async def main(loop: VirtualLoop) -> bytes:
        async with SimulatedExchange() as exchange:
            port = int(exchange.base_url.rpartition(":")[2])
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /nothing HTTP/1.0\r\n\r\n")
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
            with pytest.raises(ConnectionRefusedError):
                await loop.create_connection(asyncio.Protocol, "127.0.0.1", port + 1)
            return answer

    assert run(main, VirtualLoop(Network())).startswith(b"HTTP/1.1 404")


def test_what_takes_real_time_is_refused() -> None:
    async def main(loop: VirtualLoop) -> None:
        with pytest.raises(NotImplementedError, match="TLS"):
            await loop.create_connection(asyncio.Protocol, "127.0.0.1", 443, ssl=True)
        with pytest.raises(NotImplementedError, match="TLS"):
            await loop.create_server(asyncio.Protocol, "127.0.0.1", 443, ssl=True)
        with pytest.raises(NotImplementedError, match="threads"):
            await asyncio.to_thread(time.sleep, 0)
        with pytest.raises(NotImplementedError, match="no signals in virtual time \\(signal 15\\)"):
            loop.add_signal_handler(15, print)
        with pytest.raises(NotImplementedError, match="no subprocesses in virtual time"):
            await asyncio.create_subprocess_exec("true")
        with pytest.raises(NotImplementedError, match="no subprocesses in virtual time"):
            await asyncio.create_subprocess_shell("true")

    run(main, VirtualLoop(Network()))


def test_a_server_listens_where_its_socket_is_bound() -> None:
    """As the servers of aiohttp's and pytest-aiohttp's test tools do."""

    def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"here")
        writer.close()

    async def main(_: VirtualLoop) -> None:
        sock = socket.create_server(("127.0.0.1", 0))
        host, port = sock.getsockname()
        server = await asyncio.start_server(greet, sock=sock)
        assert sock.fileno() < 0
        assert server.sockets[0].getsockname() == (host, port)
        reader, writer = await asyncio.open_connection(host, port)
        assert await reader.read() == b"here"
        writer.close()
        await writer.wait_closed()
        server.close()
        (other,) = (await asyncio.start_server(lambda *_: None)).sockets
        assert other.getsockname()[0] == "127.0.0.1"

    run(main, VirtualLoop(Network()))


def test_a_connection_that_is_cancelled_while_it_is_joined_is_dropped() -> None:
    async def main(loop: VirtualLoop) -> None:
        server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 80)
        sock = socket.socket()
        await loop.sock_connect(sock, ("127.0.0.1", 80))
        task = asyncio.ensure_future(loop.create_connection(asyncio.Protocol, sock=sock))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(1)
        assert not network.wires
        assert sock.fileno() < 0
        server.close()

    network = Network()
    run(main, VirtualLoop(network))


def test_what_is_left_running_is_cancelled() -> None:
    ended: list[str] = []

    async def for_ever() -> None:
        try:
            await asyncio.sleep(1e9)
        finally:
            ended.append("cancelled")

    async def main(_: VirtualLoop) -> None:
        main.task = asyncio.ensure_future(for_ever())  # type: ignore[attr-defined]  # kept from the collector
        await asyncio.sleep(0)

    run(main, VirtualLoop(Network()))
    assert ended == ["cancelled"]
