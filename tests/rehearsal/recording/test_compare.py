"""One recorded answer beside a simulated one."""

from typing import Any

import pytest

from okx_async.rehearsal.recording.compare import Simulated, compare
from okx_async.rehearsal.recording.differences import Kind
from okx_async.rehearsal.recording.entry import Entry
from okx_async.rehearsal.recording.relations import Relations

CLOSE = "/api/v5/trade/close-position"
ECHO = {"clOrdId": "", "instId": "BTC-USDT-SWAP", "posSide": "net", "tag": ""}
GOOD = {"code": "0", "data": [ECHO], "msg": ""}


def entry(body: Any, status: int = 200, path: str = CLOSE) -> Entry:
    method = "POST" if path == CLOSE else "GET"
    return Entry(trial="t", at=0, took=0, method=method, path=path, status=status, answer={"json": body})


def found(
    recorded: Any, simulated: Any, status: int = 200, its: int = 200, path: str = CLOSE, **options: Any
) -> list[tuple[str, str, str, str]]:
    seen = compare(entry(recorded, status, path), Simulated(its, simulated), Relations(), **options)
    return [(str(each.kind), each.where, each.recorded, each.simulated) for each in seen]


def test_equal_answers() -> None:
    assert found(GOOD, GOOD) == []


@pytest.mark.parametrize(
    ("recorded", "simulated", "kind", "where"),
    [
        ({"code": "51023", "data": [], "msg": ""}, GOOD, Kind.CODE, "POST trade/close-position"),
        (GOOD, {"code": "1", "data": [{"sCode": "51000"}]}, Kind.CODE, "POST trade/close-position"),
        (GOOD, {**GOOD, "data": [{**ECHO, "posSide": "long"}]}, Kind.VALUE, "POST trade/close-position posSide"),
        ({**GOOD, "inTime": "1"}, GOOD, Kind.FIELDS, "POST trade/close-position 0"),
        (GOOD, {**GOOD, "data": [{**ECHO, "ordId": "1"}]}, Kind.FIELDS, "POST trade/close-position records"),
        (GOOD, {**GOOD, "data": []}, Kind.VALUE, "POST trade/close-position"),
        ({**GOOD, "data": {}}, {**GOOD, "data": []}, Kind.TYPE, "POST trade/close-position 0 data"),
        (
            {**GOOD, "data": [{**ECHO, "tag": "a"}]},
            {**GOOD, "data": [{**ECHO, "tag": 1}]},
            Kind.TYPE,
            "POST trade/close-position records tag",
        ),
    ],
)
def test_each_kind(recorded: Any, simulated: Any, kind: Kind, where: str) -> None:
    seen = found(recorded, simulated)
    assert (str(kind), where) in [each[:2] for each in seen]


def test_statuses() -> None:
    refused = {"code": "51115", "data": [], "msg": ""}
    assert found(refused, refused, 429, 200) == [("status", "POST trade/close-position 51115", "429", "200")]


def test_an_endpoint_that_is_not_simulated() -> None:
    gone = {"code": 404, "data": {}, "msg": "Not Found"}
    path = "/api/v5/market/ticker?instId=X"
    assert found(GOOD, gone, 200, 404, path) == [("endpoint", "GET market/ticker", "has it", "has it not")]
    assert found(gone, gone, 404, 404, path) == []


def test_an_answer_without_a_code() -> None:
    assert found({}, GOOD, 502)[0] == ("code", "POST trade/close-position", "HTTP 502", "code 0")


@pytest.mark.parametrize(
    ("status", "body"), [(429, {"msg": "", "code": "50011"}), (200, {"code": "50011", "data": [], "msg": ""})]
)
def test_either_form_of_a_refusal_for_rate(status: int, body: Any) -> None:
    other = {"code": "50011", "data": [], "msg": ""}
    assert found(body, other, status, 200) == []
    assert bool(found(body, other, status, 200, either_form_of_rate=False)) is (status == 429)


def test_another_form_of_a_refusal_for_rate() -> None:
    seen = found({"code": "50011", "data": [], "msg": ""}, {"msg": "", "code": "50011"}, 429, 429)
    assert [each[0] for each in seen] == ["fields"]


def test_a_close_in_progress_or_ended_is_a_matter_of_time() -> None:
    seen = found({"code": "51032", "data": [], "msg": ""}, {"code": "51023", "data": [], "msg": ""})
    assert seen == [("timing", "POST trade/close-position", "code 51032", "code 51023")]


def test_instruments_are_compared_by_their_ids() -> None:
    path = "/api/v5/public/instruments?instType=SWAP"
    rows = [{"instId": "A-USDT-SWAP", "lotSz": "1"}, {"instId": "B-USDT-SWAP", "lotSz": "1"}]
    others = [{"instId": "B-USDT-SWAP", "lotSz": "2"}, {"instId": "C-USDT-SWAP", "lotSz": "1"}]
    assert found({"code": "0", "data": rows, "msg": ""}, {"code": "0", "data": others, "msg": ""}, path=path) == [
        ("value", "GET public/instruments lotSz", "'1'", "'2'")
    ]


@pytest.mark.parametrize("odd", [None, 1, [], [[]], {"a": {}}, [{"instId": []}], [{"instId": {}, "code": []}]])
def test_odd_data_of_a_stranger_s_recording(odd: Any) -> None:
    for path in (CLOSE, "/api/v5/public/instruments", "/api/v5/account/config"):
        for body in ({"code": "0", "data": odd}, {"code": odd, "data": [{"sCode": odd}]}, odd):
            found(body, GOOD, path=path)
