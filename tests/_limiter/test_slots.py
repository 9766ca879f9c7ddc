"""The interface of every limiter, from which our own must not drift."""

import inspect
from collections.abc import Hashable

import pytest

from okx_async import Limiter, Slot, SlotSource, Statistics
from okx_async._limiter.limiter import LimiterSlot
from okx_async._limiter.slots import no_slot, subject


@pytest.mark.parametrize("name", ["slot", "block", "aclose"])
def test_our_limiter_takes_what_every_source_takes(name: str) -> None:
    ours, every = (inspect.signature(getattr(cls, name)).parameters for cls in (Limiter, SlotSource))
    assert list(ours.values()) == list(every.values())


@pytest.mark.parametrize("name", ["check", "settle", "refund"])
def test_our_slot_takes_what_every_slot_takes(name: str) -> None:
    ours, every = (inspect.signature(getattr(cls, name)).parameters for cls in (LimiterSlot, Slot))
    assert list(ours) == list(every)


def test_statistics_cannot_be_changed() -> None:
    statistics = Statistics(20, 20, 20, 0, 0, 0, 0, 0, 0.0)
    with pytest.raises(AttributeError):
        statistics.free = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (("live", "123", "BTC-USDT-SWAP"), "live 123 BTC-USDT-SWAP"),
        ("k", "'k'"),
        (("k", 1), "('k', 1)"),
        (("a", "b\nerror: c"), "('a', 'b\\nerror: c')"),
        (("a", ""), "('a', '')"),
        ((), "()"),
    ],
)
def test_a_key_is_named_as_the_command_line_shows_it(key: Hashable, words: str) -> None:
    assert subject(key) == words


@pytest.mark.parametrize(
    ("wait", "max_wait", "words"),
    [
        (2.005, 0.5, "max_wait=0.5 s, the earliest possible one is 2.005 s away"),
        (2.005, 5.0, "max_wait=5 s, which ends before the earliest possible one, 2.005 s from now"),
        (5.0, 5.0, "max_wait=5 s, which ends before the earliest possible one, 5.000 s from now"),
        (0.0, 5.0, "max_wait=5 s, which is over"),
        (2.005, None, "max_wait, which ends before the earliest possible one, 2.005 s from now"),
    ],
)
def test_a_wait_that_could_have_been_is_told_to_be_over(wait: float, max_wait: float | None, words: str) -> None:
    assert no_slot(wait, max_wait) == f"no slot within {words}; nothing was sent"
