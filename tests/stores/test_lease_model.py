"""The promise of a shared bucket over all schedules: never more than the limit in any window, whatever holders do."""

from functools import partial
from itertools import product
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from okx_async.stores.lease import Terms
from tests.stores.world import TERMS, Holder, Story, World, worst

ASKS = ("prompt", "late", "repeated", "doubled")
# What a request can do at worst: sent early or late, counted early or late, and news of its end early, late or never.
ENDS = [
    Story(),
    Story(write=1.0, counted=1.0, answer=1.0),
    Story(write=1.0, counted=1.0, answer=1.0, news=3.0),
    Story(news=6.0, twice=True),
    Story(write=1.0, counted=1.0, news=None),
    Story(fate="doubt", write=1.0, counted=1.0),
    Story(fate="doubt", counted=1.0, news=4.0, twice=True),
    Story(fate="crash", write=1.0, counted=1.0),
    Story(fate="refund", write=1.0, twice=True),
    Story(fate="stopped"),
]
SOME = [ENDS[0], ENDS[2], ENDS[5], ENDS[7]]


def stories(asks: tuple[str, ...], ends: list[Story]) -> list[Story]:
    return [Story(ask, e.fate, e.write, e.counted, e.news, e.twice, e.answer) for ask in asks for e in ends]


def played(world: World, chosen: tuple[Story, ...], gaps: tuple[float, ...], *, new: bool = True) -> World:
    """Two holders ask at once, a third one that was never there before after a while, and the first one again."""
    first, second = Holder(world, "a"), Holder(world, "b")
    last = Holder(world, "c", new=new)
    for holder, story, gap in zip((first, second, last, first), chosen, (0.0, 0.0, *gaps), strict=False):
        world.after(gap, partial(world.start, holder, story))
    world.play()
    return world


@pytest.mark.share(4)
@pytest.mark.parametrize("ask", ASKS)
def test_every_schedule_of_a_small_world(ask: str) -> None:
    """Limit 2, two holders and a newcomer: each kind of ask and end for each of them."""
    for head, *tail in product(stories((ask,), ENDS), stories(ASKS, ENDS), stories(("repeated",), SOME)):
        for gap in (0.0, 2.0):
            world = played(World(), (head, *tail), (gap,))
            assert worst(world.counted) <= 2, (head, tail, gap, world.counted)


@pytest.mark.long
def test_every_schedule_with_a_fourth_request() -> None:
    for chosen in product(stories(("prompt", "repeated"), SOME), repeat=4):
        world = played(World(), chosen, (0.0, 1.0), new=False)
        assert worst(world.counted) <= 2, (chosen, world.counted)


def newcomer(world: World) -> None:
    world.start(Holder(world, "d", new=True), Story())


LOSSES: list[dict[str, Any]] = [
    {},  # restarted empty
    {"forgets_epoch": True},  # flushed as well
    {"shift": 5.0, "keeps": True},  # a replica whose clock is ahead takes over
    {"shift": -5.0, "keeps": True},
    {"shift": 5.0},
]


@pytest.mark.parametrize("asks", [("prompt",), pytest.param(("prompt", "repeated"), marks=pytest.mark.long)])
@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_every_schedule_with_a_store_that_loses_its_memory(loss: dict[str, Any], asks: tuple[str, ...]) -> None:
    for chosen in product(stories(asks, SOME), repeat=3):
        for at in (0.25, 1.0, 2.5, 4.0):
            world = World()
            world.after(at, partial(world.loses, **loss))
            world.after(at + 0.25, partial(newcomer, world))
            played(world, chosen, (0.0,))
            assert worst(world.counted) <= 2, (chosen, at, world.counted)


def test_every_schedule_with_a_clock_that_is_set_ahead_while_its_holders_know_better() -> None:
    # One that is new takes it for what it is: it is assumed that the clock of a store in use is not set.
    for chosen in product(stories(("prompt",), SOME), repeat=3):
        for at in (0.25, 1.0, 2.5):
            world = World()
            world.after(at, partial(world.loses, shift=5.0, steps=True))
            played(world, chosen, (1.0,), new=False)
            assert worst(world.counted) <= 2, (chosen, at, world.counted)


def test_no_token_is_lost_for_good() -> None:
    for chosen in product(stories(ASKS, ENDS), stories(("prompt",), SOME)):
        world = played(World(), chosen, ())
        assert world.granted >= 1
        assert world.quiet(), chosen


RATES = st.sampled_from([1 - 0.00025, 1.0, 1 + 0.00025])
SECONDS = st.floats(0.0, 6.0)
STORIES = st.builds(
    Story,
    st.sampled_from(ASKS),
    st.sampled_from(["settled", "settled", "doubt", "crash", "refund", "stopped"]),
    st.one_of(st.just(1.0), st.floats(0.0, 1.0)),
    st.one_of(st.just(0.0), st.just(1.0), st.floats(0.0, 1.0)),
    st.one_of(st.none(), st.just(0.0), SECONDS),
    st.booleans(),
    st.floats(0.0, 1.0),
)
REQUESTS = st.lists(st.tuples(SECONDS, st.integers(0, 3), STORIES), min_size=3, max_size=14)
BAD_DAYS = st.lists(st.tuples(SECONDS, st.sampled_from(LOSSES)), max_size=2)


@given(st.integers(1, 3), RATES, st.tuples(RATES, RATES, RATES, RATES), REQUESTS, BAD_DAYS)
@settings(deadline=None)
@example(  # a lease of an hour: 500 ppm of it are 1.8 s
    1,
    1 + 0.00025,
    (1 - 0.00025, 1.0, 1.0, 1.0),
    [(0.0, 0, Story(fate="crash", write=1.0, counted=1.0)), (3600.0, 1, Story())],
    [],
)
def test_no_window_holds_more_under_clocks_that_differ_and_stores_that_forget(
    limit: int,
    rate: float,
    rates: tuple[float, ...],
    requests: list[tuple[float, int, Story]],
    losses: list[tuple[float, dict[str, Any]]],
) -> None:
    terms = Terms(3600.0, 1.0, 0.003) if requests[1][0] == 3600.0 else TERMS
    world = World(limit, terms, rate)
    holders = [Holder(world, name, of) for name, of in zip("abcd", rates, strict=True)]
    for at, loss in losses:
        world.after(at, partial(world.loses, **loss))
    for at, who, story in requests:
        world.after(at, partial(world.start, holders[who], story, tries=30))
    world.play()
    assert worst(world.counted) <= limit


@given(
    st.lists(
        st.tuples(st.floats(0.0, 2.0), st.sampled_from(["drop", "take", "settle", "doubt", "refund"])), max_size=30
    )
)
@settings(deadline=None)
def test_what_is_out_never_exceeds_the_limit(steps: list[tuple[float, str]]) -> None:
    world = World(3)
    holder = Holder(world, "a")
    for number, (pause, step) in enumerate(steps):
        world.now += pause
        held = [ident for ident, token in world.bucket.tokens.items() if not token.cooling]
        if step == "take":
            world._ask(holder, f"t{number}", 0.0)
        elif held and step == "refund":
            world.bucket.refund(held[0])
        elif held and step != "drop":
            world.bucket.settle(world.store_time(), held[0], "a", 0.1, doubt=step == "doubt")
        assert len(world.bucket.tokens) <= 3
        assert world.bucket.expires() > max((t.free_at for t in world.bucket.tokens.values()), default=0.0)
