"""Where the time of one of our closes goes: µs of CPU of each stage, in a loop by itself."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks._table import Report, spread
from benchmarks.clients import CLOSED, KEYS
from okx_async import Client, ClosePosition, Credentials, Limiter
from okx_async._calls.attempt import AttemptState
from okx_async._calls.uid_lookup import UidLookup
from okx_async._http.bodies import Reply
from okx_async._http.inflight import InFlight
from okx_async._http.timeouts import TimeoutGroup
from okx_async._rest.outcomes import classify, decided
from okx_async._rest.records import closed_position
from okx_async._rest.requests import CLOSE_PATH, close_body
from okx_async._rest.responses import parse
from okx_async._rest.signing import Signer

IDS = [f"C{number}-USDT-SWAP" for number in range(2000)]
REQUEST = ClosePosition("BTC-USDT-SWAP", "cross")
REPLY = Reply(200, CLOSED, None)
REST, WHOLE = "the order of the steps: what is left", "ours, all of it"


class _Wire:
    """In place of the transport: connects at once, and answers."""

    opened = False

    async def send(self, request: InFlight, *_: object) -> Reply:
        request.connecting(2.0)
        request.connected(None)
        return REPLY

    async def aclose(self) -> None:
        pass


def _stages() -> dict[str, Callable[[int], Awaitable[None]]]:  # noqa: C901 - seven loops
    """Return the code of a close, stage by stage, each of which runs so many times."""
    credentials, limiter, ids = Credentials(*KEYS), Limiter(), itertools.cycle(IDS)
    timeouts, signer = TimeoutGroup(asyncio.get_running_loop()), Signer(credentials, demo=False)
    client: Any = Client(credentials, user_id="1", base_url="http://127.0.0.1:1", limiter=Limiter())
    client._wiring.sender._transport = _Wire()  # noqa: SLF001 - all but the socket
    UidLookup._start = lambda _: None  # type: ignore[method-assign, assignment]  # noqa: SLF001 - no exchange to ask
    now, body, answer = time.time(), close_body(REQUEST), parse(200, CLOSED)
    answered = AttemptState(InFlight(timeouts, timeout=5.0, wall_clock=time.time))

    async def slot(count: int) -> None:
        for _ in range(count):
            async with limiter.slot(next(ids)):
                pass

    async def validation(count: int) -> None:
        for _ in range(count):
            close_body(ClosePosition("BTC-USDT-SWAP", "cross"))

    async def headers(count: int) -> None:
        for _ in range(count):
            signer.headers("POST", CLOSE_PATH, body, now)

    async def timers(count: int) -> None:
        for _ in range(count):
            with InFlight(timeouts, timeout=5.0, wall_clock=time.time) as request:
                request.connecting(2.0)
                request.connected(None)

    async def parsing(count: int) -> None:
        for _ in range(count):
            read = parse(200, CLOSED)
            decided(read, classify(read))

    async def result(count: int) -> None:
        for _ in range(count):
            closed_position(answer, REQUEST, (answered.record(REQUEST),))

    async def everything(count: int) -> None:
        for _ in range(count):
            await client.close_position(next(ids), "cross")

    return {
        "limiter: a free slot": slot,
        "validation and body": validation,
        "timestamp, signature, headers": headers,
        "state and timers": timers,
        "parsing and classification": parsing,
        "records and result": result,
        WHOLE: everything,
    }


async def _measure(rounds: int, calls: int) -> dict[str, list[float]]:
    stages = _stages()
    found: dict[str, list[float]] = {name: [] for name in stages}
    for _ in range(rounds + 1):  # a round visits all of them, so that noise hits all; the first warms up
        for name, stage in stages.items():
            begun = time.process_time()
            await stage(calls)
            found[name].append((time.process_time() - begun) / calls * 1e6)
    return {name: figures[1:] for name, figures in found.items()}


def stages(rounds: int, calls: int) -> Report:
    """Return µs a call of every stage, of `close_position` with a transport that answers at once, and of its rest."""
    found = asyncio.run(_measure(rounds, calls))
    whole = found.pop(WHOLE)
    found |= {
        REST: [whole[number] - sum(of[number] for of in found.values()) for number in range(rounds)],
        WHOLE: whole,
    }
    report = Report("stages", "Stages of a close, µs of CPU: median (least to most)", ["", "µs"], raw={"us": found})
    for name, figures in found.items():
        report.add(name, spread(figures, 1))
    return report
