from dataclasses import replace

import pytest

from okx_async.torture import Plan, happen
from okx_async.torture.plan import AccountOptions, Part
from okx_async.torture.scenes import SCENES


@pytest.mark.share(2)
@pytest.mark.parametrize("kind", SCENES)
@pytest.mark.parametrize("two_sided", [False, True])
def test_each_scene_comes_to_its_end_and_breaks_nothing(kind: str, *, two_sided: bool, calm: Plan) -> None:
    parts = tuple(Part(kind, 0, 0.1 * number, f"{kind} {number}") for number in range(3))
    plan = replace(calm, parts=parts, accounts=(AccountOptions(two_sided=two_sided, foreign=False),))
    history = happen(replace(plan, exchange=replace(plan.exchange, fill=1.0)))
    assert history.broken == ()
    assert sum(history.told.values()) >= 3
    assert history.requests > 10
