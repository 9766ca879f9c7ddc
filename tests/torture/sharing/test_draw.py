"""The plans of shared histories."""

from okx_async.torture.sharing.draw import sharing_plan


def test_a_seed_decides_the_plan_and_plans_differ() -> None:
    assert sharing_plan(3) == sharing_plan(3)
    plans = [sharing_plan(seed) for seed in range(60)]
    assert {plan.store for plan in plans} == {True, False}
    assert {plan.programs for plan in plans if not plan.untold} == {2, 3}
    assert {plan.programs for plan in plans if plan.untold} == {2, 3, 4, 8}
    assert {plan.small for plan in plans} == {True, False}


def test_a_client_may_use_the_lease_and_requests_in_doubt_are_counted_within_the_grace() -> None:
    for plan in map(sharing_plan, range(60)):
        assert plan.timeout + plan.connect_timeout <= plan.terms.lease * 7 / 8
        assert plan.inward.delay + plan.inward.jitter + 1.5 < plan.terms.doubt_grace
        assert all(abs(rate - 1) <= 250e-6 for rate in plan.rates)


def test_programs_that_are_not_given_their_user_id_begin_at_once_or_one_after_another_while_it_is_not_told() -> None:
    plans = [plan for plan in map(sharing_plan, range(300)) if plan.untold]
    assert 40 < len(plans) < 120
    assert not any(plan.small for plan in plans)
    spans = [max(part.at for part in plan.parts) - min(part.at for part in plan.parts) for plan in plans]
    assert min(spans) < 1.0
    assert max(spans) > 10.0
    assert all(len(plan.rates) == 2 + plan.programs for plan in plans)
    kinds = {mishap.kind for plan in plans for mishap in plan.mishaps}
    assert kinds >= {"config_late", "config_lost", "config_refused", "cut_off", "restarted"}


def test_some_programs_are_stopped_before_they_hear_of_a_token_while_others_press() -> None:
    plans = [
        plan for plan in map(sharing_plan, range(300)) if {each.kind for each in plan.mishaps} == {"stopped_at_a_grant"}
    ]
    asleep = [plan for plan in plans if len(plan.mishaps) == 4]
    assert 5 < len(asleep) < 30
    assert all(plan.store and not plan.small for plan in asleep)
    assert {part.at for plan in asleep for part in plan.parts} == {0.0, 10.0, 20.0, 30.0}
