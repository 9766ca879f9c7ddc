"""Records of positions that cannot be read, and words that no rule for typed ones fits, in virtual time."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import pytest

import okx_async as okx
from okx_async import FlattenState
from okx_async._flatten.guard import Guard, Observation, Reading
from okx_async._flatten.unreadable import unreadable_rows
from okx_async._rest.records import Unreadable, positions
from okx_async._rest.responses import Answer
from tests._flatten.one_position import BEFORE, reading
from tests.conftest import World

Happen: TypeAlias = Callable[..., Any]

BTC, ETH, ODD = "BTC-USDT-SWAP", "ETH-USDT-SWAP", "BTC-ABOVE-DAILY-300102-1600"
LOBSTER, PEPE = "龙虾-USDT-SWAP", "kPEPE-USDT-SWAP"
RECORD = {"instId": ODD, "instType": "EVENTS", "mgnMode": "", "posSide": "net", "pos": "10", "posId": "9"}
RECORDS = [
    *(RECORD, {**RECORD, "mgnMode": None}, {**RECORD, "posSide": 5}, {**RECORD, "instId": None}),
    *({name: value for name, value in RECORD.items() if name != "mgnMode"}, None, [RECORD]),
]


def odd(**fields: Any) -> Unreadable:
    return positions(Answer(200, "0", data=[RECORD | fields], listed=True, envelope=True)).unreadable[0]


def listing(started: float, *records: Unreadable) -> Reading:
    return Reading(started, (), None, records)


# --- pure ---


def test_flat_records_are_nothing() -> None:
    assert not listing(0.0, odd(pos="0")).unreadable
    assert listing(0.0, odd(pos="")).unreadable


@pytest.mark.parametrize(
    ("fields", "may_be"),
    [
        ({"instId": "BTC-USDT-SWAP", "posId": "7"}, True),
        ({"instId": "BTC-USDT-SWAP", "posId": ""}, True),
        ({"instId": "BTC-USDT-SWAP", "posId": "8"}, False),
        ({"instId": "BTC-USDT-SWAP", "posId": "7", "posSide": "long"}, False),
        ({"instId": "ETH-USDT-SWAP", "posId": "7"}, False),
        ({"instId": None, "posId": "7"}, True),
        ({"instId": None, "posId": ""}, True),
        ({"instId": None, "posId": "8"}, False),
    ],
)
def test_a_position_that_cannot_be_read_any_more_is_not_gone(fields: dict[str, Any], may_be: bool) -> None:  # noqa: FBT001 - expected
    guard = Guard(BEFORE, 0.0)
    assert guard.observe(listing(1.0, odd(**fields)))
    observed = [guard.observation]
    assert guard.observe(Reading(2.0, [BEFORE], None, [odd(**fields)]))
    observed.append(guard.observation)
    assert observed == [Observation.UNCLEAR if may_be else Observation.GONE, Observation.SAME]


def test_a_nameless_record_that_stood_beside_a_position_is_of_another_one() -> None:
    nameless = odd(instId=None, posId="")
    beside = listing(0.0, odd(), nameless).nameless(BEFORE)
    observed = []
    for count in (1, 2):
        guard = Guard(BEFORE, 0.0, beside)
        assert guard.observe(listing(1.0, *[nameless] * count))
        observed.append(guard.observation)
    assert (beside, observed) == (1, [Observation.GONE, Observation.UNCLEAR])


def test_a_row_has_the_record_of_both_readings_or_of_one() -> None:
    first, last = odd(pos="10"), odd(pos="8")

    def rows(first: Reading, last: Reading | None) -> list[tuple[Any, Any]]:
        return [(row.before, row.after) for row in unreadable_rows(first, last, lambda _: True, 1.0)]

    assert rows(listing(0.0, first), listing(1.0, last)) == [(first.position, last.position)]
    assert rows(listing(0.0), listing(1.0, last)) == [(None, last.position)]
    assert rows(listing(0.0, first), None) == [(first.position, None)]
    assert rows(listing(0.0, first), reading(1.0)) == []
    assert unreadable_rows(listing(0.0, first), None, lambda _: False, 1.0) == []


# --- against the simulated exchange ---


@pytest.mark.parametrize("record", RECORDS, ids=str)
def test_the_plain_ones_are_closed_and_the_odd_one_is_named(happen: Happen, record: Any) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.odd_records.append(record)
        world.exchange.open_position(BTC, 3)
        world.exchange.open_position(ETH, -7)
        with pytest.raises(okx.OutcomeUnknownError, match=r"positions could not be read: .* do not take this for flat"):
            await client.positions()
        report = await client.flatten(deadline=5.0)
        assert not world.exchange.positions
        assert {attempt.request.inst_id for attempt in world.attempts} == {BTC, ETH}
        return report

    report = happen(story)
    assert not report.flat
    closed, closed_too, row = report.rows
    assert (closed.state, closed_too.state, row.state) == (
        FlattenState.CLOSED,
        FlattenState.CLOSED,
        FlattenState.UNKNOWN,
    )
    assert row.position.raw == (record if isinstance(record, dict) else {"record": record})
    assert isinstance(row.error, okx.NotSentError)
    assert "nothing was sent for it" in str(row.error)
    assert report.seconds < 1.0


@pytest.mark.parametrize(
    "record", ["OK-ACCESS-PASSPHRASE: {}", {**RECORD, "instId": "{}"}, {**RECORD, "posId": "{}"}], ids=str
)
def test_a_record_that_repeats_the_passphrase_is_named_without_it(happen: Happen, record: Any) -> None:
    async def story(world: World, client: okx.Client) -> None:
        secret = world.exchange.credentials.passphrase
        world.exchange.odd_records.append(json.loads(json.dumps(record).replace("{}", secret)))
        world.exchange.open_position(BTC, 3)
        with pytest.raises(okx.OutcomeUnknownError, match="not shown: it repeats the request's credentials") as caught:
            await client.positions()
        report = await client.flatten(deadline=5.0)
        assert not world.exchange.positions
        (row,) = [row for row in report.rows if row.state is FlattenState.UNKNOWN]
        assert "not shown" in str(row.error)
        assert secret not in f"{caught.value!r} {report} {report.to_dict()}"

    happen(story)


def test_a_flat_odd_record_is_nothing(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.odd_records.append({**RECORD, "pos": "0"})
        world.exchange.open_position(BTC, 3)
        assert [position.inst_id for position in await client.positions()] == [BTC]
        return await client.flatten()

    report = happen(story)
    assert report.flat
    assert [row.state for row in report.rows] == [FlattenState.CLOSED]


@pytest.mark.parametrize(
    ("record", "options", "flat"),
    [
        (RECORD, {"inst_ids": [BTC]}, True),
        (None, {"inst_ids": [BTC]}, False),
        (RECORD, {"where": lambda position: position.inst_id == BTC}, True),
        (RECORD, {"where": lambda position: position.mgn_mode == "isolated" or position.inst_id == BTC}, False),
        ({**RECORD, "posSide": 5}, {"where": lambda position: position.pos_side == "long"}, False),
    ],
)
def test_it_counts_unless_it_is_certainly_outside_the_filter(
    happen: Happen,
    record: Any,
    options: Any,
    flat: bool,  # noqa: FBT001 - expected
) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.odd_records.append(record)
        world.exchange.open_position(BTC, 3)
        return await client.flatten(deadline=3.0, **options)

    assert happen(story).flat is flat


def test_a_record_that_can_be_read_at_last_is_closed(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(ETH, 3)
        opened = world.exchange.open_position(BTC, 3)
        await asyncio.sleep(1.0)
        record = {**RECORD, "instId": BTC, "posId": opened.pos_id}
        body = json.dumps({"code": "0", "msg": "", "data": [record]})
        world.exchange.inject(path="/api/v5/account/positions", body=body, times=1)
        return await client.flatten(deadline=5.0)

    report = happen(story)
    assert report.flat
    assert {row.position.inst_id for row in report.rows} >= {BTC}


def test_confirm_goes_on_beside_an_odd_record_of_another_address(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.ClosedPosition:
        world.exchange.odd_records.extend([{**RECORD, "instId": BTC}, None])
        opened = world.exchange.open_position(BTC, 3)
        assert opened.pos_id != RECORD["posId"]
        return await client.close_position(BTC, "cross", confirm=True)

    assert happen(story).flat


def test_confirm_does_not_take_what_may_be_the_position_for_gone(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.odd_records.append({"instId": BTC, "pos": "3"})
        world.exchange.open_position(BTC, 3)
        with pytest.raises(okx.OutcomeUnknownError, match="not proven closed"):
            await client.close_position(BTC, "cross", confirm=True, confirm_timeout=2.0)

    happen(story)


@pytest.mark.parametrize("record", ["null", '{"pos":"3","mgnMode":"cross","posSide":"net"}'])
def test_confirm_does_not_take_what_lost_its_name_for_gone(happen: Happen, record: str) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(BTC, 3)
        body = f'{{"code":"0","data":[{record}],"msg":""}}'
        world.exchange.inject(path="/api/v5/account/positions", body=body, after=1, times=None)
        with pytest.raises(okx.OutcomeUnknownError, match="not proven closed"):
            await client.close_position(BTC, "cross", confirm=True, confirm_timeout=2.0)
        assert len(world.closes()) == 1

    happen(story)


def test_confirm_of_a_position_that_is_listed_unreadably_only_proves_nothing(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.odd_records.append({"instId": BTC, "pos": "3"})
        world.exchange.inject("50004", executed=False)
        with pytest.raises(okx.OutcomeUnknownError):
            await client.close_position(BTC, "cross", confirm=True, confirm_timeout=2.0)

    happen(story)


# --- words as listed ---


@pytest.mark.parametrize("inst_id", [LOBSTER, PEPE])
def test_listed_words_go_out_as_listed(happen: Happen, inst_id: str) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(inst_id, 3)
        (position,) = await client.positions()
        (result,) = await client.close_positions([okx.ClosePosition.of(position)])
        assert result.error is None
        assert (world.attempts[-1].key or ())[1:] == (world.exchange.user_id, inst_id)
        world.exchange.open_position(inst_id, 3)
        closed = await client.close_position(position.inst_id, position.mgn_mode, confirm=True)
        assert (closed.flat, closed.inst_id) == (True, inst_id)
        world.exchange.open_position(inst_id, 3)
        world.exchange.open_position(BTC, 3)
        assert [one.inst_id for one in await client.positions([position.inst_id])] == [inst_id]
        assert (await client.flatten([position.inst_id])).flat
        assert [holding.inst_id for holding in world.exchange.positions] == [BTC]
        world.exchange.open_position(inst_id, 3)
        with pytest.raises(okx.InvalidRequestError):
            await client.close_position(inst_id, "cross")
        return await client.flatten()

    report = happen(story)
    assert report.flat
    assert report.open_orders == ()
    assert {row.position.inst_id for row in report.rows} == {BTC, inst_id}


def test_a_position_of_a_record_that_was_kept_elsewhere_is_closed_too(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        world.exchange.open_position(PEPE, 3)
        (position,) = await client.positions()
        typed = replace(position, inst_id=str(position.inst_id))
        (result,) = await client.close_positions([okx.ClosePosition.of(typed)])
        assert result.error is None

    happen(story)


def test_typed_ids_that_no_rule_fits_filter_what_is_listed(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> None:
        for inst_id in (LOBSTER, BTC):
            world.exchange.open_position(inst_id, 3)
        assert [position.inst_id for position in await client.positions([LOBSTER])] == [LOBSTER]
        with pytest.raises(okx.InvalidRequestError, match=f"no position of '{PEPE}' is listed, and inst_id must be"):
            await client.positions([LOBSTER, PEPE])
        with pytest.raises(okx.InvalidRequestError, match=f"no position of '{PEPE}' is listed, and inst_id must be"):
            await client.flatten([LOBSTER, PEPE])
        with pytest.raises(okx.InvalidRequestError, match="inst_id must be"):
            await client.flatten(["BTC-USDT-SWAP\n"])
        assert len(world.exchange.positions) == 2
        assert (await client.flatten([LOBSTER])).flat
        assert [holding.inst_id for holding in world.exchange.positions] == [BTC]

    happen(story)


def test_positions_leaves_out_what_the_guard_calls_flat(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> list[okx.Position]:
        flat = {"instId": "BTC-USDT", "instType": "MARGIN", "mgnMode": "cross", "pos": "", "posCcy": ""}
        world.exchange.odd_records.append(flat)
        world.exchange.open_position(BTC, 3)
        return await client.positions()

    assert [position.inst_id for position in happen(story)] == [BTC]


def test_an_order_that_cannot_be_read_is_reported(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.open_position(BTC, 3)
        body = json.dumps({"code": "0", "msg": "", "data": [{"ordId": "1"}, None, {"instId": BTC, "ordId": "2"}]})
        world.exchange.inject(path="/api/v5/trade/orders-pending", body=body, times=9)
        return await client.flatten()

    orders = happen(story).open_orders
    assert orders is not None
    assert [(order.inst_id, order.ord_id) for order in orders] == [("", "1"), (BTC, "2"), ("", "")]
