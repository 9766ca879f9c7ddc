from decimal import Decimal
from typing import Any

import pytest

from okx_async.simulator.faults.faults import Fault, Faults, RequestTraits
from tests.simulator.conftest import Desk


def fault(**changes: Any) -> Fault:
    return Fault(**{"path": None, **changes})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"code": "50026"}, (500, b'{"code":"50026","data":[],"msg":"System error. Try again later."}')),
        ({"code": "50011", "shape": "bare"}, (429, b'{"msg":"Too Many Requests","code":"50011"}')),
        ({"code": "59999", "message": "new"}, (200, b'{"code":"59999","data":[],"msg":"new"}')),
        (
            {"code": "50013", "status": 200},
            (200, b'{"code":"50013","data":[],"msg":"Systems are busy. Please try again later."}'),
        ),
        ({"body": b"<html>", "status": 502}, (502, b"<html>")),
        ({"body": b""}, (200, b"")),
        ({"status": 503}, (503, b"")),
        ({"disconnect": True}, (0, b"")),
    ],
)
def test_what_is_answered(changes: dict[str, Any], expected: tuple[int, bytes]) -> None:
    assert fault(**changes).answers
    assert fault(**changes).answer() == expected


def test_a_late_or_partly_filled_close_is_answered_as_usual() -> None:
    assert not fault(delay=1.0, fill=Decimal("0.5")).answers


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"executed": True, "counted": False}, "not counted"),
        ({"if_done": True}, "if_done"),
        ({"skew": 1.0}, "skew"),
        ({"skew": 1.0, "counted": False, "code": "50001"}, "skew"),
        ({"pause": 1.0}, "takes the usual one's place"),
        ({"padding": 1}, "takes the usual one's place"),
        ({"headers": {"A": "b"}}, "takes the usual one's place"),
        ({"cut": 0}, "takes the usual one's place"),
        ({"fill": Decimal("1.1")}, "fill"),
        ({"fill": Decimal(-1)}, "fill"),
        ({"times": 0}, "times"),
    ],
)
def test_what_cannot_be(changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        fault(**changes)


def test_faults_strike_in_turn_as_often_as_they_are_told() -> None:
    faults = Faults()
    first, second, always = fault(name="1", times=2), fault(name="2", after=1), fault(name="3", times=None)
    for each in (first, second, always):
        faults.add(each)
    assert [faults.take(RequestTraits("/"), counted=True) for _ in range(5)] == [first, first, always, second, always]


@pytest.mark.parametrize(
    ("changes", "strikes"),
    [
        ({}, True),
        ({"path": "/a"}, True),
        ({"path": "/b"}, False),
        ({"inst_id": "X"}, True),
        ({"inst_id": "Y"}, False),
        ({"user_id": "1"}, True),
        ({"user_id": "2"}, False),
        ({"cl_ord_id": "c1"}, True),
        ({"cl_ord_id": "c2"}, False),
        ({"counted": False}, False),
        ({"skew": 1.0, "counted": False}, False),
    ],
)
def test_what_matches(changes: dict[str, Any], *, strikes: bool) -> None:
    faults = Faults()
    faults.add(fault(**changes))
    assert (faults.take(RequestTraits("/a", "1", "X", "c1"), counted=True) is not None) is strikes


def test_cleared_faults_do_not_strike() -> None:
    faults = Faults()
    faults.add(fault())
    faults.clear()
    assert faults.take(RequestTraits("/"), counted=True) is None


def test_skews_strike_together_and_as_often_as_they_are_told() -> None:
    faults = Faults()
    for changes in ({"skew": 5.0, "times": 2}, {"skew": -1.0, "after": 1, "times": None}, {"skew": 9.0, "path": "/b"}):
        faults.add(fault(counted=False, **changes))
    struck = [[fault.skew for fault in faults.skews(RequestTraits("/a"))] for _ in range(4)]
    assert struck == [[5.0], [5.0, -1.0], [-1.0], [-1.0]]
    assert faults.take(RequestTraits("/a"), counted=False) is None


# --- struck ---


@pytest.mark.parametrize(("executed", "left"), [(True, {}), (False, {"BTC-USDT-SWAP/cross/net": "3"})])
def test_a_lost_answer_may_or_may_not_have_been_executed(desk: Desk, left: dict[str, str], *, executed: bool) -> None:
    desk.exchange.open_position("BTC-USDT-SWAP", 3)
    desk.exchange.inject(code="50004", executed=executed)
    reply = desk.close()
    assert (reply.status, reply.code) == (400, "50004")
    row = desk.exchange.journal[-1]
    assert (row.code, row.executed, row.fault) == ("50004", executed, "50004")
    assert row.key == (desk.exchange.user_id, "BTC-USDT-SWAP")
    assert desk.pos() == left


def test_nothing_to_execute_is_not_executed(desk: Desk) -> None:
    desk.exchange.list_instrument("BTC-USDT-SWAP")
    desk.exchange.inject(code="50026", executed=True)
    assert desk.close().code == "50026"
    assert not desk.exchange.journal[-1].executed


def test_an_acceptance_is_answered_only_where_there_was_something_to_execute(desk: Desk) -> None:
    desk.exchange.inject("accepted without data", times=2)
    assert desk.close().code == "51023"
    desk.exchange.open_position("BTC-USDT-SWAP", 3)
    assert desk.close().body == {"code": "0", "data": [], "msg": ""}
    assert [row.executed for row in desk.exchange.journal] == [False, True]


def test_an_uncounted_fault_comes_before_everything(desk: Desk) -> None:
    desk.exchange.inject(
        counted=False, status=502, body="<html>Bad Gateway</html>", content_type="text/html", path=None
    )
    reply = desk.get("nowhere", OK_ACCESS_KEY="")
    assert (reply.status, reply.raw) == (502, b"<html>Bad Gateway</html>")
    row = desk.exchange.journal[-1]
    assert (row.key, row.uid, row.code, row.status, row.fault) == (None, "", "", 502, "fault")


def test_a_counted_fault_waits_for_a_request_that_gets_as_far(desk: Desk) -> None:
    fault = desk.exchange.inject(code="50026")
    assert desk.post(b"{}", OK_ACCESS_SIGN="wrong").code == "50113"
    for _ in range(20):
        desk.exchange.inject(code="51001")
    codes = [desk.close().code for _ in range(21)]
    assert codes == ["50026"] + 19 * ["51001"] + ["50011"]
    assert fault.times == 0
    assert [row.fault for row in desk.exchange.rejections] == [""]


def test_an_injected_refusal_for_rate_is_not_the_count_s(desk: Desk) -> None:
    desk.exchange.inject(code="50011")
    assert desk.close().code == "50011"
    assert desk.exchange.rejections == []


def test_a_close_fills_in_part_under_the_usual_answer(desk: Desk) -> None:
    desk.exchange.open_position("BTC-USDT-SWAP", 4)
    desk.exchange.inject(fill=0.25, name="thin book")
    assert desk.close().code == "0"
    assert desk.exchange.journal[-1].fault == "thin book"
    assert desk.pos() == {"BTC-USDT-SWAP/cross/net": "3"}
    assert desk.close().code == "0"
    assert desk.pos() == {}


def test_a_fault_of_another_endpoint(desk: Desk) -> None:
    desk.exchange.inject(path="/api/v5/account/positions", body='{"code":"0","data":[],"msg":""}')
    desk.exchange.open_position("BTC-USDT-SWAP", 3)
    assert desk.pos() == {}
    assert desk.pos() == {"BTC-USDT-SWAP/cross/net": "3"}


@pytest.mark.parametrize("counted", [True, False])
def test_a_late_answer_is_the_usual_one(desk: Desk, *, counted: bool) -> None:
    desk.exchange.inject(delay=3.0, counted=counted)
    reply = desk.close()
    assert (reply.code, reply.delay) == ("51023", 3.0)
    assert desk.exchange.journal[-1].fault == "fault"
    assert desk.close().delay == 0.0


@pytest.mark.parametrize("match", [{"inst_id": "ETH-USDT-SWAP"}, {"cl_ord_id": "c2"}, {"user_id": "4711"}])
@pytest.mark.parametrize("counted", [True, False])
def test_one_request_is_meant_and_others_pass(desk: Desk, match: dict[str, Any], *, counted: bool) -> None:
    other = desk.exchange.add_account(user_id="4711").credentials
    desk.exchange.inject(status=503, body="<html>", counted=counted, **match)
    assert desk.close(clOrdId="c1").code == "51023"
    assert desk.post(b"[]").code == "50002"
    mine, desk.credentials = desk.credentials, other if "user_id" in match else desk.credentials
    assert desk.close("ETH-USDT-SWAP", clOrdId="c2").status == 503
    desk.credentials = mine
    assert desk.close("ETH-USDT-SWAP", clOrdId="c2").code == "51023"


def test_a_skew_moves_the_server_s_clock_for_some_requests(desk: Desk) -> None:
    desk.exchange.inject(skew=31.0, counted=False)
    desk.exchange.inject(skew=-4.0, counted=False, path="/api/v5/public/time")
    assert [desk.close().code for _ in range(2)] == ["50102", "51023"]
    assert [row.fault for row in desk.exchange.journal] == ["fault", ""]
    told = [desk.get("public/time").data[0]["ts"] for _ in range(2)]
    assert told == ["1768519668000", "1768519672000"]


@pytest.mark.parametrize("changes", [{"code": "50001"}, {"counted": False}], ids=["counted", "no answer"])
def test_only_what_is_answered_before_the_count_can_be_forwarded(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="forwarded"):
        fault(forwarded=1.0, **changes)
