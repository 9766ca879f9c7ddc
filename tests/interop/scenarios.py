"""Other clients on the simulated exchange: `make interop`. Not collected by `make test`.

Each scenario is judged twice: by the view of the client's user, and by the exchange's own journal and books.
"""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from okx_async import Credentials
from okx_async.simulator import JournalRow, SimulatedExchange
from okx_async.simulator.api.endpoints import CLOSE_PATH
from tests.interop.clients import CLIENTS, Client, Program, Seen

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"


@pytest.fixture(scope="module", params=CLIENTS, ids=lambda client: client.name)
def program(request: pytest.FixtureRequest) -> Iterator[Program]:
    client: Client = request.param
    try:
        running = Program(client)
    except FileNotFoundError as missing:
        if missing.args == ("node",):
            pytest.skip(f"{client.name}: there is no node on this machine")
        pytest.fail(f"{client.name} is not installed, there is no {missing}: run `make interop`")
    yield running
    assert running.end() == 0


def closes(exchange: SimulatedExchange) -> list[JournalRow]:
    return [row for row in exchange.journal if row.path == CLOSE_PATH]


def held(exchange: SimulatedExchange) -> set[tuple[str, str, str, Decimal]]:
    return {(one.inst_id, one.mgn_mode, one.pos_side, one.pos) for one in exchange.positions}


def listed(seen: Seen) -> set[tuple[str, str, str, Decimal]]:
    return {(row["inst_id"], row["mgn_mode"], row["pos_side"], Decimal(row["pos"])) for row in seen.rows}


def refused(program: Program, code: str) -> Seen:
    """Return a refusal with this code as the client's user sees it."""
    return Seen(code, [], program.client.errors.get(code, ""))


@pytest.mark.parametrize("pos_mode", ["net_mode", "long_short_mode"])
async def test_it_reads_the_account_of_its_key(program: Program, pos_mode: str) -> None:
    async with SimulatedExchange(pos_mode=pos_mode) as exchange:  # type: ignore[arg-type]
        [seen] = await program(exchange, "account")
        assert seen == Seen("0", [{"user_id": exchange.user_id, "pos_mode": pos_mode}], "")


async def test_it_lists_net_positions(program: Program) -> None:
    async with SimulatedExchange() as exchange:
        exchange.open_position(BTC, 3)
        exchange.open_position(BTC, "-0.5", "isolated")
        exchange.open_position(ETH, -12)
        [seen] = await program(exchange, "positions", inst_ids=[])
        assert (seen.code, listed(seen)) == ("0", held(exchange))
        assert len(seen.rows) == 3


async def test_it_lists_both_sides(program: Program) -> None:
    async with SimulatedExchange(pos_mode="long_short_mode") as exchange:
        exchange.open_position(BTC, 3, pos_side="long")
        exchange.open_position(BTC, 5, pos_side="short")
        [seen] = await program(exchange, "positions", inst_ids=[])
        # the API shows a short side without a sign, the exchange's books have one
        assert listed(seen) == {(BTC, "cross", "long", Decimal(3)), (BTC, "cross", "short", Decimal(5))}


async def test_it_asks_for_two_instruments_by_name(program: Program) -> None:
    async with SimulatedExchange() as exchange:
        exchange.open_position(BTC, 3)
        exchange.open_position(ETH, -12)
        exchange.open_position("SOL-USDT-SWAP", 1)
        [seen] = await program(exchange, "positions", inst_ids=[BTC, ETH])
        assert {row["inst_id"] for row in seen.rows} == {BTC, ETH}
        # some send the comma as it is, some as %2C; each signs what it sends
        assert exchange.journal[-1].path.split("?")[0] == "/api/v5/account/positions"
        assert "ETH" in exchange.journal[-1].path


@pytest.mark.parametrize("pos_side", ["", "net"])
@pytest.mark.parametrize("mgn_mode", ["cross", "isolated"])
async def test_it_closes_a_net_position(program: Program, mgn_mode: str, pos_side: str) -> None:
    async with SimulatedExchange() as exchange:
        exchange.open_position(BTC, -3, mgn_mode)
        exchange.open_position(ETH, 1, mgn_mode)
        asked: dict[str, Any] = {"pos_side": pos_side} if pos_side else {}
        [seen] = await program(exchange, "close", inst_id=BTC, mgn_mode=mgn_mode, cl_ord_id="c1A2b3", **asked)
        assert seen == Seen("0", [{"inst_id": BTC, "cl_ord_id": "c1A2b3"}], "")
        assert held(exchange) == {(ETH, mgn_mode, "net", Decimal(1))}
        [row] = closes(exchange)
        assert (row.code, row.status, row.executed, row.cl_ord_id) == ("0", 200, True, "c1A2b3")
        assert row.key == (exchange.user_id, BTC)


