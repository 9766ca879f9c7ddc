from typing import Any

import pytest

from tests.simulator.conftest import Desk


def test_faults_strike_in_turn_and_may_be_forgotten(desk: Desk) -> None:
    for code in ("50001", "50026", "51149"):
        desk.exchange.inject(code=code)
    assert [desk.close().code for _ in range(2)] == ["50001", "50026"]
    desk.exchange.clear_faults()
    assert desk.close().code == "51023"


def test_restyled_refusals(desk: Desk) -> None:
    desk.exchange.restyle("51023", to="51043", shape="item")
    desk.exchange.restyle("51001", shape="suffix")
    reply = desk.close()
    assert reply.status == 200
    assert (reply.code, reply.data[0]["sCode"]) == ("1", "51043")
    assert desk.close("NO-SUCH-SWAP").code == "51001_1000"
    assert [row.code for row in desk.exchange.journal] == ["51043", "51001"]


def test_a_restyled_refusal_for_rate_has_one_form(desk: Desk) -> None:
    desk.exchange.restyle("50011", shape="integer")
    replies = [desk.close() for _ in range(22)][20:]
    assert [(reply.status, reply.code) for reply in replies] == 2 * [(429, 50011)]


def test_a_fault_by_name_with_changes(desk: Desk) -> None:
    desk.exchange.open_position("BTC-USDT-SWAP", 3)
    fault = desk.exchange.inject("HTML 502", executed=True, inst_id="BTC-USDT-SWAP")
    assert fault.name == "HTML 502"
    assert desk.close("ETH-USDT-SWAP").code == "51023"
    assert desk.close().status == 502
    assert desk.pos() == {}


def test_another_program_takes_its_share_of_a_limit(desk: Desk) -> None:
    desk.exchange.crowd(desk.exchange.user_id, "BTC-USDT-SWAP", 12)
    assert [desk.close().code for _ in range(9)] == 8 * ["51023"] + ["50011"]
    assert desk.close("ETH-USDT-SWAP").code == "51023"
    desk.exchange.crowd(desk.exchange.user_id, "BTC-USDT-SWAP", 0)
    desk.advance(2.0)
    assert [desk.close().code for _ in range(21)] == 20 * ["51023"] + ["50011"]
    assert len(desk.exchange.journal) == 31  # what others send is counted and no more


@pytest.mark.parametrize("requests", [-1, 10_001, float("inf"), float("nan")])
def test_more_requests_of_another_program_than_can_be_counted_are_refused(desk: Desk, requests: float) -> None:
    with pytest.raises(ValueError, match="requests must be from 0 to 10000"):
        desk.exchange.crowd(desk.exchange.user_id, "BTC-USDT-SWAP", requests)
    assert desk.close().code == "51023"


def test_a_limit_without_an_account_is_not_crowded(desk: Desk) -> None:
    with pytest.raises(ValueError, match="no account has the user id '1'"):
        desk.exchange.crowd("1", "BTC-USDT-SWAP", 12)


def test_an_account_is_what_add_account_returns(desk: Desk) -> None:
    uid: Any = desk.exchange.user_id
    for act in (desk.exchange.open_position, desk.exchange.reopen):
        with pytest.raises(TypeError, match="account must be an Account, as add_account returns it"):
            act("BTC-USDT-SWAP", 3, account=uid)
