"""The memory that a leg of a large batch takes, which repeats do not grow without bound.

The network is left out: its part is bounded by `max_connections`, that of the legs is not.
"""

import asyncio
import gc
import logging
import tracemalloc
from collections.abc import Mapping

import pytest

import okx_async as okx
from okx_async._http.bodies import Reply
from okx_async._http.inflight import InFlight
from okx_async._http.transport import Transport
from okx_async.simulator import Network, VirtualLoop, run

LEGS = 1_000
ACCEPTED = b'{"code":"0","data":[],"msg":""}'
PASSING = b'{"code":"50001","data":[],"msg":""}'
CREDENTIALS = okx.Credentials("0af1c5d2-1f3a-4c8e-9a3b-5f7e21d0c9ab", "9F3C51E0B7A24D6888E1C0FFEE0DDBA1", "Fj0rd")


def batch(monkeypatch: pytest.MonkeyPatch, answer: bytes, legs: list[okx.ClosePosition]) -> tuple[float, int, int]:
    """Return the peak in bytes a leg, the bytes left after all, and the most attempts of one leg."""

    async def send(
        _transport: Transport,
        request: InFlight,
        _method: str,
        _path: str,
        _headers: Mapping[str, str],
        body: bytes | None,
    ) -> Reply:
        request.connected(None)
        await asyncio.sleep(0.06)
        return Reply(200, answer if body else b"", None)

    async def main(loop: VirtualLoop) -> tuple[float, int, int]:
        limiter = okx.Limiter(clock=loop.clock)
        client = okx.Client(CREDENTIALS, user_id="1", limiter=limiter, wall_clock=lambda: 1e9 + loop.clock())
        async with client:
            await client.close_positions(legs[:1])
            gc.collect()
            tracemalloc.start()
            try:
                results = await client.close_positions(legs)
                _, peak = tracemalloc.get_traced_memory()
                attempts = max(len((result.closed or result.error).attempts) for result in results)  # type: ignore[union-attr]
                del results
                await asyncio.sleep(60)
                repr(limiter)  # looks at every key
                gc.collect()
                left, _ = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
        return peak / len(legs), left, attempts

    monkeypatch.setattr(Transport, "send", send)
    monkeypatch.setattr(logging.getLogger("okx_async"), "disabled", True)  # pytest keeps each warning
    return run(main, VirtualLoop(Network()))


def test_a_leg_costs_a_task_and_its_place_in_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    # Half of them wait in one queue, the others have an instrument each.
    legs = [okx.ClosePosition(f"X{number if number % 2 else 0}-USDT-SWAP", "cross") for number in range(LEGS)]
    peak, left, attempts = batch(monkeypatch, ACCEPTED, legs)
    assert attempts == 1
    assert peak < 12_000
    assert left < 750_000  # caches and containers, of bounded size


def test_repeats_add_their_records_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    legs = [okx.ClosePosition(f"X{number}-USDT-SWAP", "cross") for number in range(LEGS // 12)]
    peak, left, attempts = batch(monkeypatch, PASSING, legs)
    assert attempts == 6
    assert peak < 20_000
    assert left < 1_000_000