@pytest.mark.parametrize("pos_side", ["long", "short"])
@pytest.mark.parametrize("mgn_mode", ["cross", "isolated"])
async def test_it_closes_one_side(program: Program, mgn_mode: str, pos_side: str) -> None:
    async with SimulatedExchange(pos_mode="long_short_mode") as exchange:
        exchange.open_position(BTC, 3, mgn_mode, "long")
        exchange.open_position(BTC, 5, mgn_mode, "short")
        [seen] = await program(exchange, "close", inst_id=BTC, mgn_mode=mgn_mode, pos_side=pos_side)
        assert (seen.code, [row["inst_id"] for row in seen.rows]) == ("0", [BTC])
        assert {one[2] for one in held(exchange)} == {"long", "short"} - {pos_side}
        assert [row.executed for row in closes(exchange)] == [True]


async def test_an_order_in_the_way_is_named_and_cancelled_if_asked(program: Program) -> None:
    async with SimulatedExchange() as exchange:
        exchange.open_position(BTC, 3)
        exchange.add_pending_order(BTC)
        [seen] = await program(exchange, "close", inst_id=BTC, mgn_mode="cross")
        assert seen == refused(program, "51115")
        assert (len(exchange.positions), len(exchange.pending_orders)) == (1, 1)
        [seen] = await program(exchange, "close", inst_id=BTC, mgn_mode="cross", auto_cxl=True)
        assert seen.code == "0"
        assert (len(exchange.positions), len(exchange.pending_orders)) == (0, 0)
        assert [(row.code, row.status, row.executed) for row in closes(exchange)] == [
            ("51115", 429, False),
            ("0", 200, True),
        ]


@pytest.mark.parametrize("mgn_mode", ["cross", "isolated"])
async def test_there_is_nothing_to_close(program: Program, mgn_mode: str) -> None:
    async with SimulatedExchange() as exchange:
        exchange.open_position(BTC, 3, {"cross": "isolated", "isolated": "cross"}[mgn_mode])
        [seen] = await program(exchange, "close", inst_id=BTC, mgn_mode=mgn_mode)
        assert seen == refused(program, "51023")
        assert len(exchange.positions) == 1
        assert [(row.code, row.executed) for row in closes(exchange)] == [("51023", False)]


WRONG_KEYS = {
    "50111": {"api_key": "no-key-of-theirs"},
    "50113": {"secret_key": "22582BD0CFF14C41EDBF1AB98506286D"},
    "50105": {"passphrase": "another"},
}


@pytest.mark.parametrize("code", WRONG_KEYS)
async def test_keys_that_are_wrong(program: Program, code: str) -> None:
    async with SimulatedExchange() as exchange:
        exchange.open_position(BTC, 3)
        keys = replace(exchange.credentials, **WRONG_KEYS[code])
        await refused_before_it_counts(program, exchange, keys, code)


async def test_a_clock_that_is_slow(program: Program) -> None:
    async with SimulatedExchange(wall_clock=lambda: time.time() + 60) as exchange:
        exchange.open_position(BTC, 3)
        await refused_before_it_counts(program, exchange, exchange.credentials, "50102")


async def refused_before_it_counts(program: Program, exchange: SimulatedExchange, keys: Credentials, code: str) -> None:
    for call, arguments in (("positions", {"inst_ids": []}), ("close", {"inst_id": BTC, "mgn_mode": "cross"})):
        [seen] = await program(exchange, call, keys=keys, **arguments)
        assert seen == refused(program, code)
        last = exchange.journal[-1]
        assert (last.code, last.status, last.executed, last.key) == (code, 401, False, None)
    assert len(closes(exchange)) == len(exchange.positions) == 1


async def test_demo_trading_has_keys_of_its_own(program: Program) -> None:
    async with SimulatedExchange() as exchange:
        demo = exchange.add_account(demo=True)
        exchange.open_position(BTC, 3)
        exchange.open_position(BTC, -4, account=demo)
        [seen] = await program(exchange, "close", demo=True, inst_id=BTC, mgn_mode="cross")
        assert seen == refused(program, "50101")
        [seen] = await program(exchange, "close", demo=True, keys=demo.credentials, inst_id=BTC, mgn_mode="cross")
        assert seen.code == "0"
        assert [one.user_id for one in exchange.positions] == [exchange.user_id]
        assert [(row.uid, row.code, row.executed) for row in closes(exchange)] == [
            ("", "50101", False),
            (demo.user_id, "0", True),
        ]


async def test_a_burst_of_sixty(program: Program) -> None:
    # For clients without pacing the exchange's clock is slowed sixtyfold: on any machine the burst is one window.
    speed = 1 if program.client.paced else 1 / 60
    async with SimulatedExchange(clock=lambda: speed * time.monotonic()) as exchange:
        exchange.open_position(BTC, 3)
        seen = await program(exchange, "close", times=60, inst_id=BTC, mgn_mode="cross")
        rows = closes(exchange)
        assert len(rows) == 60
        assert Counter(one.code for one in seen) == Counter(row.code for row in rows)
        assert Counter(row.code for row in rows) == (
            {"0": 1, "51023": 59} if program.client.paced else {"0": 1, "51023": 19, "50011": 40}
        )
        assert {row.key for row in rows} == {(exchange.user_id, BTC)}
        # both statuses of a refusal for rate
        assert {row.status for row in exchange.rejections} == (set() if program.client.paced else {200, 429})
        assert [row.executed for row in rows] == [row.code == "0" for row in rows]
        for one in seen:
            assert one.code == "0" or one == refused(program, one.code)
