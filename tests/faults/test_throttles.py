"""Refusals for rate drive the limiter: the length of blocks, and a limit that another program uses too."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from itertools import pairwise
from typing import Any

import pytest

import okx_async as okx
from okx_async._limiter.bucket import Bucket
from okx_async.simulator import Network, Path, SimulatedExchange, VirtualLoop, run

STRUCK = "BTC-USDT-SWAP"
EPOCH = 1768519672.0
MOST_SPREAD = 0.3
"""Seconds: the most of a pause's random part."""


class RecordingLimiter(okx.Limiter):
    """Records each block: its arguments, the seconds of it in the statistics, and the refusals there."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(clock=clock)
        self.blocks: list[tuple[float, bool, float, int]] = []

    async def block(self, key: Hashable, seconds: float, *, refused: bool = True) -> None:
        await super().block(key, seconds, refused=refused)
        state = self.statistics(key)
        self.blocks.append((seconds, refused, round(state.blocked_until - self._clock(), 6), state.refused))


class World:
    """A client, and an exchange that fills no close."""

    def __init__(
        self, loop: VirtualLoop, limiter: RecordingLimiter, exchange: SimulatedExchange, client: okx.Client
    ) -> None:
        self.loop, self.limiter, self.exchange, self.client = loop, limiter, exchange, client

    @property
    def state(self) -> Any:
        return self.limiter.statistics(self.client.limiter_key(STRUCK))


def play(script: Callable[[World], Awaitable[None]], **options: Any) -> None:
    async def main(loop: VirtualLoop) -> None:
        wall_clock = lambda: EPOCH + loop.clock()  # noqa: E731 - two uses
        limiter = RecordingLimiter(loop.clock)
        exchange = SimulatedExchange(seed=1, fill=0, clock=loop.clock, wall_clock=wall_clock, **options)
        async with (
            exchange,
            okx.Client(
                exchange.credentials,
                user_id=exchange.user_id,
                base_url=exchange.base_url,
                limiter=limiter,
                wall_clock=wall_clock,
            ) as client,
        ):
            exchange.open_position(STRUCK, 4)
            await script(World(loop, limiter, exchange, client))

    run(main, VirtualLoop(Network(seed=1, inward=Path(0.03, 0.02), outward=Path(0.03, 0.02))))


@pytest.mark.parametrize(
    ("fault", "times", "blocks"),
    [
        ("50011", 3, [(2.0, True, 2.0, 1), (2.0, True, 2.0, 2), (2.0, True, 2.0, 3)]),
        ("50061", 1, [(2.0, True, 2.0, 1)]),
        ("51113", 4, [(2.0, True, 2.0, 1), (4.0, True, 4.0, 2), (8.0, True, 8.0, 3), (8.0, True, 8.0, 4)]),
        ("50011 with Retry-After", 2, [(7.0, True, 7.0, 1), (7.0, True, 7.0, 2)]),
    ],
)
def test_the_key_pauses_for_as_long_as_the_refusal_asks(
    fault: str, times: int, blocks: list[tuple[float, bool, float, int]]
) -> None:
    async def script(world: World) -> None:
        world.exchange.inject(fault, times=times)
        closed = await world.client.close_position(STRUCK, "cross")
        assert len(closed.attempts) == times + 1
        rows = [row for row in world.exchange.journal if row.cl_ord_id == "" and row.method == "POST"]
        gaps = [later.at - earlier.at for earlier, later in pairwise(rows)]
        assert all(gap >= seconds for gap, (seconds, *_) in zip(gaps, blocks, strict=True))
        assert all(gap < seconds + 0.2 + MOST_SPREAD for gap, (seconds, *_) in zip(gaps, blocks, strict=True))
        for told, (least, *rest) in zip(world.limiter.blocks, blocks, strict=True):
            assert least <= told[0] <= least + MOST_SPREAD
            assert told[2] == pytest.approx(told[0])
            assert [told[1], told[3]] == [rest[0], rest[2]]
        assert world.state.refused == times

    play(script)


def test_an_overload_without_a_code_pauses_the_key_and_is_no_refusal() -> None:
    async def script(world: World) -> None:
        world.exchange.inject("plain 429", executed=True)
        with pytest.raises(okx.OutcomeUnknownError):
            await world.client.close_position(STRUCK, "cross")
        [(seconds, refused, _, count)] = world.limiter.blocks
        assert 2.0 <= seconds <= 2.0 + MOST_SPREAD
        assert (refused, count) == (False, 0)
        assert world.state.usable == 20

    play(script)


async def close_all_the_time(world: World, seconds: float) -> tuple[float, float, list[int]]:
    """Let 40 callers close without a pause.

    Returns, from the 30th second on, the closes accepted and refused in 2 s, and the usable limits.
    """
    begun = world.loop.clock()
    settled, end = begun + 30.0, begun + seconds
    used = []

    async def one() -> None:
        while world.loop.clock() < end:
            await world.client.close_position(STRUCK, "cross")

    async def look() -> None:
        while world.loop.clock() < end:
            await asyncio.sleep(0.5)
            if world.loop.clock() > settled:
                used.append(world.state.usable)

    await asyncio.gather(*(one() for _ in range(40)), look())
    rows = [row for row in world.exchange.journal if row.method == "POST" and settled < row.at < end]
    refused = sum(row.code == "50011" for row in rows)
    windows = (end - settled) / 2
    return (len(rows) - refused) / windows, refused / windows, used


@pytest.mark.share(2)
@pytest.mark.parametrize("options", [{}, {"count_rejected": False}], ids=["refusals count", "refusals do not count"])
def test_beside_a_program_that_takes_half_of_the_limit_it_settles_at_the_other_half(options: dict[str, Any]) -> None:
    async def script(world: World) -> None:
        world.exchange.crowd(world.exchange.user_id, STRUCK, 10)
        accepted, refused, used = await close_all_the_time(world, 110.0)
        assert 6.0 < accepted <= 10.0
        assert refused < 0.5
        assert 4 <= min(used) <= max(used) <= 12

    play(script, **options)


def test_a_limiter_that_did_not_adapt_would_be_refused_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bucket, "_unused", lambda *_: 0)

    async def script(world: World) -> None:
        world.exchange.crowd(world.exchange.user_id, STRUCK, 10)
        with pytest.raises(okx.RateLimitedError):
            await close_all_the_time(world, 110.0)

    play(script)


def test_alone_again_it_uses_the_whole_limit() -> None:
    async def script(world: World) -> None:
        world.exchange.crowd(world.exchange.user_id, STRUCK, 10)
        await close_all_the_time(world, 60.0)
        assert world.state.usable < 13
        world.exchange.crowd(world.exchange.user_id, STRUCK, 0)
        accepted, refused, used = await close_all_the_time(world, 90.0)
        assert refused == 0
        assert accepted > 18
        assert max(used) == 20

    play(script)
