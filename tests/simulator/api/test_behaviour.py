"""The settings: what each changes, and which values are refused."""

from collections.abc import Callable
from dataclasses import fields
from math import inf, nan
from typing import Any, get_type_hints

import pytest

from okx_async.simulator import SimulatedExchange
from okx_async.simulator.api.behaviour import AUTH_CHECKS, CLOSE_CHECKS, Behaviour, Refusal, Settings
from okx_async.simulator.api.closing import _CHECKS
from tests.simulator.conftest import Desk

SWAP = "BTC-USDT-SWAP"
OPTIONS = ("BTC-USD-260327-60000-C", "BTC-USD-260327-60000-P")
UNKNOWN_KEY = "0f4b2c5e-1111-4222-8333-444455556666"


def test_the_names_for_keyword_arguments_are_the_fields() -> None:
    assert get_type_hints(Settings) == get_type_hints(Behaviour)
    assert list(Settings.__annotations__) == [each.name for each in fields(Behaviour)]


def test_an_exchange_shows_its_settings() -> None:
    assert SimulatedExchange().behaviour == Behaviour()
    assert SimulatedExchange(window="fixed").behaviour == Behaviour(window="fixed")


@pytest.mark.parametrize(
    ("setting", "error"),
    [
        ({"unheard_of": 1}, TypeError),
        ({"window": "round"}, ValueError),
        ({"window": ["sliding"]}, ValueError),
        *(({name: value}, TypeError) for name in ("rate_first", "form_first") for value in (1, "true", None)),
        *(({name: value}, TypeError) for name in ("fill_delay", "positions_lag") for value in ("1", True, (1, "2"))),
        *(({name: value}, ValueError) for name in ("fill_delay", "positions_lag") for value in (-1, nan, (2, 1))),
        ({"positions_lag": inf}, ValueError),
        *(({name: value}, ValueError) for name in ("max_age", "keepalive") for value in (0, -1, inf, nan, "1", True)),
        *(({"max_head": value}, ValueError) for value in (0, 1e6, True, "4096")),
        *(({"answer_head": value}, ValueError) for value in (-1, 1e3, True, 65_537)),
        *(({"history_lag": value}, ValueError) for value in (-1, inf, "1", True)),
        *(({"lists_flat": value}, ValueError) for value in ("sometimes", True)),
        *(({"pos_side_echo": value}, ValueError) for value in ("both", None)),
        *(({"limits": value}, ValueError) for value in ({"trade/order": 0}, {"trade/order": 1.5}, {1: 1})),
        *(({"refusals": value}, TypeError) for value in ({"no position": "51023"}, {1: Refusal("51023")})),
        ({"close_checks": CLOSE_CHECKS[1:]}, ValueError),
        ({"close_checks": [*CLOSE_CHECKS]}, ValueError),
        ({"close_checks": (*CLOSE_CHECKS[:-1], "instId")}, ValueError),
        ({"auth_checks": ("signature", *AUTH_CHECKS[:-1])}, ValueError),
    ],
    ids=str,
)
def test_values_that_cannot_be(setting: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(setting))):
        Behaviour(**setting)


@pytest.mark.parametrize(
    "wrong", [("",), ("510 23",), (51023,), ("51023", 99), ("51023", True), ("51023", 200, "round")], ids=str
)
def test_refusals_that_cannot_be(wrong: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match=r"code|status|shape"):
        Refusal(*wrong)


