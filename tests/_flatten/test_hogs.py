"""A flatten on a key that another program keeps full, in virtual time; `benchmarks/exit.py` plays a hundred seeds."""

from benchmarks._rivals import flat_beside_a_hog, stage

SEEDS = 10
SECONDS = 30.0


def test_beside_a_program_that_keeps_every_window_full_it_is_flat_in_time() -> None:
    # A network without jitter is the hardest: a client that waits for as long each time asks at the same point of the
    # other program's rhythm again and again.
    ends = [stage(flat_beside_a_hog, seed) for seed in range(SEEDS)]
    assert sum(seconds <= SECONDS for seconds, _ in ends) >= 0.95 * SEEDS
    assert max(sends for _, sends in ends) > 6, "the other program is not in the way"
