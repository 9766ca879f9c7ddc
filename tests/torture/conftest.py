"""What the torture's own tests share: a small calm plan, and evidence that can be falsified."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from okx_async import Attempt, ClosePosition, FlattenState, Outcome, Priority
from okx_async.simulator import Path
from okx_async.torture.evidence import Evidence
from okx_async.torture.flatten_records import REPORT, FlattenRecord, FlattenScope
from okx_async.torture.invariants.table import judge
from okx_async.torture.plan import AccountOptions, ExchangeOptions, NetworkConditions, Part, Plan, Seat
from okx_async.torture.watched_limiter import Wait
from okx_async.torture.witness import Address, ExecutedClose, PositionsAnswer

SEAT = Seat(timeout=2.0, connect_timeout=1.0)


@pytest.fixture
def calm() -> Plan:
    """One client, one strategy, nothing that goes wrong."""
    return Plan(
        seed=1,
        span=5.0,
        conditions=NetworkConditions(Path(0.01, 0.01), Path(0.01, 0.01)),
        exchange=ExchangeOptions(),
        accounts=(AccountOptions(),),
        seats=(SEAT,),
        parts=(Part("waves", 0, 0.5, "waves"),),
        mishaps=(),
        grace=1.0,
    )


@pytest.fixture
def seated(calm: Plan) -> Callable[..., Plan]:
    """Return the calm plan with changes to its seat."""
    return lambda **changes: replace(calm, seats=(replace(SEAT, **changes),))


@pytest.fixture
def evidence(calm: Plan) -> Evidence:
    """Nothing happened yet."""
    return Evidence(plan=calm, start=1000.0, journal=[], calls={}, limiters=[], not_at_rest=[], leftovers=[])


@pytest.fixture
def run_for_it(evidence: Evidence) -> "RunForIt":
    """Return what makes up the story of one flatten of a position of 3 contracts, and judges it."""
    return RunForIt(evidence)


class RunForIt:
    """One flatten as it may have been; times are seconds since the beginning."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.flatten = FlattenRecord("e1", 0, "123", "key", FlattenScope(), 1000.0, 8.0, 5.0)
        self.waits: list[Wait] = []
        evidence.flattens["e1"] = self.flatten
        evidence.limiters = [SimpleNamespace(waits=self.waits, idle=[])]  # type: ignore[list-item]  # a stand-in
        self.flatten.taken_up.append(self.record())
        self.flatten.clock_errors.append(0.0)

    @staticmethod
    def record(**changes: Any) -> dict[str, Any]:
        """Return what the exchange lists of the position."""
        plain = {"instId": "F0-USDT-SWAP", "mgnMode": "cross", "posSide": "net", "ccy": "USDT", "pos": "3"}
        return {**plain, "posCcy": "", "posId": "7", "cTime": "1000", "uTime": "1001", **changes}

    def read(self, begun: float, *records: dict[str, Any], ended: float | None = None, asks: str = "") -> None:
        """Let it read positions, within 0.1 s; `asks`: the query."""
        ended = begun + 0.1 if ended is None else ended
        wait = Wait(("env", "123", "account/positions"), Priority.PANIC, 1000.0 + begun, 1000.0 + begun)
        wait.ended, wait.call, wait.fate = 1000.0 + ended, "e1", "settled"
        self.waits.append(wait)
        body = orjson.dumps({"code": "0", "data": list(records), "msg": ""})
        self.evidence.witness.answers.append(PositionsAnswer(1000.0 + (begun + ended) / 2, "key", asks, body))

    def close(
        self,
        sent: float,
        outcome: Outcome = Outcome.ACCEPTED,
        code: str = "0",
        *,
        done: bool | None = None,
        auto_cxl: bool = False,
    ) -> Attempt:
        """Let it close, within 0.1 s; the exchange executes it if it is accepted, or `done`."""
        token: Any = "in doubt" if outcome is Outcome.UNKNOWN else "settled"
        request = ClosePosition("F0-USDT-SWAP", "cross", auto_cxl=auto_cxl)
        attempt = Attempt(request, ("env", "123", "F0-USDT-SWAP"), 0.0, 1.0, 2.0, code, 200, outcome, token)
        self.flatten.attempt(attempt, 1000.0 + sent, 1000.1 + sent)
        if outcome is Outcome.ACCEPTED if done is None else done:
            address = Address("F0-USDT-SWAP", "cross", "net", "")
            self.evidence.witness.executed.append(
                ExecutedClose(1000.05 + sent, 1000.05 + sent, "123", "key", address, "")
            )
        return attempt

    def report(
        self, state: str, at: float, *, flat: bool, after: dict[str, Any] | None = None, error: Any = None
    ) -> None:
        """Let it come back with a report of one row."""
        before = SimpleNamespace(raw=self.flatten.taken_up[0], inst_id="F0-USDT-SWAP")
        attempts = tuple(one.attempt for closes in self.flatten.closes.values() for one in closes)
        row = SimpleNamespace(
            before=before,
            position=before,
            attempts=attempts,
            after=None if after is None else SimpleNamespace(raw=after),
            state=FlattenState(state),
            error=error,
        )
        report: Any = SimpleNamespace(flat=flat, rows=(row,))
        self.flatten.report, self.flatten.told, self.flatten.ended = report, REPORT, 1000.0 + at

    def breaches(self) -> list[tuple[str, str]]:
        """Judge it."""
        return [(breach.invariant, breach.words) for breach in judge(self.evidence)]