def test_a_limit_of_an_endpoint(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(limits={"trade/close-position": 2})
    assert [desk.close().code for _ in range(3)] == ["51023", "51023", "50011"]
    assert [desk.get("account/positions").code for _ in range(11)] == 10 * ["0"] + ["50011"]


@pytest.mark.parametrize("by_family", [True, False])
def test_options_by_family_or_each_for_itself(open_desk: Callable[..., Desk], *, by_family: bool) -> None:
    desk = open_desk(options_by_family=by_family, limits={"trade/close-position": 1, "trade/order": 1})
    for inst_id in OPTIONS:
        desk.exchange.list_instrument(inst_id)
    assert [desk.close(inst_id).code for inst_id in OPTIONS] == ["51023", "50011" if by_family else "51023"]
    looked_up = [desk.get(f"trade/order?instId={inst_id}&ordId=1").code for inst_id in OPTIONS]
    assert looked_up == ["51603", "50011" if by_family else "51603"]


def test_the_order_of_the_checks_of_authentication(open_desk: Callable[..., Desk]) -> None:
    order = ("headers", "key", "signature", "ip", "passphrase", "environment", "timestamp")
    desk = open_desk(auth_checks=order)
    wrong = {"OK_ACCESS_PASSPHRASE": "wrong", "x_simulated_trading": "1"}
    assert desk.post(b"{}", skew=-31.0, **wrong, OK_ACCESS_KEY=UNKNOWN_KEY, OK_ACCESS_SIGN="wrong").code == "50119"
    assert desk.post(b"{}", skew=-31.0, **wrong, OK_ACCESS_SIGN="wrong").code == "50113"
    assert desk.post(b"{}", skew=-31.0, **wrong).code == "50105"
    assert desk.post(b"{}", skew=-31.0, x_simulated_trading="1").code == "50101"
    assert desk.post(b"{}", skew=-31.0).code == "50102"
    assert desk.post(b"{}").code == "50014"


HEADERS = {"key": "50103", "timestamp": "50107", "passphrase": "50104", "signature": "50106"}


def test_headers_may_be_missed_by_the_check_that_needs_each(open_desk: Callable[..., Desk]) -> None:
    order = ("key", "timestamp", "environment", "passphrase", "ip", "signature", "headers")
    desk = open_desk(auth_checks=order)
    missing: dict[str, Any] = {}
    for check in ("signature", "passphrase", "timestamp", "key"):
        missing[f"OK_ACCESS_{'SIGN' if check == 'signature' else check.upper()}"] = ""
        assert desk.post(b"{}", **missing).code == HEADERS[check]
    first = open_desk(auth_checks=("key", "signature", *(one for one in order if one not in {"key", "signature"})))
    assert first.post(b"{}", OK_ACCESS_TIMESTAMP="").code == "50107"
    assert first.post(b"{}", OK_ACCESS_PASSPHRASE="", OK_ACCESS_SIGN="wrong").code == "50113"


def test_each_check_of_a_close_has_its_function() -> None:
    assert tuple(_CHECKS) == CLOSE_CHECKS


WRONG = {  # what each check refuses
    "instId": ({"inst_id": ""}, "50014"),
    "mgnMode": ({"mgn_mode": "both"}, "51000"),
    "ids": ({"tag": "a-b"}, "51000"),
    "autoCxl": ({"autoCxl": "yes"}, "51000"),
    "instrument": ({"inst_id": "NONE-USDT-SWAP"}, "51001"),
    "posSide": ({"posSide": "long"}, "51000"),
    "position": ({}, "51023"),
}


@pytest.mark.parametrize("first", WRONG)
@pytest.mark.parametrize("second", WRONG)
def test_the_order_of_the_checks_of_a_close(open_desk: Callable[..., Desk], first: str, second: str) -> None:
    if first == second or {first, second} in ({"instId", "instrument"}, {"instId", "posSide"}):
        return  # without an id there is nothing to look up
    rest = [name for name in CLOSE_CHECKS if name not in {first, second}]
    desk = open_desk(close_checks=(first, second, *rest))
    assert desk.close(**(WRONG[first][0] | WRONG[second][0])).code == WRONG[first][1]


def test_pending_orders_may_be_looked_at_before_a_running_close(open_desk: Callable[..., Desk]) -> None:
    rest = tuple(name for name in CLOSE_CHECKS if name != "orders")
    for order, code in ((CLOSE_CHECKS, "51032"), (("orders", *rest), "51115")):
        desk = open_desk(close_checks=order, fill_delay=9.0)
        desk.exchange.open_position(SWAP, 3)
        assert desk.close().code == "0"
        desk.exchange.add_pending_order(SWAP)
        assert desk.close().code == code


@pytest.mark.parametrize(("side", "found"), [("net", True), ("short", False)])
def test_pending_orders_may_be_looked_at_before_the_position(
    open_desk: Callable[..., Desk], side: str, *, found: bool
) -> None:
    rest = tuple(name for name in CLOSE_CHECKS if name != "orders")
    for order, code in ((CLOSE_CHECKS, "51023"), (("orders", *rest), "51115" if found else "51023")):
        desk = open_desk(close_checks=order, pos_mode="net_mode" if found else "long_short_mode")
        desk.exchange.open_position(SWAP, 3, pos_side="net" if found else "long")
        desk.exchange.add_pending_order(SWAP, pos_side="net" if found else "long")
        assert desk.close(mgn_mode="isolated", **({} if found else {"posSide": side})).code == code


def test_how_old_a_timestamp_may_be(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(max_age=5.0)
    assert [desk.post(b"{}", skew=skew).code for skew in (5.0, 5.001, -5.001)] == ["50014", "50102", "50102"]


@pytest.mark.parametrize("echo", ["net", "long", ""])
def test_the_side_in_the_answer(open_desk: Callable[..., Desk], echo: str) -> None:
    desk = open_desk(pos_side_echo=echo)
    for given, said in ((None, echo), ("net", "net")):
        desk.exchange.open_position(SWAP, 3)
        assert desk.close(posSide=given).data[0]["posSide"] == said


def test_a_close_may_leave_its_order_without_the_client_s_id(open_desk: Callable[..., Desk]) -> None:
    for kept, code in ((True, "0"), (False, "51603")):
        desk = open_desk(cl_ord_id_kept=kept)
        desk.exchange.open_position(SWAP, 3)
        desk.close(clOrdId="c1")
        assert desk.get(f"trade/order?instId={SWAP}&clOrdId=c1").code == code


def test_a_client_s_id_may_be_refused_the_second_time(open_desk: Callable[..., Desk]) -> None:
    for reusable, code in ((True, "0"), (False, "51016")):
        desk = open_desk(cl_ord_id_reusable=reusable)
        for expected in ("0", code):
            desk.exchange.open_position(SWAP, 3)
            assert desk.close(clOrdId="c1").code == expected
        assert desk.close(clOrdId="c2").code == ("51023" if reusable else "0")


@pytest.mark.parametrize(
    ("lists_flat", "named", "unnamed"), [("named", True, False), ("never", False, False), ("always", True, True)]
)
def test_flat_positions_may_be_left_out(
    open_desk: Callable[..., Desk], lists_flat: str, *, named: bool, unnamed: bool
) -> None:
    desk = open_desk(lists_flat=lists_flat)
    desk.exchange.open_position(SWAP, 3)
    desk.close()
    assert [bool(desk.pos(query)) for query in (f"?instId={SWAP}", "")] == [named, unnamed]


def test_a_new_position_may_be_listed_late(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(opening_lag=1.0, positions_lag=3.0)
    desk.exchange.open_position(SWAP, 3)
    assert desk.pos(f"?instId={SWAP}") == {}  # not even a flat one
    desk.advance(1.0)
    assert desk.pos() == {f"{SWAP}/cross/net": "3"}


def test_the_history_may_lag(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(history_lag=2.0)
    desk.exchange.open_position(SWAP, 3)
    desk.close()
    for wait, rows in ((1.9, 0), (0.2, 1)):
        desk.advance(wait)
        assert len(desk.get("account/positions-history").data) == rows


@pytest.mark.parametrize(("absent", "code"), [(True, "51023"), (False, "51000")])
def test_empty_parameters(open_desk: Callable[..., Desk], code: str, *, absent: bool) -> None:
    desk = open_desk(empty_is_absent=absent)
    assert [desk.close(tag="").code, desk.close(ccy="").code, desk.close(autoCxl="").code] == [code, code, code]
    assert desk.close().code == "51023"


def test_refusals_of_orders_have_other_codes_too(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(refusals={"order gone": Refusal("51410")})
    reply = desk.post(b'[{"instId":"BTC-USDT-SWAP","ordId":"1"}]', "/api/v5/trade/cancel-batch-orders")
    assert (reply.code, reply.data[0]["sCode"]) == ("1", "51410")


@pytest.mark.parametrize("keeps_c_time", [True, False])
@pytest.mark.parametrize("keeps_pos_id", [True, False])
@pytest.mark.parametrize("by_order", [True, False])
def test_what_a_reopening_keeps(
    open_desk: Callable[..., Desk], *, keeps_c_time: bool, keeps_pos_id: bool, by_order: bool
) -> None:
    desk = open_desk(reopen_keeps_c_time=keeps_c_time, reopen_keeps_pos_id=keeps_pos_id)
    before = desk.exchange.open_position(SWAP, 3)
    desk.advance(1)
    desk.close()
    desk.advance(1)
    if by_order:
        body = b'{"instId":"BTC-USDT-SWAP","tdMode":"cross","side":"buy","ordType":"market","sz":"3"}'
        assert desk.post(body, "/api/v5/trade/order").code == "0"
    else:
        desk.exchange.open_position(SWAP, 3)
    (after,) = desk.exchange.positions
    assert (after.pos_id == before.pos_id) is keeps_pos_id
    assert (after.c_time == before.c_time) is (keeps_c_time and keeps_pos_id)


def test_a_situation_has_another_code_status_and_shape(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(
        refusals={
            "wrong posSide": Refusal("51025"),
            "closing orders pending": Refusal("51115", 200),
            "no isolated position": Refusal("51043"),
            "limit exceeded": Refusal("50011", 429, "full"),
            "no position": Refusal("51023", shape="item"),
        }
    )
    desk.exchange.open_position(SWAP, 3)
    assert (desk.close(posSide="long").code, desk.close(mgnMode="both").code) == ("51025", "51000")
    desk.exchange.add_pending_order(SWAP)
    blocked = desk.close()
    assert (blocked.status, blocked.code) == (200, "51115")
    assert desk.close(mgnMode="isolated").code == "51043"
    nothing = desk.close("ETH-USDT-SWAP")
    assert (nothing.status, nothing.code, nothing.data[0]["sCode"]) == (200, "1", "51023")
    refused = [desk.get("account/positions") for _ in range(13)][10:]
    assert {(reply.status, reply.raw) for reply in refused} == {
        (429, b'{"code":"50011","data":[],"msg":"Too Many Requests"}')
    }


def test_a_restyled_code_goes_before_a_setting(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(refusals={"no position": Refusal("51043")})
    assert desk.close().code == "51043"
    desk.exchange.restyle("51023", status=404)
    reply = desk.close()
    assert (reply.status, reply.code) == (404, "51023")
