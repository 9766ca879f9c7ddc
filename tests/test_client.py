import asyncio
import copy
import gc
import logging
import pickle
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import orjson
import pytest
from aioresponses import aioresponses

from okx_async import (
    Attempt,
    AuthenticationError,
    Client,
    ClosedPosition,
    ClosePosition,
    CloseResult,
    Credentials,
    InvalidRequestError,
    Limiter,
    NothingToCloseError,
    OkxError,
    Outcome,
    OutcomeUnknownError,
    Priority,
    SlotTimeoutError,
)
from okx_async._limiter.default import default_limiter
from okx_async._rest.requests import CLOSE_PATH, POSITIONS_PATH
from tests.conftest import World

pytestmark = pytest.mark.virtual

CREDENTIALS = Credentials("0af1c5d2-1f3a", "9F3C51E0B7A24D6888E1C0FFEE0DDBA1", "Fj0rd/Kay7")
BASE = "https://openapi.okx.com"
CLOSE = BASE + "/api/v5/trade/close-position"
CONFIG = BASE + "/api/v5/account/config"
POSITIONS = BASE + "/api/v5/account/positions"


def ok(**item: str) -> dict[str, object]:
    return {"code": "0", "data": [item], "msg": ""}


def code(text: str) -> dict[str, object]:
    return {"code": text, "data": [], "msg": "words"}


@pytest.fixture
async def client(mocked: aioresponses) -> AsyncIterator[Client]:
    mocked.get(CONFIG, payload=ok(uid="123"), repeat=True)
    async with Client(CREDENTIALS, limiter=Limiter(clock=asyncio.get_running_loop().time)) as made:
        yield made


def test_made_without_a_loop_and_nothing_begun() -> None:
    client = Client(CREDENTIALS)
    assert client.limiter is default_limiter()
    assert client.limiter_key("BTC-USDT-SWAP")[1].startswith("key:")
    assert not client._wiring.transport.opened
    asyncio.run(client.aclose())


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ({}, ("live", "9", "X")),
        ({"demo": True}, ("demo", "9", "X")),
        ({"region": "eea"}, ("live", "9", "X")),
        ({"base_url": "https://www.okx.com"}, ("live", "9", "X")),
        ({"base_url": "http://127.0.0.1:8080"}, ("http://127.0.0.1:8080", "9", "X")),
        ({"base_url": "http://proxy", "allow_plain_http": True}, ("http://proxy", "9", "X")),
    ],
)
def test_whose_limits_count(arguments: dict[str, Any], key: tuple[str, str, str]) -> None:
    client = Client(CREDENTIALS, user_id="9", **arguments)
    assert client.limiter_key("X") == key
    assert repr(client) == f"<Client <Identity {key[0]} 9>>"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"credentials": "key"}, "credentials must be Credentials, got str"),
        ({"user_id": 123}, "user_id must be"),
        ({"demo": "yes"}, "demo must be True or False"),
        ({"region": "mars"}, "region must be one of global, eea, us, app, au, tr"),
        ({"base_url": "http://example.com"}, "base_url must begin with https://"),
        ({"base_url": "ftp://example.com"}, "base_url must begin with https://"),
        ({"connect_timeout": 0}, "connect_timeout must be a positive number of seconds, got 0"),
        ({"timeout": float("nan")}, "timeout must be a positive number"),
        ({"timeout": None}, "timeout must be a positive number"),
        ({"keepalive": float("inf")}, "keepalive must be a finite number ≥ 0"),
        ({"max_connections": 0}, "max_connections must be an integer ≥ 1"),
        ({"max_connections": True}, "max_connections must be an integer ≥ 1"),
        ({"on_attempt": "print"}, "on_attempt must be callable"),
        ({"on_limit": "print"}, "on_limit must be callable"),
        ({"wall_clock": None}, "wall_clock must be callable, got None"),
        ({"wall_clock": asyncio.sleep}, "wall_clock must be a plain function, since it is not awaited"),
        ({"session": object()}, r"session must be an aiohttp\.ClientSession"),
    ],
)
def test_arguments_that_cannot_work_are_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words):
        Client(**{"credentials": CREDENTIALS, **arguments})


