"""One fault of each kind over real sockets; tests/faults has all of them in virtual time."""

from typing import Any

import pytest

from okx_async import Attempt, OkxError
from okx_async.simulator import SimulatedExchange
from okx_async.simulator.faults.catalogue import CATALOGUE
from tests.sockets.conftest import Clients

CLOSE = "/api/v5/trade/close-position"
TIME = "/api/v5/public/time"

# fault, its changes, error of the caller, closes executed, requests that arrived, where the last slot is
KINDS: list[tuple[str, dict[str, Any], str, int, int, str]] = [
    ("50004", {"executed": True}, "OutcomeUnknownError 50004", 1, 1, "in doubt"),
    ("50004", {"executed": False}, "OutcomeUnknownError 50004", 0, 1, "in doubt"),
    ("51023 in an item", {}, "NothingToCloseError 51023", 0, 1, "settled"),
    ("50011", {"times": None}, "RateLimitedError 50011", 0, 1, "settled"),
    ("accepted after much space", {}, "accepted", 1, 1, "settled"),
    ("HTML 502", {"executed": True}, "OutcomeUnknownError", 1, 1, "in doubt"),
    ("plain 429", {"executed": False}, "OutcomeUnknownError", 0, 1, "in doubt"),
    ("cut JSON", {"executed": True}, "OutcomeUnknownError", 1, 1, "in doubt"),
    ("accepted in unasked gzip", {}, "accepted", 1, 1, "settled"),
    ("HTML 403 early", {}, "RejectedError", 0, 1, "in doubt"),
    ("HTML 503 early", {}, "OutcomeUnknownError", 0, 1, "in doubt"),
    ("504 early, sent on 3 s later", {"forwarded": 0.0}, "OutcomeUnknownError", 1, 1, "in doubt"),
    ("hang-up", {"executed": True}, "OutcomeUnknownError", 1, 1, "in doubt"),
    ("hang-up early", {}, "OutcomeUnknownError", 0, 1, "in doubt"),
    ("hang-up in the body", {"executed": True}, "OutcomeUnknownError", 1, 1, "in doubt"),
    ("reset", {"executed": False}, "OutcomeUnknownError", 0, 1, "in doubt"),
    ("reset early", {}, "OutcomeUnknownError", 0, 1, "in doubt"),
    ("reset in the body", {"executed": True}, "OutcomeUnknownError", 1, 1, "in doubt"),
    ("4.8 s", {"delay": 0.2}, "accepted", 1, 1, "settled"),
    ("5.2 s", {"delay": 9.0}, "OutcomeUnknownError", 1, 1, "in doubt"),
    ("headers after 2 s, body after 4.8 s", {"delay": 0.1, "pause": 0.1}, "accepted", 1, 1, "settled"),
    ("headers, then nothing", {"executed": True}, "OutcomeUnknownError", 1, 1, "in doubt"),
    ("20 MB", {"executed": True}, "OutcomeUnknownError", 1, 1, "in doubt"),
    ("gzip bomb", {"executed": False}, "OutcomeUnknownError", 0, 1, "in doubt"),
    ("half filled", {}, "accepted", 1, 1, "settled"),
    ("29 s ahead", {"skew": 25.0}, "accepted", 1, 1, "settled"),
    ("31 s behind", {"skew": -35.0}, "accepted", 1, 2, "settled"),
    ("config down", {}, "accepted", 1, 1, "settled"),
    ("key revoked", {"path": CLOSE}, "AuthenticationError 50119", 0, 1, "settled"),
]


def test_each_kind_of_fault_is_among_them() -> None:
    assert {CATALOGUE[name].group for name, *_ in KINDS} == {kind.group for kind in CATALOGUE.values()}


async def close(client: Any, **options: Any) -> str:
    try:
        await client.close_position("BTC-USDT-SWAP", "cross", **options)
    except OkxError as error:
        return f"{type(error).__name__} {error.code}".rstrip()
    return "accepted"


@pytest.mark.parametrize(
    ("name", "changes", "told", "done", "sent", "fate"), KINDS, ids=[f"{row[0]} {row[1]}" for row in KINDS]
)
async def test_what_becomes_of_a_close(
    exchange: SimulatedExchange,
    clients: Clients,
    *,
    name: str,
    changes: dict[str, Any],
    told: str,
    done: int,
    sent: int,
    fate: str,
) -> None:
    attempts: list[Attempt] = []
    client = clients(
        exchange.base_url,
        credentials=exchange.credentials,
        user_id=None if "config" in name else exchange.user_id,
        timeout=3.0 if "accepted" in told else 0.5,
        on_attempt=attempts.append,
    )
    exchange.open_position("BTC-USDT-SWAP", 4)
    exchange.inject(name, **changes)
    assert await close(client, max_wait=1.5 if "50011" in name else None) == told
    rows = [row for row in exchange.journal if row.path == CLOSE]
    if "sent on" in name:
        await clients.until(lambda: any(row.executed for row in exchange.journal))
        rows = [row for row in exchange.journal if row.path == CLOSE]
    assert sum(row.executed for row in rows) == done
    assert sum(row.fault != "forwarded" for row in rows) == sent == len(attempts)
    assert sum(row.path == TIME for row in exchange.journal) == (sent - 1 if "behind" in name else 0)
    assert {attempt.token for attempt in attempts} == {fate}
    key = attempts[-1].key
    if sent == 1:
        assert clients.fate(client, key) == fate
    else:
        assert clients.statistics(client, key).cooling == sent
        clients.clock.ahead += 2.003
        assert clients.statistics(client, key).free == 20


async def test_a_clock_that_is_wrong_and_cannot_be_set_right(exchange: SimulatedExchange, clients: Clients) -> None:
    client = clients(exchange.base_url, credentials=exchange.credentials, user_id=exchange.user_id)
    exchange.open_position("BTC-USDT-SWAP", 4)
    exchange.inject("time down")
    exchange.inject("31 s ahead", skew=40.0)
    assert await close(client) == "ClockSkewError 50102"
    assert [row.code for row in exchange.journal if row.path == CLOSE] == ["50102"]
    assert exchange.positions[0].pos == 4


async def test_another_program_takes_the_whole_limit(exchange: SimulatedExchange, clients: Clients) -> None:
    client = clients(exchange.base_url, credentials=exchange.credentials, user_id=exchange.user_id)
    exchange.open_position("BTC-USDT-SWAP", 4)
    exchange.crowd(exchange.user_id, "BTC-USDT-SWAP", 40)
    assert await close(client, max_wait=1.0) == "RateLimitedError 50011"
    assert len(exchange.rejections) == 1
    assert clients.statistics(client, client.limiter_key("BTC-USDT-SWAP")).refused == 1
