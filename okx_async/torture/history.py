"""Runs the history of a plan, and judges it by the invariants."""

import asyncio
import gc
import logging
import random
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

from okx_async.simulator import DeadlockError, Network, VirtualLoop, run
from okx_async.torture.draw import draw
from okx_async.torture.evidence import SLACK, Breach, Evidence, digest
from okx_async.torture.invariants.table import judge
from okx_async.torture.mishaps import MISHAPS, strike
from okx_async.torture.plan import Mishap, Part, Plan
from okx_async.torture.rivals import RIVALS
from okx_async.torture.scenes import SCENES
from okx_async.torture.stage import HOOK_ERROR, Stage
from okx_async.torture.strategies import STRATEGIES, run_strategy
from okx_async.torture.time_limit import TimeLimitError, time_limit
from okx_async.torture.timeline import timeline

REAL_SECONDS = 300.0
"""What a history may take at most; most take a tenth of one."""
PATIENCE = 600.0
"""Seconds after the span in which every strategy must have come to its end."""
LANDING = 10.0
"""Seconds in which the last words of closed connections arrive."""
SILENCE = 90.0
"""Seconds until what refusals took from the usable limit has come back, a token a window, after the longest block."""


class Recorded:
    """A history that can be written as JSON."""

    __slots__ = ()

    plan: Any
    hash: str
    requests: int
    faults: int
    virtual_seconds: float
    broken: tuple[Breach, ...]

    def record(self) -> dict[str, Any]:
        """Return what `--json` prints of it."""
        return {
            "seed": self.plan.seed,
            "hash": self.hash,
            "requests": self.requests,
            "faults": self.faults,
            "virtual_seconds": round(self.virtual_seconds, 6),
            "broken": [str(breach) for breach in self.broken],
        }


@dataclass(frozen=True, slots=True)
class History(Recorded):
    """The result of a plan that was run."""

    plan: Plan
    hash: str
    requests: int
    faults: int
    virtual_seconds: float
    broken: tuple[Breach, ...]
    told: dict[str, int]
    notes: tuple[tuple[float, str], ...] = ()
    """The timeline, if one was kept: seconds since the beginning, and what happened."""


def plan_of(seed: int) -> Plan:
    """Return the plan of a seed."""
    return draw(
        seed,
        {kind: row[0] for kind, row in STRATEGIES.items()},
        {kind: row[0] for kind, row in MISHAPS.items()},
        {kind: row[0] for kind, row in SCENES.items()},
        {kind: row[0] for kind, row in RIVALS.items()},
    )


def happen(plan: Plan, *, noted: bool = False) -> History:
    """Run a plan and judge it. The same plan gives the same history, to the last bit."""
    notes: list[tuple[float, str]] | None = [] if noted else None
    conditions = plan.conditions
    network = Network(seed=plan.seed, inward=conditions.inward, outward=conditions.outward, trace=notes)
    late = Random(f"{plan.seed} lag")
    lag = (lambda: conditions.lag * late.random()) if conditions.lag else None
    loop = VirtualLoop(network, coarse=conditions.coarse, lag=lag)
    start = loop.clock()
    left: list[str] = []
    try:
        with time_limit(REAL_SECONDS), diagnostics_captured(loop, left, plan.seed):
            evidence = run(lambda loop: _take_place(Stage(plan, loop, network, notes), left), loop)
    except (DeadlockError, TimeLimitError) as error:  # there is no end that could be judged
        broken = (Breach("progress", str(error)),)
        told_until = tuple((at - start, text) for at, text in notes or ())
        return History(plan, "", 0, 0, loop.clock() - start, broken, {}, told_until)
    told = Counter(call.told for call in evidence.calls.values())
    told.update(flatten.told for flatten in evidence.flattens.values())
    return History(
        plan=plan,
        hash=digest(evidence.journal, evidence.calls.values(), evidence.flattens.values()),
        requests=len(evidence.journal),
        faults=evidence.mishap_count + sum(bool(row.fault) for row in evidence.journal),
        virtual_seconds=loop.clock() - start,
        broken=tuple(judge(evidence)),
        told=dict(sorted(told.items())),
        notes=() if notes is None else timeline(evidence, notes),
    )


