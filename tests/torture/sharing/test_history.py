"""Shared histories: no window holds more than the limit, whatever befalls programs, loops and their store."""

import pytest

from okx_async.torture import happen_shared, sharing_plan


@pytest.mark.share(8)
@pytest.mark.parametrize("seed", range(8))
def test_no_promise_is_broken(seed: int) -> None:
    history = happen_shared(sharing_plan(seed))
    assert history.broken == (), history.notes
    assert history.refused == 0
    assert history.worst <= 20


def test_a_program_that_is_killed_while_it_leaves_is_gone_once() -> None:
    assert happen_shared(sharing_plan(26113014520123)).broken == ()


@pytest.mark.long
@pytest.mark.parametrize("first", range(1000, 1400, 50))
def test_no_promise_is_broken_in_many_histories(first: int) -> None:
    for seed in range(first, first + 50):
        assert happen_shared(sharing_plan(seed)).broken == (), seed


def test_a_seed_decides_everything() -> None:
    one, two = (happen_shared(sharing_plan(6)) for _ in range(2))
    assert one == two
    assert one.record() == {
        "seed": 6,
        "hash": one.hash,
        "requests": one.requests,
        "faults": one.faults,
        "virtual_seconds": round(one.virtual_seconds, 6),
        "broken": [],
    }
