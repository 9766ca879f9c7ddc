import pytest
from hypothesis import given
from hypothesis import strategies as st

from okx_async.simulator.api.arrivals import Arrivals, Window, worst_window

KEY = ("44705892343619584", "BTC-USDT-SWAP")


def admitted(arrivals: Arrivals, times: list[float], limit: int = 2) -> list[bool]:
    return [arrivals.admit(KEY, limit, at, round(at * 1000)) for at in times]


def test_sliding_an_arrival_exactly_two_seconds_old_no_longer_counts() -> None:
    assert admitted(Arrivals(), [0.0, 0.5, 1.999]) == [True, True, False]
    assert admitted(Arrivals(count_rejected=False), [0.0, 0.5, 1.999, 2.0, 2.499, 2.5]) == [
        *(True, True, False),
        *(True, False, True),
    ]


def test_sliding_refused_arrivals_use_up_the_limit() -> None:
    assert admitted(Arrivals(), [0.0, 0.5, 1.0, 2.0, 2.5, 4.5, 4.6]) == [True, True, False, False, False, True, True]


@pytest.mark.parametrize("window", ["sliding", "fixed"])
def test_somebody_else_uses_the_limit_evenly(window: Window) -> None:
    arrivals = Arrivals(window)
    arrivals.crowd(KEY, 10)
    mine = [arrivals.admit(KEY, 20, at, round(at * 1000)) for at in (100.0, *[100.19] * 9, *[101.9] * 3)]
    assert mine.count(True) in {9, 10, 11}
    assert arrivals.admit(("1", "X"), 1, 101.9, 101900)
    # An hour without an arrival of ours: they have gone on, and nothing of it is counted one by one.
    assert [arrivals.admit(KEY, 20, 3700.0, 3_700_000) for _ in range(11)][:9] == [True] * 9
    arrivals.crowd(KEY, 0)
    assert all(arrivals.admit(KEY, 20, 3710.0, 3_710_000) for _ in range(20))


def test_fixed_buckets_are_those_of_server_time() -> None:
    assert admitted(Arrivals("fixed"), [1.9, 1.95, 1.999, 2.0, 2.0, 3.999, 4.0]) == [
        *(True, True, False),
        *(True, True, False),
        True,
    ]


def test_fixed_asks_the_server_s_clock_alone() -> None:
    arrivals = Arrivals("fixed")
    assert [arrivals.admit(KEY, 1, 0.0, ms) for ms in (1999, 2000, 2001)] == [True, True, False]


@pytest.mark.parametrize("count_rejected", [True, False])
def test_fixed_counts_per_bucket(*, count_rejected: bool) -> None:
    arrivals = Arrivals("fixed", count_rejected=count_rejected)
    assert admitted(arrivals, [0.0, 0.1, 0.2, 0.3, 2.1]) == [True, True, False, False, True]


@pytest.mark.parametrize("window", ["sliding", "fixed"])
def test_keys_are_apart(window: Window) -> None:
    arrivals = Arrivals(window)
    keys = [(user, scope) for user in ("1", "2") for scope in ("BTC-USDT-SWAP", "ETH-USDT-SWAP", "account/positions")]
    assert all(arrivals.admit(key, 1, 0.0, 0) for key in keys)
    assert not any(arrivals.admit(key, 1, 0.0, 0) for key in keys)


@pytest.mark.parametrize("window", ["sliding", "fixed"])
def test_idle_keys_are_forgotten_and_busy_ones_are_not(window: Window) -> None:
    arrivals = Arrivals(window)
    at = 0.0
    for n in range(20_000):
        at = n * 0.01
        assert arrivals.admit(("1", f"A{n}"), 1, at, round(at * 1000))
        assert arrivals.admit(KEY, 10**9, at, round(at * 1000))
    assert len(arrivals._logs) + len(arrivals._buckets) < 3000
    assert not arrivals.admit(KEY, 1, at, round(at * 1000))


def test_forgetting_leaves_what_still_counts() -> None:
    arrivals = Arrivals()
    assert admitted(arrivals, [0.0, 1.9]) == [True, True]
    for n in range(2000):
        arrivals.admit(("1", f"A{n}"), 1, 2.1, 2100)
    assert admitted(arrivals, [2.1, 2.1]) == [True, False]


def test_an_unknown_window_is_refused() -> None:
    with pytest.raises(ValueError, match="sliding"):
        Arrivals("rolling")  # type: ignore[arg-type]


def test_worst_window_by_hand() -> None:
    assert worst_window([]) == 0
    assert worst_window([5.0]) == 1
    assert worst_window([0.0, 2.0, 4.0]) == 1
    assert worst_window([0.0, 1.999999, 2.0]) == 2
    assert worst_window([3.0, 0.0, 1.5, 1.0]) == 3
    assert worst_window([0.0, 2.0], per=2.001) == 2


TIMES = st.lists(st.integers(0, 6000).map(lambda ms: ms / 1000), max_size=60).map(sorted)


@given(TIMES)
def test_worst_window_is_its_definition(times: list[float]) -> None:
    by_hand = max((sum(start <= at and at - start < 2.0 for at in times) for start in times), default=0)
    assert worst_window(times) == by_hand


@given(times=TIMES, count_rejected=st.booleans())
def test_sliding_against_a_plain_recount(times: list[float], *, count_rejected: bool) -> None:
    verdicts = admitted(Arrivals(count_rejected=count_rejected), times, limit=3)
    for n, (at, verdict) in enumerate(zip(times, verdicts, strict=True)):
        before = zip(times[:n], verdicts[:n], strict=True)
        recent = sum(at - earlier < 2.0 for earlier, taken in before if taken or count_rejected)
        assert verdict == (recent < 3)
    assert worst_window([at for at, taken in zip(times, verdicts, strict=True) if taken]) <= 3


@given(times=TIMES, count_rejected=st.booleans())
def test_fixed_against_a_plain_recount(times: list[float], *, count_rejected: bool) -> None:
    verdicts = admitted(Arrivals("fixed", count_rejected=count_rejected), times, limit=3)
    for bucket in range(4):
        of_bucket = [v for at, v in zip(times, verdicts, strict=True) if 2 * bucket <= at < 2 * bucket + 2]
        assert of_bucket == [n < 3 for n in range(len(of_bucket))]
