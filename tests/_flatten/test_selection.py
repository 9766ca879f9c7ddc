"""Which positions a flatten is about, where the caller's predicate fails at a record that lacks a number."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

import okx_async as okx
from okx_async._flatten.guard import Reading
from okx_async._flatten.selection import Selection
from tests._flatten.one_position import position
from tests.conftest import World

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
POSITIONS = "/api/v5/account/positions"
RECORD = {"instType": "SWAP", "mgnMode": "cross", "posSide": "net", "posId": "7", "cTime": "1000", "uTime": "1000"}
FULL = {"avgPx": "1", "markPx": "1", "upl": "-1"}
PREDICATES: dict[str, Callable[[Any], object]] = {
    "pos": lambda one: one.pos > 0,
    "upl": lambda one: one.upl < 0,
    "mark_px": lambda one: abs(one.pos) * one.mark_px > 0,
    "avg_px": lambda one: one.avg_px > 0,
}
FIELDS = {"pos": "pos", "upl": "upl", "mark_px": "markPx", "avg_px": "avgPx"}
Happen: TypeAlias = Callable[..., Any]


@pytest.mark.parametrize("name", PREDICATES)
def test_a_record_without_a_number_is_left_alone_and_bars_no_other(name: str) -> None:
    plain, odd = position(**FULL), position(**FULL | {"instId": ETH, FIELDS[name]: ""})
    selection = Selection(None, PREDICATES[name])
    assert selection.first(Reading(0.0, [odd, plain])) == [plain]
    assert (selection.undecided, selection.failed_at(odd), selection.failed_at(plain)) == (True, True, False)
    assert (selection.certain(odd), selection.holds(odd)) == (False, True)  # not closed, and not flat
    (row,) = selection.rows_without_close([odd], 1.0)
    assert (row.before, row.after, row.state) == (odd, odd, okx.FlattenState.UNKNOWN)
    assert isinstance(row.error, okx.NotSentError)
    assert f"no number for {name}; nothing was sent" in str(row.error)


def test_it_has_a_row_where_nothing_could_be_read_at_the_end_and_none_where_it_is_gone() -> None:
    odd = position(upl="")
    selection = Selection(None, PREDICATES["upl"])
    selection.first(Reading(0.0, [odd]))
    (row,) = selection.rows_without_close(None, 1.0)
    assert (row.before, row.after, row.state) == (odd, None, okx.FlattenState.UNKNOWN)
    assert selection.rows_without_close([], 1.0) == []


def test_what_appeared_in_its_place_is_another_position() -> None:
    odd, other = position(upl=""), position(upl="", cTime="2000")
    selection = Selection(None, PREDICATES["upl"])
    selection.first(Reading(0.0, [odd]))
    (row,) = selection.rows_without_close([other], 1.0)
    assert (row.before, row.after, row.state, row.error) == (None, other, okx.FlattenState.SUPERSEDED, None)


def test_a_predicate_that_fails_at_a_whole_record_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        Selection(None, lambda _: 1 / 0).first(Reading(0.0, [position(**FULL)]))


def test_in_a_flatten_the_plain_ones_are_closed_and_the_odd_one_is_told(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.odd_records.append({**RECORD, "instId": ETH, "pos": ""})
        world.exchange.open_position(BTC, 3)
        report = await client.flatten(where=PREDICATES["pos"], deadline=3.0)
        assert len(world.closes(BTC)) == len(world.closes()) == 1
        return report

    report = happen(story)
    states = {row.position.inst_id: row.state for row in report.rows}
    assert (report.flat, states) == (False, {BTC: okx.FlattenState.CLOSED, ETH: okx.FlattenState.UNKNOWN})
    assert report.seconds < 1.0


def test_where_the_number_is_there_later_the_predicate_decides(happen: Happen) -> None:
    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        opened = world.exchange.open_position(BTC, 3)
        world.exchange.open_position(ETH, 3)
        await asyncio.sleep(1.0)
        odd = {**RECORD, "instId": BTC, "posId": opened.pos_id, "cTime": str(opened.c_time), "pos": ""}
        world.exchange.inject(path=POSITIONS, body=json.dumps({"code": "0", "msg": "", "data": [odd]}), times=1)
        return await client.flatten([BTC], where=PREDICATES["pos"], deadline=5.0)

    report = happen(story)
    assert [(row.position.inst_id, row.state) for row in report.rows] == [(BTC, okx.FlattenState.CLOSED)]
    assert report.flat


@pytest.mark.parametrize("fails", [True, False])
def test_what_a_late_reading_lists_is_closed_only_if_the_predicate_says_so(happen: Happen, *, fails: bool) -> None:
    def where(_: okx.Position) -> bool:
        return 1 / (0 if fails else 1) > 0

    async def story(world: World, client: okx.Client) -> okx.FlattenReport:
        world.exchange.inject(path=POSITIONS, body='{"code":"0","msg":"","data":[]}')  # of a copy that lags
        world.exchange.open_position(BTC, 3)
        return await client.flatten(where=where, deadline=3.0)

    report = happen(story)
    assert [(row.position.inst_id, bool(row.attempts)) for row in report.rows] == [(BTC, not fails)]
    assert report.flat is not fails
