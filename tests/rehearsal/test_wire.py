"""The rehearsal's own requests."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from okx_async import Credentials, Limiter, NotSentError, OutcomeUnknownError
from okx_async._http.route import NetworkOptions, make_route
from okx_async._rest.requests import ACCOUNT_CONFIG, PUBLIC_TIME, positions
from okx_async.rehearsal.exchanges import HttpExchange, current_trial
from okx_async.rehearsal.wire import Twist, Wire, get, post
from okx_async.simulator import SimulatedExchange
from tests.rehearsal.world import World, play


def wire_of(world: World, **changes: Any) -> Wire:
    arguments = {
        "demo": True,
        "environment": "demo",
        "limiter": Limiter(clock=world.loop.clock),
        "observer": world.seen.append,
        "wall_clock": world.wall,
        **changes,
    }
    return Wire(world.account.credentials, world.exchange.base_url, **arguments)


def with_wire(folder: Path, use: Callable[[World, Wire], Awaitable[Any]], **changes: Any) -> Any:
    async def main(world: World) -> Any:
        async with wire_of(world, **changes) as wire:
            return await use(world, wire)

    return play(main, folder)


def test_a_request_is_signed_sent_once_and_observed_with_its_trial(tmp_path: Path) -> None:
    async def use(world: World, wire: Wire) -> Any:
        token = current_trial.set("a-trial")
        reply = await wire.ask(ACCOUNT_CONFIG)
        current_trial.reset(token)
        return reply, world.seen, world.account

    reply, (seen,), account = with_wire(tmp_path, use)
    assert (reply.code, reply.status, reply.data[0]["uid"]) == ("0", 200, account.user_id)
    assert (seen.trial, seen.method, seen.path, seen.status) == ("a-trial", "GET", "/api/v5/account/config", 200)
    assert seen.answer_body == reply.body
    assert seen.started < seen.ended
    assert reply.sent < reply.received


def test_an_unsigned_request_shows_no_key(tmp_path: Path) -> None:
    async def use(world: World, wire: Wire) -> Any:
        await wire.ask(PUBLIC_TIME)
        return world.seen

    (seen,) = with_wire(tmp_path, use)
    assert not [name for name in seen.request_headers if name.upper().startswith("OK-ACCESS")]


@pytest.mark.parametrize(
    ("twist", "code"),
    [
        (Twist(age=40), "50102"),
        (Twist(wrong_signature=True), "50113"),
        (Twist(other_environment=True), "50101"),
        (Twist(headers={"OK-ACCESS-PASSPHRASE": "another"}), "50105"),
        (Twist(headers={"OK-ACCESS-PASSPHRASE": None}), "50104"),
    ],
)
def test_a_twist_makes_a_request_wrong_in_one_point(tmp_path: Path, twist: Twist, code: str) -> None:
    async def use(_world: World, wire: Wire) -> Any:
        return await wire.ask(ACCOUNT_CONFIG, twist)

    assert with_wire(tmp_path, use).code == code


def test_heads_are_measured(tmp_path: Path) -> None:
    async def main(world: World) -> Any:
        async with wire_of(world) as wire:
            usual = await wire.ask(PUBLIC_TIME)
            padded = await wire.ask(PUBLIC_TIME, Twist(headers={"X-Padding": "x" * 1000}))
            return usual.head, padded.head, wire

    usual, padded, wire = play(main, tmp_path, answer_head=900)
    assert padded - usual == len("X-Padding: \r\n") + 1000
    assert 60 < usual < 300
    assert 850 < wire.largest_head <= 900
    assert (wire.most_lines, wire.longest_line > 700) == (4, True)


def test_requests_keep_the_limit_of_their_endpoint_unless_they_are_uncounted(tmp_path: Path) -> None:
    async def use(world: World, wire: Wire) -> Any:
        for _ in range(12):
            await wire.ask(positions(None))
        counted = world.loop.clock()
        codes = [(await wire.ask(positions(None), Twist(uncounted=True))).code for _ in range(12)]
        return counted - 1000, codes, world.exchange.rejections

    took, codes, rejections = with_wire(tmp_path, use)
    assert took > 2
    assert "50011" in codes
    assert len(rejections) == codes.count("50011")


def test_a_block_keeps_others_from_the_limit(tmp_path: Path) -> None:
    async def use(world: World, wire: Wire) -> Any:
        await wire.block(ACCOUNT_CONFIG, 3.0)
        before = world.loop.clock()
        await wire.ask(ACCOUNT_CONFIG)
        return world.loop.clock() - before

    assert with_wire(tmp_path, use) >= 3.0


def test_what_cannot_connect_was_not_sent(tmp_path: Path) -> None:
    async def use(world: World, wire: Wire) -> Any:
        world.seen.clear()
        with pytest.raises(NotSentError):
            await wire.ask(PUBLIC_TIME, Twist(base_url="http://127.0.0.1:1"))
        return world.seen

    (seen,) = with_wire(tmp_path, use)
    assert (seen.status, bool(seen.failure)) == (0, True)


@pytest.mark.parametrize(
    ("status", "words"), [("407 Proxy Authentication Required", "asks for a login"), ("403 Forbidden", "HTTP 403")]
)
async def test_what_a_proxy_bars_was_not_sent(status: str, words: str) -> None:
    async def bar(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    with pytest.raises(NotSentError, match=words):
        await ask_at_once(bar, through_it=True)


@pytest.mark.parametrize("through_it", [False, True])
async def test_the_time_to_connect_is_named_and_nothing_was_sent(*, through_it: bool) -> None:
    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # TLS is never begun here
        writer.close()

    through = " through the proxy http://127.0.0.1" if through_it else " within connect_timeout=0.3 s"
    with pytest.raises(NotSentError, match=f"not sent: no connection{through}") as raised:
        await ask_at_once(hold, through_it=through_it, connect_timeout=0.3)
    assert str(raised.value).endswith(" within connect_timeout=0.3 s")


async def ask_at_once(
    answer: Callable[..., Awaitable[None]], *, through_it: bool, connect_timeout: float = 2.0
) -> None:
    """Ask an exchange for its time by TLS, which `answer` is, or its proxy."""
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        place = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        url = "https://exchange.invalid" if through_it else f"https://{place}"
        route = make_route(url, NetworkOptions(proxy=f"http://{place}" if through_it else None))
        keys = Credentials("key", "secret", "passphrase")
        async with Wire(
            keys, url, demo=True, environment="x", limiter=Limiter(), route=route, connect_timeout=connect_timeout
        ) as wire:
            await wire.ask(PUBLIC_TIME)


@pytest.mark.parametrize("fault", [{"disconnect": True}, {"delay": 60.0}, {"code": "50004", "cut": 3}])
def test_without_a_whole_answer_the_outcome_is_unknown(tmp_path: Path, fault: dict[str, Any]) -> None:
    async def use(world: World, wire: Wire) -> Any:
        world.exchange.inject(path=None, times=1, **fault)
        order = post("trade/order", b"{}", "trade/order X", ACCOUNT_CONFIG.quota)  # type: ignore[arg-type]
        with pytest.raises(OutcomeUnknownError):
            await wire.ask(order)
        return world.seen

    (seen,) = with_wire(tmp_path, use)
    assert (seen.status, bool(seen.failure)) == (0, True)


def test_another_one_has_connections_of_its_own(tmp_path: Path) -> None:
    async def use(_world: World, wire: Wire) -> Any:
        await wire.ask(PUBLIC_TIME)
        async with wire.again() as other:
            await other.ask(PUBLIC_TIME)
            await other.ask(PUBLIC_TIME)
            return wire.connections, other.connections, other.offset == wire.offset

    assert with_wire(tmp_path, use) == (1, 1, True)


async def test_it_must_be_entered() -> None:
    async with SimulatedExchange() as exchange:
        wire = Wire(exchange.credentials, exchange.base_url, demo=False, environment="live", limiter=Limiter())
        with pytest.raises(RuntimeError, match="async with"):
            await wire.ask(get("public/time", "public/time", ACCOUNT_CONFIG.quota, signed=False))  # type: ignore[arg-type]


async def test_a_proxy_gets_its_login_and_the_exchange_does_not() -> None:
    """A plain proxy gets the request itself: the exchange stands in for one here, and sees what it would see."""
    async with SimulatedExchange() as exchange:
        port = exchange.base_url.rpartition(":")[2]
        route = make_route("http://127.0.0.1:9", NetworkOptions(proxy=f"http://me:hidden@127.0.0.1:{port}"))
        heads: list[Any] = []
        exchange.listen(lambda request, _answer, _row: heads.append(request.headers))
        seen: list[HttpExchange] = []
        async with Wire(
            exchange.credentials, "http://127.0.0.1:9", demo=False, environment="x", limiter=Limiter(), route=route,
            observer=seen.append,
        ) as wire:  # fmt: skip
            await wire.ask(PUBLIC_TIME)
        assert aiohttp.hdrs.PROXY_AUTHORIZATION in heads[0]
        assert aiohttp.hdrs.PROXY_AUTHORIZATION not in seen[0].request_headers
