"""Assumptions and the dangers of their trials."""

from okx_async.rehearsal.assumption import EXPERIMENTS, Assumption, Danger
from okx_async.rehearsal.assumptions import ASSUMPTIONS, BY_ID


def opens(one: Assumption) -> bool:
    return bool(one.openings or (one.experiment and EXPERIMENTS[one.experiment].openings))


def test_only_trials_that_open_name_openings() -> None:
    assert {one.id for one in ASSUMPTIONS if opens(one) != (one.danger is Danger.OPENS)} == set()


def test_each_experiment_serves_several_trials() -> None:
    shared = [one.experiment for one in ASSUMPTIONS if one.experiment]
    assert set(shared) == set(EXPERIMENTS)
    assert all(shared.count(name) > 1 for name in EXPERIMENTS)


def test_each_danger_has_its_words() -> None:
    assert len({danger.words for danger in Danger}) == len(Danger)


def test_what_only_the_simulator_rests_on_is_told_apart() -> None:
    assert BY_ID["window-is-sliding"].about_simulator
    assert not BY_ID["pos-id-outlives-a-close"].about_simulator
