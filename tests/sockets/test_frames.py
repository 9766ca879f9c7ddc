"""No frame that an exception carries out of the library shows a secret among its variables."""

import asyncio
import logging
import pickle
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from typing import Any

import aiohttp
import pytest

from okx_async import Attempt, Client, Credentials, InvalidRequestError, OkxError
from tests.sockets.conftest import CREDENTIALS, Clients, Connection, Stub
from tests.sockets.frames import variables

pytestmark = pytest.mark.usefixtures("no_uid_check")

OWN = pytest.mark.parametrize("own", [True, False], ids=["own session", "caller's session"])


async def by_timeout(call: Awaitable[object], seconds: float = 0.1) -> None:
    async with asyncio.timeout(seconds):
        await call


async def by_wait_for(call: Awaitable[object], seconds: float = 0.1) -> None:
    await asyncio.wait_for(call, seconds)


async def by_cancel(call: Awaitable[object], seconds: float = 0.1) -> None:
    task = asyncio.ensure_future(call)
    asyncio.get_running_loop().call_later(seconds, task.cancel)
    await task


def close(client: Client) -> Awaitable[object]:
    return client.close_position("BTC-USDT-SWAP", "cross")


def confirm(client: Client) -> Awaitable[object]:
    return client.close_position("BTC-USDT-SWAP", "cross", confirm=True)


def read(client: Client) -> Awaitable[object]:
    return client.positions()


def flatten(client: Client) -> Awaitable[object]:
    return client.flatten(deadline=1.0)


def assert_shows_nothing(error: BaseException, stub: Stub | None, log: str = "") -> None:
    shown = variables(error) + log
    assert "okx_async" in shown
    secrets = [CREDENTIALS.secret_key, CREDENTIALS.passphrase, repr(CREDENTIALS.passphrase)[1:-1]]
    secrets += [] if stub is None else [request.headers["ok-access-sign"] for request in stub.requests]
    for secret in secrets:
        assert secret not in shown


async def ends(call: Awaitable[object]) -> BaseException:
    try:
        await call
    except (asyncio.CancelledError, Exception) as error:  # noqa: BLE001 - each is looked at
        return error
    raise AssertionError("it did not end in an error")


async def silent(line: Connection) -> None:
    await line.request()


async def begins(line: Connection) -> None:
    request = await line.request()
    line.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n")
    echoed = [request.headers["ok-access-sign"], request.headers["ok-access-passphrase"]]
    line.write("".join(f"X-Echo: {each}\r\n" for each in echoed).encode() + b"\r\n{")


@OWN
@pytest.mark.parametrize("script", [silent, begins])
@pytest.mark.parametrize("cut", [by_timeout, by_wait_for, by_cancel])
@pytest.mark.parametrize("call", [close, confirm, read, flatten])
async def test_cut_short_on_the_wire(  # noqa: PLR0917 - fixtures and parameters
    stub: Stub,
    clients: Clients,
    caplog: pytest.LogCaptureFixture,
    call: Callable[[Client], Awaitable[object]],
    cut: Callable[[Awaitable[object], float], Awaitable[None]],
    script: Callable[[Connection], Awaitable[None]],
    *,
    own: bool,
) -> None:
    caplog.set_level(logging.DEBUG)
    stub.script = script
    async with aiohttp.ClientSession() as session:
        client = clients(stub.base_url, session=None if own else session)
        error: BaseException | None = None
        seconds = 0.1
        while not stub.requests and seconds < 10.0:  # on a machine that is busy it is cut before it was written
            error = await ends(cut(call(client), seconds))
            seconds *= 4
    assert stub.requests
    assert error is not None
    assert_shows_nothing(error, stub, caplog.text)


@OWN
async def test_the_libraries_own_errors(stub: Stub, clients: Clients, *, own: bool) -> None:
    async with aiohttp.ClientSession() as session:
        client = clients(stub.base_url, session=None if own else session, timeout=0.1)
        stub.script = silent
        assert_shows_nothing(await ends(close(client)), stub)

        async def resets(line: Connection) -> None:
            await line.request()
            line.transport.abort()

        stub.script = resets
        error = await ends(close(client))
        assert_shows_nothing(error, stub)
        assert CREDENTIALS.passphrase.encode() not in pickle.dumps(error)


@pytest.fixture
def unreachable() -> Iterator[str]:
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(2):
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0)
            filler.connect_ex(listening.getsockname())
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@OWN
@pytest.mark.parametrize("cut", [by_timeout, by_cancel])
async def test_cut_short_while_it_connects(
    clients: Clients, unreachable: str, cut: Callable[[Awaitable[object]], Awaitable[None]], *, own: bool
) -> None:
    async with aiohttp.ClientSession() as session:
        client = clients(unreachable, session=None if own else session)
        assert_shows_nothing(await ends(cut(close(client))), None)


@OWN
async def test_closed_while_it_connects(clients: Clients, unreachable: str, *, own: bool) -> None:
    """Each attempt that `on_attempt` was told is one of the error's."""
    told: list[Attempt] = []
    async with aiohttp.ClientSession() as session:
        client = clients(unreachable, session=None if own else session, on_attempt=told.append)
        closing = asyncio.ensure_future(close(client))
        await asyncio.sleep(0.05)
        await client.aclose()
        error = await ends(closing)
    assert isinstance(error, OkxError)
    assert len(told) == 1
    assert error.attempts == tuple(told)
    assert_shows_nothing(error, None)


class Broken:
    """A socket that cannot be written to."""

    def __init__(self, whole: socket.socket) -> None:
        self._whole = whole

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)

    def send(self, _: bytes) -> int:
        raise BrokenPipeError


@OWN
async def test_a_write_that_fails_in_asyncios_debug_mode(
    stub: Stub, clients: Clients, caplog: pytest.LogCaptureFixture, *, own: bool
) -> None:
    """asyncio logs what its transport met, with the frame that has what was to be written."""
    loop = asyncio.get_running_loop()
    caplog.set_level(logging.DEBUG)
    async with aiohttp.ClientSession() as session:
        client = clients(stub.base_url, session=None if own else session)
        await close(client)
        used: Any = client._wiring.transport._session if own else session
        (((protocol, _),),) = used.connector._conns.values()
        protocol.transport._sock = Broken(protocol.transport._sock)
        loop.set_debug(True)
        try:
            await ends(close(client))
        finally:
            loop.set_debug(False)
    failed = [record.exc_info for record in caplog.records if record.exc_info and record.name == "asyncio"]
    for _, error, _ in failed:
        assert error is not None
        assert CREDENTIALS.passphrase not in variables(error)
    assert failed


@pytest.mark.parametrize(
    "wrong", [{"passphrase": "hunter-22 "}, {"secret_key": "hunter-22\n"}, {"api_key": "", "secret_key": "hunter-22"}]
)
def test_credentials_that_are_refused(wrong: dict[str, str]) -> None:
    good = {"api_key": "k", "secret_key": "hunter-22", "passphrase": "hunter-22"}
    with pytest.raises(InvalidRequestError) as caught:
        Credentials(**{**good, **wrong})
    assert "hunter-22" not in variables(caught.value)


def test_an_environment_that_is_incomplete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OKX_API_KEY", raising=False)
    monkeypatch.setenv("OKX_SECRET_KEY", "hunter-22")
    monkeypatch.setenv("OKX_PASSPHRASE", "hunter-22 ")
    for key in ("", "k"):
        monkeypatch.setenv("OKX_API_KEY", key)
        with pytest.raises(InvalidRequestError) as caught:
            Credentials.from_env()
        assert "hunter-22" not in variables(caught.value)
