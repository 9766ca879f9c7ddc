from okx_async.simulator.api.codes import _CODES, Refused
from okx_async.simulator.api.situations import SITUATIONS, situation_of


def test_each_situation_has_its_own_name_and_a_known_code() -> None:
    assert len(set(SITUATIONS.values())) == len(SITUATIONS)
    assert set(SITUATIONS) <= set(_CODES)


def test_a_code_without_a_name_is_its_own() -> None:
    assert situation_of("59999") == Refused("59999").situation == "59999"
    assert Refused("51000", "Parameter posSide error", "wrong posSide").situation == "wrong posSide"
