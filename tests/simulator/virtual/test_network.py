import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import aiohttp
import pytest

import okx_async as okx
from okx_async.simulator import Network, Path, SimulatedExchange, VirtualLoop, run

ADDRESS = ("127.0.0.1", 80)


def play(script: Callable[[VirtualLoop, Network], Awaitable[Any]], **options: Any) -> Any:
    network = Network(**options)

    async def main(loop: VirtualLoop) -> Any:
        return await script(loop, network)

    return run(main, VirtualLoop(network))


async def connect(loop: VirtualLoop, within: float = 100.0) -> str:
    """Connect and close; say how it went and how long it took."""
    begun = loop.clock()
    try:
        async with asyncio.timeout(within):
            transport, _ = await loop.create_connection(asyncio.Protocol, *ADDRESS)
    except OSError as error:  # a time-out is one
        return f"{type(error).__name__} after {loop.clock() - begun:.1f} s"
    transport.close()
    return f"connected after {loop.clock() - begun:.1f} s"


def test_connecting_takes_a_round_trip_or_is_refused_in_one() -> None:
    async def script(loop: VirtualLoop, _: Network) -> None:
        assert await connect(loop) == "ConnectionRefusedError after 0.3 s"
        server = await loop.create_server(asyncio.Protocol, *ADDRESS)
        assert await connect(loop) == "connected after 0.3 s"
        server.close()
        assert await connect(loop) == "ConnectionRefusedError after 0.3 s"

    play(script, inward=Path(0.1), outward=Path(0.2))


def test_connections_are_refused_swallowed_and_slowed_down_for_a_time() -> None:
    async def script(loop: VirtualLoop, network: Network) -> None:
        await loop.create_server(asyncio.Protocol, *ADDRESS)
        network.refuse(5.0)
        assert await connect(loop) == "ConnectionRefusedError after 0.0 s"
        await asyncio.sleep(5.1)
        network.swallow(5.0)
        assert await connect(loop, within=20) == "TimeoutError after 20.0 s"
        network.slow_down(5.0, by=1.5)
        assert await connect(loop) == "connected after 1.5 s"
        await asyncio.sleep(5.1)
        assert await connect(loop) == "connected after 0.0 s"

    play(script)


