"""How long closes took, between two readings."""

from math import inf
from typing import Any

import pytest

from okx_async.rehearsal.recording.delays import (
    Delay,
    arrival,
    covers,
    delays,
    history_delays,
    opening_delays,
    range_of,
)
from okx_async.rehearsal.recording.entry import Entry

SWAP = "BTC-USDT-SWAP"


def post(at: float, code: str = "0", path: str = "trade/close-position", took: float = 0.0, **params: Any) -> Entry:
    sent = {"json": {"instId": SWAP, "mgnMode": "cross", **params}}
    answer = {"json": {"code": code, "data": [], "msg": ""}}
    return Entry(
        trial="t", at=at, took=took, method="POST", path=f"/api/v5/{path}", status=200, sent=sent, answer=answer
    )


def read(at: float, pos: str = "", query: str = "", mode: str = "cross", code: str = "0") -> Entry:
    data = [{"instId": SWAP, "mgnMode": mode, "posSide": "net", "pos": pos}] if pos else []
    answer = {"json": {"code": code, "data": data, "msg": ""}}
    return Entry(
        trial="t", at=at, took=0, method="GET", path=f"/api/v5/account/positions{query}", status=200, answer=answer
    )


def of(*entries: Entry) -> Delay:
    return delays(entries)[0]


def test_a_request_arrives_in_the_middle_of_its_round_trip() -> None:
    assert arrival(post(1.0, took=0.5)) == 1.25


def test_between_the_last_reading_with_it_and_the_next() -> None:
    assert of(post(0.0), read(0.1, "3"), read(0.3, "3"), read(0.5), read(0.7)) == Delay(0.3, 0.5)
    assert of(post(0.0), read(0.5, "0")) == Delay(0.0, 0.5)
    assert of(post(0.0), read(0.5, "3")) == Delay(0.5, inf)
    assert Delay(0.5, inf).likely == 0.5
    assert Delay(0.2, 0.4).likely == pytest.approx(0.3)


def test_what_tells_nothing_of_it() -> None:
    assert of(post(0.0), read(0.5, "3", mode="isolated"), read(0.6)) == Delay(0.0, 0.5)
    assert of(post(0.0), read(0.5, code="50011"), read(0.6)) == Delay(0.0, 0.6)
    assert of(post(0.0), read(0.5, query="?instId=ETH-USDT-SWAP"), read(0.6)) == Delay(0.0, 0.6)
    assert of(post(0.0), post(0.2, path="trade/order"), read(0.6)) == Delay(0.0, inf)  # it may be a new one
    assert delays([post(0.0, "51023"), read(0.5)]) == {}


def test_a_close_in_progress_tells_of_it() -> None:
    assert of(post(0.0), post(0.25, "51032"), read(0.5)) == Delay(0.25, 0.5)
    beside = [post(0.0, "51032", took=0.1), post(0.05, took=0.1), read(0.5)]
    assert delays(beside)[1].least > 0


def test_which_instruments_a_reading_covers() -> None:
    assert covers(read(0.0), SWAP)
    assert covers(read(0.0, query=f"?instId=A-USDT-SWAP%2C{SWAP}"), SWAP)
    assert not covers(read(0.0, query="?instId=A-USDT-SWAP"), SWAP)


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ([], None),
        ([(0.0, 0.3)], None),
        ([(0.1, inf)], None),
        ([(0.1, 0.3), (0.0, 0.2)], pytest.approx(0.15)),
        ([(0.1, 0.3), (0.5, 0.7)], (pytest.approx(0.299), pytest.approx(0.501))),
    ],
)
def test_the_narrowest_range_that_explains_all(bounds: list[tuple[float, float]], expected: Any) -> None:
    assert range_of([Delay(*each) for each in bounds]) == expected


def order(at: float, **params: Any) -> Entry:
    return post(at, path="trade/order", **{"mgnMode": None, "tdMode": "cross", "ordType": "market", **params})


def test_new_positions_are_listed_between_two_readings() -> None:
    assert opening_delays([order(0.0), read(0.1), read(0.3), read(0.5, "3"), read(0.7)]) == [Delay(0.3, 0.5)]
    assert opening_delays([order(0.0), read(0.1, "3")]) == [Delay(0.0, 0.1)]
    assert opening_delays([order(0.0), read(0.1, "0"), read(0.2)]) == [Delay(0.2, inf)]
    assert opening_delays([order(0.0), read(0.2), post(0.3), read(0.4, "3")]) == [Delay(0.2, inf)]
    assert opening_delays([order(0.0), read(0.2, "3", mode="isolated"), read(0.4, "3")]) == [Delay(0.2, 0.4)]
    unread = [read(0.2, code="50011"), read(0.3, query="?instId=ETH-USDT-SWAP")]
    assert opening_delays([order(0.0), *unread, read(0.4, "3")]) == [Delay(0.0, 0.4)]


@pytest.mark.parametrize(
    "entries",
    [
        [read(0.0, "0"), order(1.0), read(1.5), read(2.0, "3")],  # there was one before
        [order(0.0, ordType="limit"), read(0.5), read(1.0, "3")],
        [post(0.0, "51008", "trade/order", tdMode="cross", ordType="market"), read(0.5)],
        [],
    ],
)
def test_what_tells_nothing_of_new_positions(entries: list[Entry]) -> None:
    assert opening_delays(entries) == []


def history(at: float, *u_times: int, query: str = "?instId=BTC-USDT-SWAP", code: str = "0") -> Entry:
    answer = {"json": {"code": code, "data": [{"uTime": str(u_time)} for u_time in u_times], "msg": ""}}
    path = f"/api/v5/account/positions-history{query}"
    return Entry(trial="t", at=at, took=0, method="GET", path=path, status=200, answer=answer)


def test_the_history_lists_a_period_between_two_answers() -> None:
    started, old, new = 1000.0, 999_000, 1_002_000  # ms; the period ended 2 s after the beginning
    asked = [history(2.1, old), history(2.3, old), history(2.6, new, old), history(9.0, new)]
    (found,) = history_delays(asked, started)
    assert [found.least, found.most] == pytest.approx([0.3, 0.6])
    for other in (history(1.9), history(2.3, query="")):
        (found,) = history_delays([other, history(2.6, new)], started)
        assert [found.least, found.most] == pytest.approx([0.0, 0.6])
    assert history_delays([history(2.1, old), history(2.3, new, code="50011")], started) == []
    assert history_delays([history(1.0, new)], started) == [Delay(0.0, 0.0)]  # two clocks
