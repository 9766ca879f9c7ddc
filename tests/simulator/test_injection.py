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
