"""The judgement of a shared history: by the exchange's journal, and by what is left when all is quiet."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from math import floor, inf
from typing import TypeAlias

from okx_async import Quota
from okx_async.simulator.api.arrivals import worst_window
from okx_async.simulator.api.endpoints import ROUTES
from okx_async.stores.line import Ask
from okx_async.torture.calls import ACCEPTED, NOT_SENT, REFUSED
from okx_async.torture.evidence import Breach
from okx_async.torture.invented import LIMIT
from okx_async.torture.sharing.memory_store import Message, Visit
from okx_async.torture.sharing.world import SMALL, World

CLOSED = 2001
"""Milliseconds of a window of 2 s that is closed at both ends."""
RateKey: TypeAlias = tuple[str, str]


def judge(world: World) -> list[Breach]:
    """Return what the exchange and the callers have to say against it."""
    start = world.start
    found = [
        Breach("windows", f"{worst} within 2 s at {key}, {limit} are allowed")
        for key, worst, limit in windows(world)
        if worst > limit
    ]
    refused = [row for row in world.exchange.journal if row.code == "50011" and not row.fault]
    found += [Breach("refused", f"{row.cl_ord_id or row.path} at {row.at - start:.3f}") for row in refused]
    found += [Breach("stranded", text) for text in world.stranded.values()]
    found += [Breach("store", text) for text in world.store.wrong]
    found += [Breach("quota", text) for text in _small(world)]
    found += [Breach("truth", text) for text in _truth(world)]
    return found


def windows(world: World) -> Iterator[tuple[RateKey, int, int]]:
    """Yield each key with the most requests of a window, and the limit."""
    times: dict[RateKey, list[int]] = defaultdict(list)
    limits: dict[RateKey, int] = {}
    for row in world.exchange.journal:
        if row.key is not None:
            times[row.key].append(floor(row.at * 1000))
            limits[row.key] = ROUTES[row.method, row.path.partition("?")[0]].limit
    for key, ats in times.items():
        yield key, worst_window(ats, CLOSED), limits[key]


def _small(world: World) -> Iterator[str]:
    """Say where a smaller quota of one program was not kept by all, once what was out when it came is back."""
    if not world.plan.small or world.failed:
        return
    mine: dict[RateKey, list[float]] = defaultdict(list)
    every: dict[RateKey, list[float]] = defaultdict(list)
    for row in world.exchange.journal:
        if row.key is not None and row.cl_ord_id:
            every[row.key].append(row.at)
            if row.cl_ord_id.startswith("p0x"):
                mine[row.key].append(row.at)
    hold = world.plan.longest_hold
    for key, ats in mine.items():
        first, last = min(ats) + hold, max(ats)
        within = [floor(at * 1000) for at in every[key] if first <= at <= last]
        since = sorted(at for at in every[key] if at >= min(ats))
        # Longer without a request of any program, and the key may have been idle and so forgotten.
        if max((b - a for a, b in pairwise(since) if a < last), default=inf) < Quota(SMALL).per and within:
            worst = worst_window(within, CLOSED)
            if worst > SMALL:
                yield f"{worst} within 2 s at {key}, one program was told {SMALL}"


def _truth(world: World) -> Iterator[str]:
    """Callers are told what the exchange did."""
    executed: dict[str, int] = defaultdict(int)
    arrived: dict[str, int] = defaultdict(int)
    for row in world.exchange.journal:
        arrived[row.cl_ord_id] += 1
        executed[row.cl_ord_id] += row.executed
    for name, call in world.calls.made.items():
        if executed[name] > 1:
            yield f"{name}: executed {executed[name]} times"
        if call.told == ACCEPTED and executed[name] != 1:
            yield f"{name}: told accepted, executed {executed[name]} times"
        elif call.told == REFUSED and executed[name]:
            yield f"{name}: told refused ({call.words}), but it was executed"
        elif call.told == NOT_SENT and arrived[name]:
            yield f"{name}: told not sent ({call.words}), but it arrived"


def meet(world: World) -> None:
    """Show the store to the judge, a hold before `stuck`: a store that restarted last of all pauses from then on."""
    if world.plan.store:
        world.store.take(Message("judge", world.plan.terms, (), world.store.clock() + 1.0, -inf))


def stuck(world: World) -> Iterator[str]:
    """When all is quiet and a hold has passed since `meet`, the whole limit is there."""
    if not world.plan.store:
        keys = world.limiter.keys()
        for limited in keys:
            state = world.limiter.statistics(limited)
            if state.free != state.limit or state.waiting:
                yield f"{limited!r}: {state}"
        return
    quota = Quota(LIMIT)
    for key in list(world.store.records):
        if "/" in key[-1]:
            continue
        asks = tuple(Ask(f"judge{number}", f"judge{number}", stays=False) for number in range(LIMIT))
        message = Message("judge", world.plan.terms, (Visit(key, quota, (), asks),), world.store.clock() + 1.0, -inf)
        [seen] = world.store.take(message)
        granted = sum(answer.at is not None for answer in seen.answers)
        if granted < seen.bucket.quota.limit:
            yield f"{key!r}: {granted} tokens of {LIMIT} are there: {seen.bucket.tokens}, {seen.bucket.line}"
