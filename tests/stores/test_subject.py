import pytest

from okx_async import Limiter, Quota
from okx_async.stores.subject import ConformanceError, Subject, demand, fill, free


def test_a_demand_that_is_not_met_is_named() -> None:
    demand([1], "something")
    with pytest.raises(ConformanceError, match="something"):
        demand([], "something")


async def test_sources_are_new_and_kept_for_the_end() -> None:
    subject = Subject(Limiter, 0.0)
    first, second = subject.source(), subject.source(Quota(1, 60.0))
    assert subject.sources == [first, second]
    assert subject.key() != subject.key()


async def test_what_is_free_is_given_back() -> None:
    source = Subject(Limiter, 0.0).source(Quota(2, 60.0))
    assert [await free(source, ("k",)) for _ in range(3)] == [True] * 3
    await fill(source, ("k",), 2)
    assert not await free(source, ("k",))
