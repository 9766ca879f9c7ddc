from okx_async.torture.evidence import Evidence
from okx_async.torture.invariants.table import INVARIANTS
from tests.torture.invariants.conftest import found


def test_an_empty_history_breaks_nothing(evidence: Evidence) -> None:
    assert found(evidence) == []


def test_tokens_and_leftovers_are_passed_on(evidence: Evidence) -> None:
    evidence.not_at_rest, evidence.leftovers = ["a token"], ["a task"]
    assert found(evidence) == [("tokens", "a token"), ("leftovers", "a task")]


def test_every_invariant_has_a_docstring() -> None:
    assert all(check.__doc__ for check in INVARIANTS.values())
