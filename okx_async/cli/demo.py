"""The `demo` command: eight strategies close a book through one client, and the simulated exchange counts.

Requests, windows and refusals are read from the exchange's journal. Only the waits and round trips of the calls, and
the final reading of positions, come from the client.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from math import ceil
from random import Random
from statistics import fmean
from typing import Any, Final, TypeAlias

import aiohttp

from okx_async import Attempt, Client, ClosePosition, CloseResult, OkxError, rate_key
from okx_async._rest.requests import CLOSE_PATH, close_body
from okx_async._rest.signing import Signer
from okx_async.cli.book import GROUPS, group_of, open_book
from okx_async.cli.exits import ExitCode, emit, say, say_error
from okx_async.cli.runs import QUOTA, STRATEGIES, Group, Key, Pace, Run, Settings
from okx_async.cli.signals import Stop
from okx_async.cli.signals import run as run_until_stopped
from okx_async.simulator import JournalRow, SimulatedExchange

_CONNECTIONS: Final = 100  # as many as the first round of closes sends at once
_FILL: Final = (0.01, 0.08)  # s from accepted to flat
_READINGS: Final = 3  # of positions; by then the last close has filled

_Tick: TypeAlias = Callable[[ClosePosition], None]


def run(settings: Settings, *, compare: bool, as_json: bool) -> ExitCode:
    """Run the demo and show the result; return FAILED if a promise did not hold."""
    stop = Stop()
    try:
        ended = run_until_stopped(_runs(settings, compare=compare, live=not as_json), stop)
    except OkxError as error:  # only reading positions raises; failed closes are part of the run
        say_error(error)
        return ExitCode.FAILED
    if ended is None:
        say(f"{stop.word}: the demo was not finished; all of it was simulated, nothing was sent anywhere")
        return ExitCode.FAILED
    ours, pace, other = ended
    if as_json:
        record: dict[str, Any] = {"settings": asdict(settings), "promises": ours.promises(), "pace": asdict(pace)}
        emit(record | {"okx_async": asdict(ours)} | ({} if other is None else {"no_limiter": asdict(other)}))
    else:
        from okx_async.cli.demo_page import print_demo  # noqa: PLC0415 - not for JSON

        print_demo(settings, ours, pace, other)
    return ExitCode.DONE if all(ours.promises().values()) else ExitCode.FAILED


async def _runs(settings: Settings, *, compare: bool, live: bool) -> tuple[Run, Pace, Run | None]:
    attempts: list[Attempt] = []
    ours = await _through_client(settings, attempts, live=live)
    pace = _pace(settings, attempts)
    return ours, pace, await _without_limiter(settings, live=live) if compare else None


async def _through_client(settings: Settings, attempts: list[Attempt], *, live: bool) -> Run:
    exchange, legs = _exchange(settings)
    async with exchange, _client(exchange, attempts.append) as client:
        await client.warm_up(_CONNECTIONS)
        with _progress(legs, "okx_async", live=live) as tick:
            began = time.perf_counter()
            shares = [legs[nth::STRATEGIES] for nth in range(STRATEGIES)]
            strategies = [
                (_at_once if nth % 2 else _one_by_one)(client, share, tick) for nth, share in enumerate(shares)
            ]
            results = [result for share in await asyncio.gather(*strategies) for result in share]
            took = time.perf_counter() - began
        waits: dict[str, float] = {}
        for attempt in attempts:
            scope = _scope(attempt.request)
            waits[scope] = max(waits.get(scope, 0.0), attempt.waited)
        failures = tuple(str(result.error) for result in results if not result.ok)
        return _counted(exchange, took, await _left(client), waits, failures)


async def _without_limiter(settings: Settings, *, live: bool) -> Run:
    """Send the same closes without a limiter: all at once, none repeated."""
    exchange, legs = _exchange(settings)
    signer = Signer(exchange.credentials, demo=False)
    connector = aiohttp.TCPConnector(limit=0)
    async with exchange, aiohttp.ClientSession(exchange.base_url, connector=connector) as session:

        async def close(leg: ClosePosition) -> None:
            body = close_body(leg)
            headers = signer.headers("POST", CLOSE_PATH, body, time.time())
            async with session.post(CLOSE_PATH, data=body, headers=headers) as response:
                await response.read()
            tick(leg)

        with _progress(legs, "no limiter", live=live) as tick:
            began = time.perf_counter()
            await asyncio.gather(*map(close, legs))
            took = time.perf_counter() - began
        async with _client(exchange) as client:
            return _counted(exchange, took, await _left(client), {})


async def _at_once(client: Client, share: Sequence[ClosePosition], tick: _Tick) -> list[CloseResult]:
    """Close a share as one batch."""
    return await client.close_positions(share, on_result=lambda result: tick(result.request))


async def _one_by_one(client: Client, share: Sequence[ClosePosition], tick: _Tick) -> list[CloseResult]:
    """Close a share with one task for each position."""

    async def close(leg: ClosePosition) -> CloseResult:
        try:
            return CloseResult(leg, closed=await client.close_position(leg.inst_id, leg.mgn_mode))
        except OkxError as error:
            return CloseResult(leg, error=error)
        finally:
            tick(leg)

    return await asyncio.gather(*map(close, share))


def _exchange(settings: Settings) -> tuple[SimulatedExchange, list[ClosePosition]]:
    exchange = SimulatedExchange(latency=settings.latency, jitter=settings.jitter, fill_delay=_FILL, seed=settings.seed)
    return exchange, open_book(exchange, Random(settings.seed))  # noqa: S311 - reproducible


def _client(exchange: SimulatedExchange, on_attempt: Callable[[Attempt], object] | None = None) -> Client:
    return Client(exchange.credentials, base_url=exchange.base_url, on_attempt=on_attempt)


async def _left(client: Client) -> int:
    """Return the number of open positions, read again while accepted closes may still have to fill."""
    left = 0
    for _ in range(_READINGS):
        left = len(await client.positions())
        if not left:
            break
        await asyncio.sleep(_FILL[1])
    return left


def _counted(
    exchange: SimulatedExchange,
    took: float,
    left: int,
    waits: Mapping[str, float],
    failures: tuple[str, ...] = (),
) -> Run:
    """Return the run as the exchange's journal has it; `waits` holds the longest wait of each scope (s)."""
    closes: dict[str, list[JournalRow]] = {}
    for row in exchange.journal:
        if row.path == CLOSE_PATH and row.key is not None:
            closes.setdefault(row.key[1], []).append(row)
    rejected = Counter(row.key[1] for row in exchange.rejections if row.key is not None)
    groups = []
    for name in GROUPS:
        keys = [
            Key(
                scope=scope,
                requests=len(rows),
                worst_window=exchange.worst_window(rows[0].key),
                refused=rejected[scope],
                longest_wait_s=waits.get(scope, 0.0),
            )
            for scope, rows in sorted(closes.items())
            if group_of(scope) == name
        ]
        groups.append(
            Group(
                name=name,
                keys=len(keys),
                requests=sum(key.requests for key in keys),
                closed=sum(row.executed for key in keys for row in closes[key.scope]),
                worst_window=max((key.worst_window for key in keys), default=0),
                refused=sum(key.refused for key in keys),
                longest_wait_s=max((key.longest_wait_s for key in keys), default=0.0),
                by_key=tuple(keys),
            )
        )
    return Run(tuple(groups), took, exchange.worst_window(), len(exchange.rejections), left, failures)


def _pace(settings: Settings, attempts: Sequence[Attempt]) -> Pace:
    """Return the bounds of the busiest key."""
    requests = max(Counter(_scope(one.request) for one in attempts).values())
    rounds = ceil(requests / QUOTA.limit)
    trips = [one.settled - one.sent for one in attempts if one.sent is not None and one.settled is not None]
    trip = fmean(trips or [0.0])
    return Pace(
        requests=requests,
        rounds=rounds,
        least_s=(rounds - 1) * QUOTA.per + 2 * settings.latency,
        rule_s=(rounds - 1) * (QUOTA.per + trip) + trip,
        round_trip_s=trip,
    )


def _scope(leg: ClosePosition) -> str:
    return rate_key("-", leg.inst_id)[1]


def _progress(legs: Sequence[ClosePosition], title: str, *, live: bool) -> AbstractContextManager[_Tick]:
    if not live:
        return nullcontext(lambda _: None)
    from okx_async.cli.demo_page import progress  # noqa: PLC0415 - not for JSON

    return progress(Counter(group_of(_scope(leg)) for leg in legs), title)
