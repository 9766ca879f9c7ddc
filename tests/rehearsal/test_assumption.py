"""Assumptions and the dangers of their trials."""

from okx_async.rehearsal.assumption import Danger
from okx_async.rehearsal.assumptions import ASSUMPTIONS, BY_ID


def test_only_trials_that_open_name_openings() -> None:
    assert {one.id for one in ASSUMPTIONS if bool(one.openings) != (one.danger is Danger.OPENS)} == set()


def test_each_danger_has_its_words() -> None:
    assert len({danger.words for danger in Danger}) == len(Danger)


def test_what_only_the_simulator_rests_on_is_told_apart() -> None:
    assert BY_ID["window-is-sliding"].about_simulator
    assert not BY_ID["pos-id-outlives-a-close"].about_simulator
