import gc
from collections.abc import Hashable
from typing import Any

import pytest

import okx_async as okx
from okx_async.instrumentation.limiter_state import Totals, Watched

BTC, ETH = ("live", "1", "BTC-USDT-SWAP"), ("live", "1", "ETH-USDT-SWAP")
CLOSES = ("live", "trade/close-position")


async def test_keys_are_summed_by_environment_and_endpoint() -> None:
    limiter, watched = okx.Limiter(okx.Quota(2, 60.0)), Watched()
    watched.add(limiter)
    assert watched.totals() == {}
    async with limiter.slot(BTC), limiter.slot(BTC):
        async with limiter.slot(ETH):
            pass
        await limiter.block(("demo", "1", "account/positions"), 30.0, refused=False)
        totals = watched.totals()
        assert set(totals) == {CLOSES, ("demo", "account/positions")}
        closes, paused = totals[CLOSES], totals["demo", "account/positions"]
        assert (closes.free, closes.in_flight, closes.cooling, closes.waiting) == (1, 2, 1, 0)
        assert (closes.in_use, closes.exhausted, closes.paused, closes.reduced) == (2, 1, 0, 0)
        assert (paused.in_use, paused.exhausted, paused.paused) == (1, 0, 1)


@pytest.mark.parametrize(("free", "exhausted"), [(11, 0), (10, 1)])
def test_a_limit_that_is_used_in_part_is_exhausted_earlier(free: int, exhausted: int) -> None:
    totals = Totals()
    totals.add(okx.Statistics(20, 10, free, 20 - free, 0, 3, 9, 2, 0.0))
    assert (totals.reduced, totals.exhausted, totals.waiting) == (1, exhausted, 3)


async def test_a_limiter_is_counted_once_and_not_kept_alive() -> None:
    watched = Watched()
    limiter = okx.Limiter()
    watched.add(limiter, limiter)
    watched.add(limiter)
    async with limiter.slot(BTC):
        assert watched.totals()[CLOSES].in_flight == 1
    del limiter
    gc.collect()
    assert watched.totals() == {}


class Failing:
    """A limiter of a user's own."""

    def keys(self) -> list[Hashable]:
        raise OSError("gone")

    def statistics(self, key: Hashable) -> okx.Statistics:
        raise AssertionError(key)


async def test_a_limiter_that_fails_is_logged_and_hides_no_other(caplog: pytest.LogCaptureFixture) -> None:
    watched, failing, limiter = Watched(), Failing(), okx.Limiter()
    broken: Any = failing
    watched.add(broken, limiter)
    async with limiter.slot(BTC):
        assert watched.totals()[CLOSES].in_use == 1
    assert "Failing: its state could not be read" in caplog.text


def test_what_has_no_keys_is_refused() -> None:
    nothing: Any = object()
    with pytest.raises(TypeError, match=r"needs keys\(\) and statistics\(\), got object"):
        Watched().add(nothing)