async def test_a_close_is_sent_as_signed_and_returned_as_answered(client: Client, mocked: aioresponses) -> None:
    mocked.post(CLOSE, payload=ok(instId="BTC-USDT-SWAP", posSide="long", clOrdId="a1", tag="t"))
    closed = await client.close_position(
        "BTC-USDT-SWAP", "cross", pos_side="long", cl_ord_id="a1", tag="t", auto_cxl=True, ccy="USDT"
    )
    (attempt,) = closed.attempts
    assert closed == ClosedPosition("BTC-USDT-SWAP", "long", "a1", "t", (attempt,))
    assert (attempt.key, attempt.outcome, attempt.token) == (
        ("live", "123", "BTC-USDT-SWAP"),
        Outcome.ACCEPTED,
        "settled",
    )
    (post,) = [calls[0] for (method, _), calls in mocked.requests.items() if method == "POST"]
    assert post.kwargs["data"] == (
        b'{"instId":"BTC-USDT-SWAP","mgnMode":"cross","posSide":"long","ccy":"USDT","autoCxl":true,'
        b'"clOrdId":"a1","tag":"t"}'
    )
    assert post.kwargs["headers"]["OK-ACCESS-KEY"] == CREDENTIALS.api_key


@pytest.mark.parametrize(
    "arguments",
    [
        {"inst_id": "btc-usdt-swap"},
        {"mgn_mode": "crossed"},
        {"pos_side": "both"},
        {"cl_ord_id": "a-1"},
        {"tag": "x" * 17},
        {"auto_cxl": "true"},
        {"confirm": "no"},
        {"ccy": ""},
        {"max_wait": -1},
        {"max_wait": "1"},
        {"max_wait": True},
        {"max_wait": float("nan")},
    ],
)
async def test_a_bad_parameter_sends_nothing(client: Client, mocked: aioresponses, arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError, match=next(iter(arguments))):
        await client.close_position(**{"inst_id": "BTC-USDT-SWAP", "mgn_mode": "cross", **arguments})
    assert mocked.requests == {}


async def test_a_priority_that_is_none_is_a_value_error(client: Client) -> None:
    with pytest.raises(ValueError, match="7"):
        await client.close_position("BTC-USDT-SWAP", "cross", priority=cast("Priority", 7))


async def test_a_refusal_is_raised_with_what_was_tried(client: Client, mocked: aioresponses) -> None:
    mocked.post(CLOSE, payload=code("51023"))
    with pytest.raises(NothingToCloseError) as caught:
        await client.close_position("BTC-USDT-SWAP", "cross")
    assert (caught.value.code, caught.value.status, caught.value.key) == (
        "51023",
        200,
        ("live", "123", "BTC-USDT-SWAP"),
    )
    assert [attempt.code for attempt in caught.value.attempts] == ["51023"]


async def test_sixty_closes_of_one_key_take_three_rounds(client: Client, mocked: aioresponses) -> None:
    mocked.post(CLOSE, payload=ok(), repeat=True)
    sent: list[float] = []
    loop = asyncio.get_running_loop()
    legs = [ClosePosition(f"BTC-USD-260327-{50000 + n}-C", "cross") for n in range(60)]
    results = await client.close_positions(legs, on_result=lambda _: sent.append(round(loop.time(), 3)))
    assert [result.request for result in results] == legs
    assert sent == [0.0] * 20 + [2.003] * 20 + [4.006] * 20


async def test_max_wait_refuses_at_once_what_cannot_be_in_time(client: Client, mocked: aioresponses) -> None:
    mocked.post(CLOSE, payload=ok(), repeat=True)
    for _ in range(20):
        await client.close_position("BTC-USDT-SWAP", "cross")
    with pytest.raises(SlotTimeoutError) as caught:
        await client.close_position("BTC-USDT-SWAP", "cross", max_wait=2.0)
    assert asyncio.get_running_loop().time() == 0.0
    assert caught.value.wait == pytest.approx(2.003)
    await client.close_position("BTC-USDT-SWAP", "cross", max_wait=2.1)
    assert asyncio.get_running_loop().time() == pytest.approx(2.003)


async def test_a_batch_mixes_no_results(client: Client, mocked: aioresponses) -> None:
    for answer in (ok(), code("51023"), code("50004"), code("50113")):
        mocked.post(CLOSE, payload=answer)
    legs = [ClosePosition(inst_id, "cross") for inst_id in ("A", "B", "C", "bad id", "D")]
    told: list[CloseResult] = []
    results = await client.close_positions(legs, on_result=told.append)
    kinds = [type(result.error) for result in results]
    assert kinds == [type(None), NothingToCloseError, OutcomeUnknownError, InvalidRequestError, AuthenticationError]
    assert {id(result) for result in told} == {id(result) for result in results}


