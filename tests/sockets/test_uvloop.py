"""The same over uvloop, whose transports are no `asyncio.Transport` and which fires timers before it reads."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from okx_async import Client, Limiter, NothingToCloseError, OutcomeUnknownError
from tests.sockets.conftest import CREDENTIALS, Connection, Stub
from tests.sockets.threaded import TAKEN, threaded

uvloop: Any = pytest.importorskip("uvloop")

OWN = pytest.mark.parametrize("own", [True, False], ids=["own session", "caller's session"])
Story = Callable[[Stub, Callable[..., Client]], Awaitable[None]]


def play(story: Story, *, own: bool) -> None:
    async def main() -> None:
        async with aiohttp.ClientSession() as session:
            clients = []

            def client(url: str, **options: Any) -> Client:
                theirs = None if own else session
                made = Client(CREDENTIALS, base_url=url, user_id="1", limiter=Limiter(), session=theirs, **options)
                made._wiring.uid_lookup._start = lambda: None  # type: ignore[method-assign]
                clients.append(made)
                return made

            async with asynccontextmanager(Stub().run)() as stub:
                try:
                    await story(stub, client)
                finally:
                    for made in clients:
                        await made.aclose()
            await asyncio.sleep(0.01)  # what was aborted is gone

    uvloop.run(main())


@OWN
def test_a_connection_in_doubt_is_reset(*, own: bool) -> None:
    async def story(stub: Stub, client: Callable[..., Client]) -> None:
        async def script(line: Connection) -> None:
            await line.request()
            line.answer({"code": "50004", "data": [], "msg": "Timed out"}, "400 Bad Request")
            await line.ended.wait()

        stub.script = script
        with pytest.raises(OutcomeUnknownError):
            await client(stub.base_url).close_position("BTC-USDT-SWAP", "cross")
        await stub.all_ended() if own else None  # a caller's connection was back in its pool by then

    play(story, own=own)


@OWN
def test_a_silent_one_too(*, own: bool) -> None:
    async def story(stub: Stub, client: Callable[..., Client]) -> None:
        async def script(line: Connection) -> None:
            await line.request()

        stub.script = script
        with pytest.raises(OutcomeUnknownError):
            await client(stub.base_url, timeout=0.1).close_position("BTC-USDT-SWAP", "cross")
        await stub.all_ended()

    play(story, own=own)


@OWN
def test_connections_are_kept(*, own: bool) -> None:
    async def story(stub: Stub, client: Callable[..., Client]) -> None:
        one = client(stub.base_url)
        assert await one.warm_up(2) == 2
        for _ in range(5):
            await one.close_position("BTC-USDT-SWAP", "cross")
        await asyncio.gather(*(one.close_position("BTC-USDT-SWAP", "cross") for _ in range(2)))
        assert len(stub.connections) == 2

    play(story, own=own)


@OWN
def test_an_answer_that_waits_in_the_socket_is_read(*, own: bool) -> None:
    async def story(_: Stub, client: Callable[..., Client]) -> None:
        with threaded(delay=0.1) as server:
            one = client(f"http://127.0.0.1:{server.port}", timeout=0.4)
            task = asyncio.ensure_future(one.close_position("BTC-USDT-SWAP", "cross"))
            while not server.requests:  # noqa: ASYNC110
                await asyncio.sleep(0)
            time.sleep(0.7)  # noqa: ASYNC251
            await task

    play(story, own=own)


@OWN
def test_a_second_answer_is_not_taken_for_the_next_one(*, own: bool) -> None:
    async def story(_: Stub, client: Callable[..., Client]) -> None:
        with threaded(TAKEN) as server:
            one = client(f"http://127.0.0.1:{server.port}")
            await one.close_position("BTC-USDT-SWAP", "cross")
            time.sleep(0.2)  # noqa: ASYNC251
            with pytest.raises(NothingToCloseError):
                await one.close_position("ETH-USDT-SWAP", "cross")

    play(story, own=own)


@OWN
def test_a_connection_that_has_ended_gets_no_request(*, own: bool) -> None:
    async def story(stub: Stub, client: Callable[..., Client]) -> None:
        one = client(stub.base_url)
        assert await one.warm_up(2) == 2
        while len(stub.connections) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0)
        for line in stub.connections[:2]:
            line.transport.abort()
        await asyncio.sleep(0)  # uvloop does it in its next turn
        closed = await one.close_position("BTC-USDT-SWAP", "cross")
        assert len(closed.attempts) == 1
        assert [len(line.requests) for line in stub.connections] == [0, 0, 1]

    play(story, own=own)
