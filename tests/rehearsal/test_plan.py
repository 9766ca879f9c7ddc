"""The plan and its cost."""

from decimal import Decimal

import pytest

from okx_async import InvalidRequestError
from okx_async.rehearsal.assumptions import ASSUMPTIONS
from okx_async.rehearsal.market import Instrument
from okx_async.rehearsal.plan import make_plan

BTC = Instrument("BTC-USDT-SWAP", "SWAP", Decimal("0.01"), Decimal("0.1"), Decimal("0.01"), "BTC")


def test_all_are_planned_from_the_harmless_to_the_others() -> None:
    plan = make_plan(None)
    assert len(plan.assumptions) == len(ASSUMPTIONS)
    dangers = [one.danger for one in plan.assumptions]
    assert dangers == sorted(dangers)


def test_the_cost_is_what_the_openings_trade() -> None:
    plan = make_plan({"pos-id-outlives-a-close"})
    assert plan.openings == 2
    assert any("0.0004 BTC traded" in line for line in plan.lines(BTC))
    assert plan.seconds > 3


def test_one_trial_is_told_as_one() -> None:
    assert "  1 trial: sends what is to be refused" in make_plan({"closing-nothing-is-51023"}).lines(BTC)


def test_without_openings_there_is_no_cost() -> None:
    assert not any("traded" in line for line in make_plan({"closing-nothing-is-51023"}).lines(BTC))


def test_an_unknown_id_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="--only nonsense"):
        make_plan({"nonsense"})