async def test_positions_are_read_and_flat_ones_left_out(client: Client, mocked: aioresponses) -> None:
    def row(inst_id: str, pos: str) -> dict[str, str]:
        return {"instId": inst_id, "mgnMode": "cross", "pos": pos, "posSide": "net"}

    mocked.get(POSITIONS, payload={"code": "0", "data": [row("A", "1"), row("B", "0"), row("C", "?")], "msg": ""})
    assert [position.inst_id for position in await client.positions()] == ["A", "C"]
    mocked.get(POSITIONS, payload=code("0"))
    assert await client.positions() == []
    mocked.get(POSITIONS, body="<html>", status=502)
    with pytest.raises(OutcomeUnknownError):
        await client.positions()


async def test_no_ids_are_no_question(client: Client, mocked: aioresponses) -> None:
    assert await client.positions([]) == []
    assert mocked.requests == {}


async def test_the_audit_trail_has_every_attempt(mocked: aioresponses, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "okx_async")
    mocked.get(CONFIG, payload=ok(uid="123"), repeat=True)
    mocked.post(CLOSE, payload=code("50011"), status=429)
    mocked.post(CLOSE, payload=ok())
    trail: list[Attempt] = []
    clock = asyncio.get_running_loop().time
    async with Client(
        CREDENTIALS, limiter=Limiter(clock=clock), on_attempt=trail.append, wall_clock=lambda: 1e9 + clock()
    ) as client:
        closed = await client.close_position("BTC-USDT-SWAP", "cross")
    assert closed.attempts == tuple(trail)
    assert [attempt.code for attempt in trail] == ["50011", "0"]
    first, second = [attempt.sent or 0.0 for attempt in trail]
    assert first == pytest.approx(1e9, abs=0.01)
    assert 2.0 <= second - first < 2.32  # a window, and a random part of one
    assert [attempt.settled for attempt in trail] == [attempt.sent for attempt in trail]  # answered in no time
    for record in caplog.records:
        assert CREDENTIALS.passphrase not in record.getMessage()


@pytest.mark.parametrize("act", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_client_stays_where_it_was_made(act: Callable[[object], object]) -> None:
    with pytest.raises(TypeError, match="a Client cannot be pickled or copied: make one in each process"):
        act(Client(CREDENTIALS))


RECORD = {"instId": "BTC-USDT-SWAP", "mgnMode": "cross", "posSide": "net", "pos": "1", "more": [[], []]}


def long(code: str, count: int = 5000) -> bytes:
    return orjson.dumps({"code": code, "msg": "no" if code != "0" else "", "data": [RECORD] * count})


@pytest.mark.parametrize(
    ("call", "answers"),
    [
        (lambda client: client.close_position("BTC-USDT-SWAP", "cross"), [(CLOSE_PATH, long("51000"))]),
        (
            lambda client: client.close_position("BTC-USDT-SWAP", "cross", confirm=True),
            [(CLOSE_PATH, long("51000")), (POSITIONS_PATH, long("0"))],
        ),
        (lambda client: client.positions(), [(POSITIONS_PATH, long("51000"))]),
        (lambda client: client.positions(), [(POSITIONS_PATH, long("0")[:-2] + b",{}]}")]),
        (
            lambda client: client.positions([f"A{number}" for number in range(11)]),
            [(POSITIONS_PATH, long("0")), (POSITIONS_PATH, long("51000"))],
        ),
        (lambda client: client.flatten(), [(POSITIONS_PATH, long("51000"))]),
    ],
    ids=["a close", "confirmed", "a reading", "an odd record", "a second page", "a flatten"],
)
def test_an_error_keeps_no_answer(
    happen: Callable[..., Any], call: Callable[[Client], Awaitable[object]], answers: list[tuple[str, bytes]]
) -> None:
    async def story(world: World, client: Client) -> None:
        for path, body in answers:
            world.exchange.inject(body=body, path=path, status=200, times=1, executed=False)
        gc.collect()
        before = len(gc.get_objects())
        with pytest.raises(OkxError) as caught:
            await call(client)
        gc.collect()
        assert len(gc.get_objects()) - before < 3000
        assert caught.value.__traceback__ is not None

    happen(story)
