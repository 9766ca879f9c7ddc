"""A caller's session with ``trust_env=True``: what it takes from the environment is known before any request."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import aiohttp
import pytest

from tests.sockets.conftest import Clients, Stub

pytestmark = [pytest.mark.loops, pytest.mark.usefixtures("no_uid_check")]


@pytest.fixture
def no_thread_free() -> Iterator[ThreadPoolExecutor]:
    """Give an executor whose only thread is busy until the test has ended."""
    ended = Event()
    with ThreadPoolExecutor(max_workers=1) as executor:
        executor.submit(ended.wait)
        yield executor
        ended.set()


async def test_it_waits_for_no_thread_of_the_callers(
    stub: Stub, clients: Clients, no_thread_free: ThreadPoolExecutor
) -> None:
    asyncio.get_running_loop().set_default_executor(no_thread_free)
    async with aiohttp.ClientSession(trust_env=True) as session:
        client = clients(stub.base_url, session=session, timeout=2.0, connect_timeout=1.0)
        assert await client.warm_up(2) == 2
        await client.close_position("BTC-USDT-SWAP", "cross")
        assert len(stub.connections) == 2
        assert not session.closed


async def test_a_login_of_netrc_goes_along_with_no_request(
    stub: Stub, clients: Clients, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login alice password a-word-of-netrc\n")
    monkeypatch.setenv("NETRC", str(netrc))
    async with aiohttp.ClientSession(trust_env=True) as session:
        await clients(stub.base_url, session=session).close_position("BTC-USDT-SWAP", "cross")
    assert "authorization" not in stub.requests[0].headers