async def _take_place(stage: Stage, left: list[str]) -> Evidence:
    plan, loop = stage.plan, stage.loop
    start = loop.clock()
    async with stage.exchange:
        for limiter in stage.limiters:
            limiter.start_idle_checks(0.37, SLACK + plan.conditions.freeze)
        mishaps = [loop.call_at(start + mishap.at, _strike, stage, mishap) for mishap in plan.mishaps]
        parts = {asyncio.ensure_future(_run_part(stage, part)): part for part in plan.parts}
        if parts:
            await asyncio.wait(parts, timeout=plan.span + PATIENCE)
        for task, part in parts.items():
            if not task.done():
                left.append(f"{part.kind} at seat {part.seat} has not come to its end")
                task.cancel()
            elif (error := task.exception()) is not None:
                left.append(f"{part.kind} at seat {part.seat} ended in {error!r}")
        for timer in mishaps:
            timer.cancel()
        stage.exchange.clear_faults()
        for desk in stage.desks:
            await desk.close_client()
        for limiter in stage.limiters:
            limiter.stop_idle_checks()
        if parts:
            await asyncio.wait(parts)
        not_at_rest = await _silence(stage)
    await asyncio.sleep(LANDING)
    here = asyncio.current_task()
    left += sorted(f"task {task.get_name()}: {task.get_coro()!r}" for task in asyncio.all_tasks() if task is not here)
    left += [f"timer {timer!r}" for timer in loop.timers()]
    left += [f"connection {wire.near!r} {wire.far!r}" for wire in stage.network.wires.values()]
    return Evidence(
        plan=plan,
        start=start,
        journal=stage.exchange.journal,
        calls=stage.calls.made,
        limiters=stage.limiters,
        not_at_rest=not_at_rest,
        leftovers=left,
        mishap_count=stage.mishap_count,
        flattens=stage.flattens,
        witness=stage.witness,
        trades=stage.exchange.trades if stage.flattens else (),
        resting=frozenset(
            [order.ord_id for order in stage.exchange.pending_orders]
            + [order.algo_id for order in stage.exchange.algo_orders]
        ),
    )


async def _run_part(stage: Stage, part: Part) -> None:
    await asyncio.sleep(part.at)
    stage.note(f"strategy {part.kind} begins at seat {part.seat}")
    await run_strategy(part.kind, stage, stage.desks[part.seat], Random(part.seed))


def _strike(stage: Stage, mishap: Mishap) -> None:
    strike(mishap.kind, stage, Random(mishap.seed))


async def _silence(stage: Stage) -> list[str]:
    """Wait without requests, and return the states of limiters that are not at rest when they should be."""
    linger = max(limiter.linger for limiter in stage.limiters)
    await asyncio.sleep(linger * 1.001 + SLACK)
    not_at_rest = []
    for limiter in stage.limiters:
        for key in {wait.key: None for wait in limiter.waits}:
            state = limiter.limiter.statistics(key)
            if state.free != state.limit or state.waiting:
                not_at_rest.append(f"{key!r} after the grace and a window: {state}")
    await asyncio.sleep(SILENCE)
    for limiter in stage.limiters:
        for key in {wait.key: None for wait in limiter.waits}:
            state = limiter.limiter.statistics(key)
            if state.usable != state.limit:
                not_at_rest.append(f"{key!r} after {SILENCE:g} s more: {state}")
        if ": 0 keys, 0 in flight, 0 waiting>" not in repr(limiter.limiter):
            not_at_rest.append(repr(limiter.limiter))
    return not_at_rest


@contextmanager
def diagnostics_captured(loop: VirtualLoop, left: list[str], seed: int) -> Iterator[None]:
    """Collect log errors, warnings and unraisable exceptions in `left`; keep the garbage collector off meanwhile."""
    loop.set_exception_handler(lambda _, context: left.append(f"{context['message']}: {context.get('exception')!r}"))
    handler = _Errors(left)
    names = ("okx_async", "aiohttp", "asyncio")
    collecting, hook, draws = gc.isenabled(), sys.unraisablehook, random.getstate()
    random.seed(seed)  # aiohttp and others draw from the module's generator
    gc.disable()  # it would run at arbitrary moments; without it a history is a third faster
    frozen = gc.get_freeze_count()
    gc.freeze()  # the collection at the end covers this history's objects only
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        sys.unraisablehook = lambda args: left.append(f"unraisable: {args.exc_value!r} in {args.object!r}")
        logging.disable(logging.WARNING)  # a history has thousands
        loggers = [logging.getLogger(name) for name in names]
        others = [(logger, logger.handlers, logger.propagate) for logger in loggers]
        for logger in loggers:
            logger.handlers = [handler]  # errors are judged; the program's own handlers stay silent
            logger.propagate = False
        try:
            yield
            gc.collect()  # an exception never retrieved is reported when its task is collected
        finally:
            for logger, handlers, propagate in others:
                logger.handlers = handlers
                logger.propagate = propagate
            logging.disable(logging.NOTSET)
            if not frozen:  # what the program froze itself stays so
                gc.unfreeze()
            sys.unraisablehook = hook
            random.setstate(draws)
            if collecting:
                gc.enable()
    left += [f"{warning.category.__name__}: {warning.message}" for warning in warned]


class _Errors(logging.Handler):
    """A handler that collects the messages logged as errors."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        if "the turned position stands there now" in record.getMessage():
            return  # a message to the user about the account
        if record.getMessage().startswith("wall_clock "):
            return  # a message to the user about a clock that fails on purpose
        if record.exc_info and HOOK_ERROR in map(str, getattr(record.exc_info[1], "args", ())):
            return  # of a hook that fails on purpose
        self._lines.append(
            f"logged: {record.getMessage()} {record.exc_info[1]!r}"
            if record.exc_info
            else "logged: " + record.getMessage()
        )
