from dataclasses import replace

import pytest

from okx_async.torture import Plan, happen, plan_of
from okx_async.torture.plan import AccountOptions, Part
from okx_async.torture.rivals import RIVALS


@pytest.mark.share(9)
@pytest.mark.parametrize("kind", RIVALS)
@pytest.mark.parametrize("two_sided", [False, True])
def test_each_rival_of_a_flatten_comes_to_its_end_and_breaks_nothing(kind: str, *, two_sided: bool, calm: Plan) -> None:
    scenes = tuple(Part("flatten", 0, 0.3 * number, f"{kind} {number}") for number in range(3))
    rivals = tuple(Part(kind, 0, 0.3 * number + 0.01, f"{kind} {number} rival") for number in range(3))
    account = AccountOptions(two_sided=two_sided, foreign=True)
    plan = replace(calm, parts=(*scenes, *rivals), accounts=(account,))
    plan = replace(plan, exchange=replace(plan.exchange, fill=1.0, fill_delay=0.5))
    alone, history = happen(replace(plan, parts=scenes)), happen(plan)
    assert history.broken == ()
    assert history.requests > alone.requests + 5  # theirs; the flattens may need fewer beside them


def test_a_hog_is_only_where_the_plan_has_another_program(calm: Plan) -> None:
    assert happen(replace(calm, parts=(Part("hog", 0, 0.0, "hog"),))).requests == 0


def test_half_of_the_plans_have_rivals_most_of_them_where_a_scene_is() -> None:
    plans = [plan_of(seed) for seed in range(300)]
    rivals = [(plan, part) for plan in plans for part in plan.parts if part.kind in RIVALS]
    assert 120 < len({plan.seed for plan, _ in rivals}) < 180
    assert {part.kind for _, part in rivals} == set(RIVALS)
    assert all(plan.accounts[plan.seats[part.seat].account].foreign for plan, part in rivals if part.kind == "hog")
    scenes = {plan.seed: {part.seat for part in plan.parts if " scene " in part.seed} for plan in plans}
    beside = [part.seat in scenes[plan.seed] for plan, part in rivals if scenes[plan.seed]]
    assert sum(beside) > 0.7 * len(beside)
