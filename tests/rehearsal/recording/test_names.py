import pytest

from okx_async.rehearsal.recording.names import kind_of


@pytest.mark.parametrize(
    "name", ["uid", "mainUid", "ip", "label", "apiKey", "subAcct", "toAddr", "email", "sign", "name"]
)
def test_fields_of_a_person_or_machine(name: str) -> None:
    assert kind_of(name) == "private"


@pytest.mark.parametrize(
    "name", ["ordId", "clOrdId", "algoId", "algoClOrdId", "posId", "tradeId", "tag", "connId", "attachAlgoOrdId", "id"]
)
def test_fields_of_orders_and_positions(name: str) -> None:
    assert kind_of(name) == "id"


@pytest.mark.parametrize(
    "name",
    ["instId", "instIdCode", "instFamily", "posSide", "code", "msg", "sCode", "cTime", "ts", "avgPx", "adl", "stk"],
)
def test_what_is_kept(name: str) -> None:
    assert kind_of(name) == ""


def test_times_of_the_gateway_are_no_ids() -> None:
    assert kind_of("inTime") == kind_of("outTime") == "time"