def test_an_outage_holds_everything_back_and_then_lets_it_through() -> None:
    class Echo(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            self.transport.write(data)

    async def script(loop: VirtualLoop, network: Network) -> None:
        await loop.create_server(Echo, *ADDRESS)
        reader, writer = await asyncio.open_connection(*ADDRESS)
        begun = loop.clock()
        network.outage(7.0)
        writer.write(b"x")
        assert await connect(loop, within=1) == "TimeoutError after 1.0 s"
        assert await reader.read(1) == b"x"
        assert loop.clock() - begun == 7.0
        writer.close()

    play(script)


def test_a_server_that_closes_while_a_connection_is_on_its_way_resets_it() -> None:
    async def script(loop: VirtualLoop, network: Network) -> None:
        server = await loop.create_server(asyncio.Protocol, *ADDRESS)
        reader, writer = await asyncio.open_connection(*ADDRESS)
        server.close()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        with suppress(ConnectionResetError):
            await writer.wait_closed()
        assert not network.wires

    play(script, inward=Path(1.0), outward=Path(1.0))


def test_an_address_is_for_one_server() -> None:
    async def script(loop: VirtualLoop, _: Network) -> None:
        server = await loop.create_server(asyncio.Protocol, *ADDRESS)
        with pytest.raises(OSError, match="in use"):
            await loop.create_server(asyncio.Protocol, *ADDRESS)
        other = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
        assert other.getsockname() == ("127.0.0.1", 20000)
        assert other.is_serving()
        assert other.get_loop() is loop
        task = asyncio.ensure_future(other.serve_forever())
        await other.start_serving()
        await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert not other.is_serving()
        server.close()
        await server.wait_closed()

    play(script)


def test_an_unknown_name_is_an_error_of_the_resolver() -> None:
    async def script(loop: VirtualLoop, network: Network) -> None:
        network.names["here.test"] = "127.0.0.1"
        assert (await loop.getaddrinfo("here.test", 80))[0][4] == ADDRESS
        with pytest.raises(socket.gaierror):
            await loop.getaddrinfo("there.test", 80)

    play(script)


@pytest.mark.parametrize("other", [1, 2])
def test_the_seed_decides_every_arrival(other: int) -> None:
    async def script(loop: VirtualLoop, network: Network) -> list[Any]:
        async with SimulatedExchange(clock=loop.clock, wall_clock=loop.clock, seed=1) as exchange:
            async with aiohttp.ClientSession(exchange.base_url) as session:

                async def ask(number: int) -> None:
                    await asyncio.sleep(number / 10)
                    async with session.get("/api/v5/public/time") as response:
                        await response.read()

                await asyncio.gather(*(ask(number) for number in range(30)))
            assert network.made > 1
            return [row.at for row in exchange.journal]

    def arrivals(seed: int) -> list[Any]:
        path = Path(0.01, 0.3, spikes=0.1, spike=1.0, cuts=0.5)
        times: list[Any] = play(script, seed=seed, inward=path, outward=path)
        return times

    assert (arrivals(1) == arrivals(other)) is (other == 1)


def test_what_happens_can_be_traced() -> None:
    trace: list[tuple[float, str]] = []

    async def script(loop: VirtualLoop, _: Network) -> None:
        await loop.create_server(asyncio.Protocol, *ADDRESS)
        await connect(loop)
        await asyncio.sleep(1)

    play(script, trace=trace)
    assert [text for _, text in trace] == ["open reached server 1", "FIN reached server 1", "FIN reached client 1"]


def test_what_clients_are_given_can_be_heard() -> None:
    class Greeter(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            transport.write(b"hello")

    async def script(loop: VirtualLoop, network: Network) -> None:
        heard: list[bytes] = []
        network.on_data = heard.append
        await loop.create_server(Greeter, *ADDRESS)
        transport, _ = await loop.create_connection(asyncio.Protocol, *ADDRESS)
        transport.write(b"to the server")
        await asyncio.sleep(1.0)
        assert heard == [b"hello"]
        transport.pause_reading()
        network.wires[1].far.write(b"again")
        await asyncio.sleep(1.0)
        assert heard == [b"hello"]
        transport.resume_reading()
        assert heard == [b"hello", b"again"]
        transport.close()

    play(script, inward=Path(0.1), outward=Path(0.2))


def test_a_proxy_that_gave_up_sends_the_request_on_all_the_same() -> None:
    async def main(loop: VirtualLoop) -> list[tuple[float, str, int, bool]]:
        wall = lambda: 1768519672.0 + loop.clock()  # noqa: E731 - two uses
        async with SimulatedExchange(clock=loop.clock, wall_clock=wall) as exchange:
            exchange.open_position("BTC-USDT-SWAP", 1)
            exchange.inject(body="<html>", status=504, counted=False, forwarded=3.0)
            async with okx.Client(
                exchange.credentials,
                base_url=exchange.base_url,
                user_id=exchange.user_id,
                limiter=okx.Limiter(clock=loop.clock),
                wall_clock=wall,
            ) as client:
                with pytest.raises(okx.OutcomeUnknownError):
                    await client.close_position("BTC-USDT-SWAP", "cross")
                await asyncio.sleep(5)
            return [(row.at, row.code, row.status, row.executed) for row in exchange.journal if row.method == "POST"]

    rows = run(main, VirtualLoop(Network()))
    assert rows == [(1000.0, "", 504, False), (1003.0, "0", 200, True)]


def test_a_connection_that_is_lost_before_the_body_is_looked_at_is_no_error_of_ours(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with SimulatedExchange(clock=loop.clock) as exchange:
            _, writer = await asyncio.open_connection("127.0.0.1", int(exchange.base_url.rpartition(":")[2]))
            writer.write(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
            await asyncio.sleep(0.05)
            # In one turn: the request is begun, and its connection is gone.
            for wire in network.wires.values():
                loop.call_later(0.05, wire.reset)
            loop.call_later(0.1, loop.freeze, 0.5)
            await asyncio.sleep(1)
            writer.close()
            assert exchange.journal == []

    network = Network(inward=Path(0.1), outward=Path(0.1))
    run(main, VirtualLoop(network))
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []
