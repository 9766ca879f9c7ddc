from okx_async.rehearsal.assumptions import BY_ID
from okx_async.rehearsal.recording.differences import BY_SITUATION, OWNERS, Difference, Found, Kind, gathered
from okx_async.simulator.api.situations import SITUATIONS

CODE = Found(Kind.CODE, "POST x", "code 1", "code 2", situation="no position")
ECHO = Found(Kind.VALUE, "POST x posSide", "'long'", "'net'", "echo-names-the-side")


def test_each_owner_is_an_assumption_of_the_register() -> None:
    assert OWNERS | set(BY_SITUATION.values()) <= set(BY_ID)


def test_each_situation_has_its_name_in_the_simulator() -> None:
    assert set(BY_SITUATION) - {"wrong posSide", "wrong autoCxl", "no isolated position"} <= set(SITUATIONS.values())


def test_equal_ones_are_one_difference_of_several_requests() -> None:
    first, second = gathered([(3, "a", CODE), (5, "b", ECHO), (4, "a", CODE), (9, "c", ECHO)])
    assert first == Difference("a", Kind.CODE, "POST x", "code 1", "code 2", (3, 4))
    assert (second.assumption, second.requests) == ("echo-names-the-side", (5, 9))
    assert str(first) == "code: POST x: recorded code 1, simulated code 2 (request 3 and 1 more)"
    assert str(gathered([(3, "a", CODE)])[0]).endswith("(request 3)")


def test_a_situation_that_is_always_refused_otherwise_is_the_matter_of_its_own_assumption() -> None:
    assert [each.assumption for each in gathered([(3, "a", CODE), (4, "b", CODE)])] == ["a", "b"]
    (one,) = gathered([(3, "a", CODE), (4, "b", CODE)], ["no position"])
    assert (one.assumption, one.requests) == ("closing-nothing-is-51023", (3, 4))
