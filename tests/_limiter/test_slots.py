"""The interface of every limiter, from which our own must not drift."""

import inspect

import pytest

from okx_async import Limiter, Slot, SlotSource, Statistics
from okx_async._limiter.limiter import LimiterSlot


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
