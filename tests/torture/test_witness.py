import time
from asyncio import CancelledError
from contextlib import suppress
from math import isnan
from typing import Any

import okx_async as okx
from okx_async.simulator import JournalRow
from okx_async.simulator.http.messages import Answer, Request
from okx_async.torture.witness import (
    Address,
    PositionsAnswer,
    TimedClock,
    Witness,
    address_of,
    address_of_request,
    is_open,
    listed_position,
)


def record(**changes: Any) -> dict[str, Any]:
    plain = {"instId": "F0-USDT-SWAP", "mgnMode": "cross", "posSide": "net", "ccy": "USDT", "pos": "3", "posCcy": ""}
    return {**plain, "posId": "7", "cTime": "1000", "uTime": "1001", **changes}


def row(path: str, *, executed: bool = False) -> JournalRow:
    return JournalRow(5.0, "123", None, "POST", path, "0", 200, executed, "", "e1")


def request(path: str, body: bytes = b"") -> Request:
    return Request("POST", path, {"OK-ACCESS-KEY": "key"}, body, "")


def test_a_pair_is_named_by_its_currency_where_a_close_of_it_is() -> None:
    swap = Address("F0-USDT-SWAP", "cross", "net", "")
    assert address_of(record()) == swap == address_of_request(okx.ClosePosition("F0-USDT-SWAP", "cross"))
    assert address_of(record(instId="F0-USDT")).ccy == "USDT"
    assert address_of(record(instId="F0-USDT", mgnMode="isolated")).ccy == ""
    assert address_of_request(okx.ClosePosition("F0-USDT", "cross", ccy="USDT")).ccy == "USDT"


def test_which_position_it_is() -> None:
    view = listed_position(record())
    assert view.identity == ("7", "1000", "long") == listed_position(record(pos="9", uTime="2000")).identity
    assert listed_position(record(pos="-3")).side == "short" == listed_position(record(posSide="short")).side
    assert listed_position(record(instId="F0-USDT", posCcy="F0")).side == "F0"
    assert listed_position(record(cTime="1002")).identity != view.identity
    assert [is_open(record(pos=pos)) for pos in ("0", "", "-0.5")] == [False, False, True]


def test_an_answer_is_read_word_for_word() -> None:
    body = b'{"code":"0","data":[{"instId":"A","pos":"0"},{"instId":"B","pos":"1"}],"msg":""}'
    told = PositionsAnswer(1.0, "key", "instId=A,B", body)
    assert told.inst_ids == frozenset({"A", "B"})
    assert [one["instId"] for one in told.listing or ()] == ["B"]
    assert (told.covers("A"), told.covers("C"), PositionsAnswer(1.0, "key", "", b"").covers("C")) == (True, False, True)
    for other in (b"", b"[]", b'{"code":"50011","data":[]}', b'{"code":"0","data":{}}'):
        assert PositionsAnswer(1.0, "key", "", other).listing is None


def test_the_witness_keeps_readings_and_closes_that_were_executed() -> None:
    witness = Witness(lambda: 7.0)
    positions, close = "/api/v5/account/positions", "/api/v5/trade/close-position"
    body = b'{"instId":"F0-USDT-SWAP","mgnMode":"cross","clOrdId":"e1"}'
    witness.observe(request(f"{positions}?instId=A"), Answer(200, b"{}", "0"), row(positions))
    witness.observe(request(positions), Answer(200, b"{}", "0", cut=3), row(positions))
    witness.observe(request(positions), Answer(503, b"{}", ""), row(positions))
    witness.observe(request(close, body), Answer(200, b"{}", "0"), row(close, executed=True))
    witness.observe(request(close, body), Answer(200, b"{}", "51023"), row(close))
    assert [(told.at, told.query, told.body) for told in witness.answers] == [
        (7.0, "instId=A", b"{}"),
        *((7.0, "", b""),) * 2,  # cut, and no answer of the exchange's: no list in any case
    ]
    asked = witness.executed[0]
    assert len(witness.executed) == 1
    assert (asked.at, asked.counted, asked.address, asked.name) == (
        7.0,
        5.0,
        Address("F0-USDT-SWAP", "cross", "net", ""),
        "e1",
    )


def test_a_clock_keeps_when_it_told_which_time() -> None:
    times = iter((10.0, 11.0, 11.0, 12.0, 12.0))
    clock = TimedClock(lambda: next(times), start=500.0)
    told = [clock(), clock()]
    assert [clock.moment(value) for value in told] == [11.0, 12.0]


def test_a_clock_that_fails_knows_when_the_machine_was_asked_instead() -> None:
    now = 10.0
    clock = TimedClock(lambda: now, start=500.0)
    stamps = []
    for failure in (ValueError, float("nan"), CancelledError):
        now += 1.0
        clock.fail(failure)
        with suppress(ValueError, CancelledError):
            assert isnan(clock())
        stamps.append(time.time())
        time.sleep(0.001)  # a stamp of its own
    clock.fail(None)
    assert clock() == 503.0
    assert [clock.moment(stamp) for stamp in stamps] == [11.0, 12.0, 13.0]


def test_an_acceptance_is_heard_whole_and_once() -> None:
    times = iter((1.0, 2.0, 3.0))
    witness = Witness(lambda: next(times))
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"
    item = b'{"clOrdId":"c1","instId":"S0-USDT-SWAP","posSide":"net","tag":""}'
    accepted = head + b'{"code":"0","data":[%s],"msg":""}' % item
    for data in (
        accepted[:-20],
        accepted[:-1],
        accepted.replace(b'"0"', b'"51000"'),
        accepted.replace(b"200", b"500"),
        head + b'{"code":"0","data":[],"msg":""}',
        b"x" * 5000,
    ):
        witness.hear(data)
    assert witness.accepted == {}
    witness.hear(accepted + accepted)
    witness.hear(accepted)
    assert witness.accepted == {"c1": 1.0}
