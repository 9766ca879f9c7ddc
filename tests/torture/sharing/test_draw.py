"""The plans of shared histories."""

from okx_async.torture.sharing.draw import sharing_plan


def test_a_seed_decides_the_plan_and_plans_differ() -> None:
    assert sharing_plan(3) == sharing_plan(3)
    plans = [sharing_plan(seed) for seed in range(60)]
    assert {plan.store for plan in plans} == {True, False}
    assert {plan.programs for plan in plans} == {2, 3}
    assert {plan.small for plan in plans} == {True, False}


def test_a_client_may_use_the_lease_and_requests_in_doubt_are_counted_within_the_grace() -> None:
    for plan in map(sharing_plan, range(60)):
        assert plan.timeout + plan.connect_timeout <= plan.terms.lease * 7 / 8
        assert plan.inward.delay + plan.inward.jitter + 1.5 < plan.terms.doubt_grace
        assert all(abs(rate - 1) <= 250e-6 for rate in plan.rates)
