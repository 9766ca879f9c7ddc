import asyncio
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver, ThreadedResolver

from okx_async._http.resolver import LastKnown, system_names

IN_THREADS = pytest.mark.skipif(DefaultResolver is not ThreadedResolver, reason="aiodns is here, and asks DNS itself")


class Inner(AbstractResolver):
    def __init__(self) -> None:
        self.asked = 0
        self.closed = False
        self.answer: asyncio.Future[list[ResolveResult]] | None = None

    async def resolve(
        self,
        host: str,
        port: int = 0,  # noqa: ARG002 - as aiohttp calls it
        family: socket.AddressFamily = socket.AF_INET,  # noqa: ARG002 - the same
    ) -> list[ResolveResult]:
        self.asked += 1
        if self.answer is not None:
            return await asyncio.shield(self.answer)
        return found(host)

    async def close(self) -> None:
        self.closed = True


def found(host: str, address: str = "192.0.2.1") -> list[ResolveResult]:
    return [ResolveResult(hostname=host, host=address, port=1, family=socket.AF_INET, proto=0, flags=0)]


async def ended(names: LastKnown) -> None:
    while names.asking:  # noqa: ASYNC110 - tried at each turn of the loop
        await asyncio.sleep(0)


async def test_lookups_of_one_host_are_one() -> None:
    inner = Inner()
    inner.answer = asyncio.get_running_loop().create_future()
    names = LastKnown(inner)
    asking = [asyncio.ensure_future(names.resolve("h", 1)) for _ in range(3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert names.asking == "h"
    inner.answer.set_result(found("h"))
    assert await asyncio.gather(*asking) == [found("h")] * 3
    assert (inner.asked, names.asking, names.trouble) == (1, "", "")


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (OSError(-2, "unknown"), "DNS cannot look up h (unknown)"),
        (ValueError("odd"), "DNS cannot look up h (odd)"),
        (asyncio.CancelledError(), "DNS cannot look up h (the resolver's own lookup was cancelled)"),
    ],
    ids=repr,
)
async def test_the_last_known_addresses_are_used_while_dns_fails(failure: BaseException, said: str) -> None:
    inner = Inner()
    names = LastKnown(inner)
    inner.answer = asyncio.get_running_loop().create_future()
    inner.answer.set_exception(failure)
    with pytest.raises(OSError, match="DNS cannot") as caught:
        await names.resolve("h", 1)
    assert caught.value.strerror == names.trouble == said
    inner.answer = None
    await names.resolve("h", 1)
    assert names.trouble == ""
    inner.answer = asyncio.get_running_loop().create_future()
    inner.answer.set_exception(failure)
    assert await names.resolve("h", 1) == found("h")
    assert names.trouble == said
    with pytest.raises(OSError, match="h2"):
        await names.resolve("h2", 1)  # of this one none is known


async def test_while_dns_is_silent_they_are_used_soon_and_its_answer_is_kept() -> None:
    inner = Inner()
    names = LastKnown(inner, patience=0.01)
    await names.resolve("h", 1)
    inner.answer = asyncio.get_running_loop().create_future()
    assert await names.resolve("h", 1) == found("h")
    assert names.trouble == "DNS does not answer for h"
    assert await names.resolve("h", 1) == found("h")
    assert inner.asked == 2  # the lookup goes on
    inner.answer.set_result(found("h", "192.0.2.2"))
    await ended(names)
    assert names.trouble == ""
    inner.answer = asyncio.get_running_loop().create_future()
    assert await names.resolve("h", 1) == found("h", "192.0.2.2")
    await names.close()


async def test_no_addresses_are_a_failure() -> None:
    inner = Inner()
    inner.answer = asyncio.get_running_loop().create_future()
    inner.answer.set_result([])
    with pytest.raises(OSError, match="no address"):
        await LastKnown(inner).resolve("h", 1)


@pytest.mark.parametrize("owned", [False, True])
async def test_closing_ends_lookups(owned: bool) -> None:  # noqa: FBT001 - a parameter
    inner = Inner()
    inner.answer = asyncio.get_running_loop().create_future()
    names = LastKnown(inner, owned=owned)
    asking = asyncio.ensure_future(names.resolve("h", 1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await names.close()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert inner.closed is owned


async def test_a_caller_that_gives_up_ends_no_lookup() -> None:
    inner = Inner()
    inner.answer = asyncio.get_running_loop().create_future()
    names = LastKnown(inner)
    asking = asyncio.ensure_future(names.resolve("h", 1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert names.asking == "h"
    inner.answer.set_exception(OSError(1, "x"))
    await ended(names)


@IN_THREADS
async def test_the_system_is_asked_though_the_callers_work_has_all_threads_of_the_loop() -> None:
    loop, busy = asyncio.get_running_loop(), threading.Event()
    with ThreadPoolExecutor(1) as executor:
        loop.set_default_executor(executor)
        waiting = loop.run_in_executor(None, busy.wait)
        try:
            addresses = await system_names().resolve("localhost", 443, socket.AF_INET)
        finally:
            busy.set()
            await waiting
    assert {address["host"] for address in addresses} == {"127.0.0.1"}
    with pytest.raises(OSError, match=r"not known|No address"):
        await system_names().resolve("okx.invalid")


@IN_THREADS
async def test_a_loop_with_a_lookup_of_its_own_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async def getaddrinfo(*_: object, **__: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("192.0.2.7", 443))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    [address] = await system_names().resolve("okx.invalid", 443)
    assert address["host"] == "192.0.2.7"


@pytest.mark.loops
async def test_where_aiodns_does_not_work_the_system_is_asked(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse() -> AbstractResolver:
        raise RuntimeError("aiodns needs a SelectorEventLoop on Windows")

    monkeypatch.setattr("okx_async._http.resolver.DefaultResolver", refuse)
    names = system_names()
    assert isinstance(names, ThreadedResolver)
    [address] = await names.resolve("127.0.0.1", 443)
    assert address["host"] == "127.0.0.1"
    assert "aiodns cannot be used (RuntimeError: aiodns needs a SelectorEventLoop on Windows)" in caplog.text
