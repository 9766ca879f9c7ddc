"""The plan and its cost."""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from okx_async import InvalidRequestError
from okx_async.rehearsal.assumption import Danger
from okx_async.rehearsal.assumptions import ASSUMPTIONS
from okx_async.rehearsal.market import Instrument
from okx_async.rehearsal.plan import make_plan

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "rehearse.md"
NUMBERS = {7: "seven", 8: "eight", 9: "nine"}
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


def test_what_trials_share_is_counted_once() -> None:
    alone = make_plan({"window-is-sliding"})
    assert make_plan({"window-is-sliding", "instruments-are-counted-apart"}).requests == alone.requests > 60
    assert make_plan({"pos-id-outlives-a-close", "c-time-is-new-after-reopening"}).openings == 2


def test_the_page_tells_the_plan_of_all_trials() -> None:
    """In net mode, in which most accounts are."""
    page = PAGE.read_text(encoding="utf-8")
    plan = make_plan(None).made_in("net_mode")
    assert "".join(f"  {line}\n" for line in plan.lines(BTC)) in page
    found = re.search(r"^(\d+) held, 0 not held, (\d+) not tried$", page, re.MULTILINE)
    assert found is not None
    assert [int(number) for number in found.groups()] == [
        len(plan.assumptions),
        len(ASSUMPTIONS) - len(plan.assumptions),
    ]
    logins = sum(one.requests for one in ASSUMPTIONS if one.danger is Danger.AUTHENTICATION)
    assert f"| {Danger.AUTHENTICATION.words} | {NUMBERS[logins]} requests in all" in page


def test_one_trial_is_told_as_one() -> None:
    assert "  1 trial: sends what is to be refused" in make_plan({"closing-nothing-is-51023"}).lines(BTC)


def test_without_openings_there_is_no_cost() -> None:
    assert not any("traded" in line for line in make_plan({"closing-nothing-is-51023"}).lines(BTC))


def test_an_unknown_id_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="--only nonsense"):
        make_plan({"nonsense"})
