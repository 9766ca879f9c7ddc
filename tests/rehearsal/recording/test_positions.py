"""Readings of positions, recorded and simulated."""

from typing import Any

import pytest

from okx_async.rehearsal.recording.compare import Simulated
from okx_async.rehearsal.recording.entry import Entry
from okx_async.rehearsal.recording.positions import compare_history, compare_positions
from okx_async.rehearsal.recording.relations import Relations

SWAP = "BTC-USDT-SWAP"


def row(pos: str = "3", pos_id: str = "7", c_time: str = "100", inst_id: str = SWAP, **more: str) -> dict[str, str]:
    return {
        "instId": inst_id,
        "mgnMode": "cross",
        "posSide": "net",
        "pos": pos,
        "posId": pos_id,
        "cTime": c_time,
        "uTime": "200",
        **more,
    }


def reading(rows: list[Any], query: str = "", path: str = "account/positions") -> Entry:
    answer = {"json": {"code": "0", "data": rows, "msg": ""}}
    return Entry(trial="t", at=0, took=0, method="GET", path=f"/api/v5/{path}{query}", status=200, answer=answer)


def found(
    rows: list[Any], others: list[Any], *, query: str = "", act: str = "", relations: Relations | None = None
) -> list[tuple[str, str, str, str]]:
    simulated = Simulated(200, {"code": "0", "data": others, "msg": ""})
    seen = compare_positions(reading(rows, query), simulated, relations or Relations(), {SWAP: act})
    return [(str(each.kind), each.recorded, each.simulated, each.owner) for each in seen]


def test_equal_readings() -> None:
    assert found([row()], [row(pos_id="8", c_time="900")]) == []
    assert found([], []) == []


@pytest.mark.parametrize(
    ("act", "kind", "owner"),
    [
        ("close", "timing", "accepted-close-goes-flat"),
        ("order", "timing", "filled-order-is-listed-at-once"),
        ("", "value", ""),
    ],
)
def test_listed_as_open_on_one_side(act: str, kind: str, owner: str) -> None:
    assert found([row()], [], act=act) == [(kind, "open", "not listed", owner)]
    assert found([row("0")], [row()], act=act) == [(kind, "listed flat", "open", owner)]


@pytest.mark.parametrize(
    ("query", "owner"), [(f"?instId={SWAP}", "flat-is-listed-by-name"), ("", "flat-is-left-out-of-the-whole-list")]
)
def test_listed_flat_on_one_side(query: str, owner: str) -> None:
    assert found([], [row("0")], query=query, act="close") == [("value", "not listed", "listed flat", owner)]


def test_another_size() -> None:
    assert found([row("3")], [row("2")]) == [("value", "3", "2", "")]
    assert found([row("3.0")], [row("3")]) == []


def test_another_order() -> None:
    two = [row(), row(inst_id="ETH-USDT-SWAP")]
    assert [each[0] for each in found(two, two[::-1])] == ["order"]


def test_ids_that_stay_on_one_side_only() -> None:
    relations = Relations()
    assert found([row()], [row(pos_id="8", c_time="900")], relations=relations) == []
    changed = found([row(pos_id="9", c_time="100")], [row(pos_id="8", c_time="901")], relations=relations)
    assert changed == [
        ("value", "another one", "as before", "pos-id-outlives-a-close"),
        ("value", "as before", "another one", "c-time-is-new-after-reopening"),
    ]


def test_a_turn_is_a_matter_of_its_own() -> None:
    relations = Relations()
    found([row("3")], [row("3")], relations=relations)
    turned = found([row("-3")], [row("-3", c_time="500")], relations=relations)
    assert turned == [("value", "as before", "another one", "c-time-is-new-after-a-turn")]


def test_records_of_different_times_are_not_related() -> None:
    relations = Relations()
    found([row()], [row("0", c_time="50")], act="close", relations=relations)
    assert found([row()], [row(c_time="900")], relations=relations) == []


def test_the_latest_period_of_the_history() -> None:
    def seen(rows: list[Any], others: list[Any], relations: Relations) -> list[tuple[str, str]]:
        recorded = reading(rows, path="account/positions-history")
        simulated = Simulated(200, {"code": "0", "data": others, "msg": ""})
        return [(each.recorded, each.simulated) for each in compare_history(recorded, simulated, relations, 150)]

    relations = Relations()
    found([row()], [row(c_time="900")], relations=relations)
    assert seen([row()], [row(c_time="900")], relations) == []
    assert seen([row(uTime="100")], [row(c_time="900")], relations) == [("none", "a period")]  # before the recording
    assert seen([row()], [row(c_time="901")], relations) == [("as before", "another one")]
    assert seen([row()], [], relations) == [("a period", "none")]


@pytest.mark.parametrize("odd", [{}, {"pos": "x"}, {"pos": "NaN"}, {"instId": [], "posId": {}, "cTime": 5, "pos": "1"}])
def test_odd_records_of_a_stranger_s_recording(odd: Any) -> None:
    found([odd], [row()], act="close")
    list(compare_history(reading([odd]), Simulated(200, None), Relations(), 0))
