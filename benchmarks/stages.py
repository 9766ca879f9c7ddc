"""Where the time of one of our closes goes: µs of CPU of each stage, by itself.

Run: python -m benchmarks.stages [--rounds N] [--calls N] [--json FILE]

Each stage is the code that a close runs, called in a loop; a round visits all of them, so that noise hits all. "ours,
all of it" is `close_position` with a transport that answers at once: what is in no stage of its own is the order of the
steps. What aiohttp takes is the difference to a close over a socket (benchmarks.client).
"""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Any

from benchmarks._table import Report, arguments, spread
from benchmarks.clients import KEYS, PASSPHRASE, SECRET
from okx_async import Client, ClosePosition, Credentials, Limiter
from okx_async._calls.attempt import AttemptState
from okx_async._calls.uid_lookup import UidLookup
from okx_async._http.inflight import InFlight
from okx_async._http.timeouts import TimeoutGroup
from okx_async._http.transport import Reply
from okx_async._rest.outcomes import classify, decided
from okx_async._rest.records import closed_position
from okx_async._rest.requests import CLOSE_PATH, close_body
from okx_async._rest.responses import parse
from okx_async._rest.signing import Signer

IDS = [f"C{number}-USDT-SWAP" for number in range(2000)]
REQUEST = ClosePosition("BTC-USDT-SWAP", "cross")
BODY = b'{"code":"0","data":[{"clOrdId":"","instId":"BTC-USDT-SWAP","posSide":"net","tag":""}],"msg":""}'
CREDENTIALS = Credentials(KEYS, SECRET, PASSPHRASE)
REPLY = Reply(200, BODY, None)


class Wire:
    """In place of the transport: connects at once, and answers."""

    opened = False

    async def send(self, flight: InFlight, *_: object) -> Reply:
        """Answer."""
        flight.connecting(2.0)
        flight.connected(None)
        return REPLY

    async def aclose(self) -> None:
        """Do nothing."""


class Stages:
    """Each runs one stage so many times."""

    def __init__(self) -> None:
        self._limiter, self._signer = Limiter(), Signer(CREDENTIALS, demo=False)
        self._patience = TimeoutGroup(asyncio.get_running_loop())
        client: Any = Client(CREDENTIALS, user_id="1", base_url="http://127.0.0.1:1", limiter=Limiter())
        client._wiring.sender._transport = Wire()  # noqa: SLF001 - all but the socket
        self._client: Client = client
        self._ids = itertools.cycle(IDS)

    async def slot(self, count: int) -> None:
        """Take and leave a free slot."""
        for _ in range(count):
            async with self._limiter.slot(next(self._ids)):
                pass

    async def validation(self, count: int) -> None:
        """Make a request and its body."""
        for _ in range(count):
            close_body(ClosePosition("BTC-USDT-SWAP", "cross"))

    async def headers(self, count: int) -> None:
        """Sign."""
        now, body = time.time(), close_body(REQUEST)
        for _ in range(count):
            self._signer.headers("POST", CLOSE_PATH, body, now)

    async def timers(self, count: int) -> None:
        """Limit the time to connect, and to answer."""
        for _ in range(count):
            with InFlight(self._patience, timeout=5.0, wall_clock=time.time) as request:
                request.connecting(2.0)
                request.connected(None)

    async def parsing(self, count: int) -> None:
        """Read an answer and decide what it means."""
        for _ in range(count):
            answer = parse(200, BODY)
            decided(answer, classify(answer))

    async def result(self, count: int) -> None:
        """Make the record of the attempt, and the result."""
        answer, flight = parse(200, BODY), AttemptState(InFlight(self._patience, timeout=5.0, wall_clock=time.time))
        for _ in range(count):
            closed_position(answer, REQUEST, (flight.record(REQUEST),))

    async def everything(self, count: int) -> None:
        """Close positions."""
        for _ in range(count):
            await self._client.close_position(next(self._ids), "cross")


async def measure(rounds: int, calls: int) -> dict[str, list[float]]:
    """Return µs a call of every stage."""
    UidLookup._start = lambda _: None  # type: ignore[method-assign, assignment]  # noqa: SLF001 - there is nobody to ask
    stages = Stages()
    of = {
        "limiter: a free slot": stages.slot,
        "validation and body": stages.validation,
        "timestamp, signature, headers": stages.headers,
        "state and timers": stages.timers,
        "parsing and classification": stages.parsing,
        "records and result": stages.result,
        "ours, all of it": stages.everything,
    }
    found: dict[str, list[float]] = {name: [] for name in of}
    for number in range(-1, rounds):
        for name, run in of.items():
            begun = time.process_time()
            await run(calls)
            if number >= 0:  # the first round warms up
                found[name].append((time.process_time() - begun) / calls * 1e6)
    return found


def main() -> None:
    """Measure and print the table."""
    args = arguments(__doc__, rounds=15, calls=2000).parse_args()
    found = asyncio.run(measure(args.rounds, args.calls))
    *parts, whole = found
    found["the order of the steps: what is left"] = [
        found[whole][number] - sum(found[part][number] for part in parts) for number in range(args.rounds)
    ]
    report = Report("Stages of a close, µs of CPU: median (least to most)", ["", "µs"], [])
    for name in [*parts, "the order of the steps: what is left", whole]:
        report.add(name, spread(found[name], 1))
    report.raw = {"us": found}
    report.publish(args.json)


if __name__ == "__main__":
    main()
