from okx_async.torture import Plan, plan_of
from okx_async.torture.draw import draw

PLANS = [plan_of(seed) for seed in range(300)]


def test_the_seed_decides_the_plan() -> None:
    assert plan_of(7) == plan_of(7) != plan_of(8)


def test_every_plan_keeps_to_the_assumptions_of_the_proof() -> None:
    for plan in PLANS:
        keeps_to_the_assumptions(plan)


def keeps_to_the_assumptions(plan: Plan) -> None:
    conditions = plan.conditions
    # A request in doubt is counted within the grace: the way in, and what it may wait for after it departed.
    assert plan.grace >= conditions.max_delay + conditions.freeze + plan.exchange.work
    if any(seat.own_session for seat in plan.seats):
        assert plan.grace >= plan.stall + conditions.max_delay
        assert conditions.inward.window >= 65536
    # Two clocks are less than 500 ppm apart.
    assert abs(plan.rate / plan.exchange.rate - 1) < 500e-6
    # The floor is no more than what every request takes.
    assert plan.floor <= conditions.inward.delay + conditions.outward.delay
    for account in range(len(plan.accounts)):
        seats = [seat for seat in plan.seats if seat.account == account]
        # Two API keys of one UID, or one that is known and one that is not, only where all are told.
        assert len({seat.key for seat in seats}) <= 1 or all(seat.knows_user_id for seat in seats)
        assert len({seat.knows_user_id for seat in seats}) <= 1
    assert {seat.limiter for seat in plan.seats} <= set(range(plan.shares))


def test_plans_differ_in_all_that_is_drawn() -> None:
    assert {len(plan.seats) for plan in PLANS} == {1, 2, 3, 4}
    assert {len(plan.accounts) for plan in PLANS} == {1, 2}
    assert {account.two_sided for plan in PLANS for account in plan.accounts} == {True, False}
    assert {seat.knows_user_id for plan in PLANS for seat in plan.seats} == {True, False}
    assert {seat.own_session for plan in PLANS for seat in plan.seats} == {True, False}
    assert {plan.conditions.coarse for plan in PLANS} == {True, False}
    assert {plan.exchange.window for plan in PLANS} == {"sliding", "fixed"}
    assert any(abs(seat.skew) > 30 for plan in PLANS for seat in plan.seats)
    assert any(25 < abs(seat.skew) < 30 for plan in PLANS for seat in plan.seats)


def test_what_is_left_out_changes_nothing_about_the_rest() -> None:
    full = draw(1, {"steady": 1}, {"reset": 1})
    assert {part.kind for part in full.parts} == {"steady"}
    assert len({part.seed for part in full.parts}) == len(full.parts)


def test_half_of_the_plans_have_a_flatten_and_the_others_stay_as_they_were() -> None:
    plain = [draw(seed, {"steady": 1}, {"reset": 1}) for seed in range(100)]
    drawn = [draw(seed, {"steady": 1}, {"reset": 1}, {"flatten": 1}) for seed in range(100)]
    wanting = [plan for plan in drawn if any(part.kind == "flatten" for part in plan.parts)]
    assert 35 < len(wanting) < 65
    assert all(plan in plain for plan in drawn if plan not in wanting)
    assert {plan.exchange.fill for plan in wanting} == {0.0, 0.5, 1.0}
    assert {plan.exchange.flip_keeps for plan in wanting} == {True, False}
    assert any(plan.exchange.lag[1] for plan in wanting)


def test_in_some_plans_closes_go_out_before_and_after_the_user_id_is_told() -> None:
    late = [plan for plan in PLANS if any(mishap.kind == "late_config" for mishap in plan.mishaps)]
    assert 5 < len(late) < 30
    assert not any(seat.knows_user_id for plan in late for seat in plan.seats)
    first = [min(mishap.at for mishap in plan.mishaps if mishap.kind == "late_config") for plan in late]
    assert set(first) == {0.0}
