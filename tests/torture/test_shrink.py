from dataclasses import replace
from typing import Any

import pytest

from okx_async.torture import Plan, happen, shrink
from okx_async.torture import strategies as module
from okx_async.torture.plan import Mishap, Part


def test_what_does_not_matter_is_left_out(calm: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    async def bad(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setitem(module.STRATEGIES, "bad", (1, bad))
    parts = tuple(Part("bad" if number == 3 else "idle", 0, 0.0, f"part {number}") for number in range(6))
    mishaps = tuple(Mishap("reset", number / 5, f"mishap {number}") for number in range(7))
    history = shrink(happen(replace(calm, parts=parts, mishaps=mishaps)))
    assert history.plan.parts == (parts[3],)
    assert history.plan.mishaps == ()
    assert [breach.invariant for breach in history.broken] == ["leftovers"]


def test_a_history_that_breaks_nothing_stays_as_it_is(calm: Plan) -> None:
    history = happen(calm)
    assert shrink(history) is history
