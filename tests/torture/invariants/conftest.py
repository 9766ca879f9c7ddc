"""What the tests of the invariants share: rows, attempts and calls to make up evidence of."""

from typing import Any

import okx_async as okx
from okx_async.simulator import JournalRow
from okx_async.torture.calls import Call
from okx_async.torture.evidence import Evidence
from okx_async.torture.invariants.table import judge
from okx_async.torture.invented import EPOCH

CLOSE = "/api/v5/trade/close-position"
KEY = ("123", "S0-USDT-SWAP")


def row(at: float, **changes: Any) -> JournalRow:
    plain = {"uid": "123", "key": KEY, "method": "POST", "path": CLOSE, "code": "0", "status": 200, "executed": False}
    return JournalRow(**{"at": at, **plain, **changes})


def attempt(**changes: Any) -> okx.Attempt:
    plain: dict[str, Any] = {
        "request": okx.ClosePosition("S0-USDT-SWAP", "cross", cl_ord_id="c1"),
        "key": ("env", *KEY),
        "waited": 0.0,
        "sent": EPOCH,
        "settled": EPOCH,
        "code": "0",
        "status": 200,
        "outcome": okx.Outcome.ACCEPTED,
        "token": "settled",
    }
    return okx.Attempt(**{**plain, **changes})


def found(evidence: Evidence) -> list[tuple[str, str]]:
    evidence.__post_init__()
    return [(breach.invariant, breach.words) for breach in judge(evidence)]


def call(evidence: Evidence, told: str, attempts: list[okx.Attempt], **changes: Any) -> Call:
    request = okx.ClosePosition("S0-USDT-SWAP", "cross", cl_ord_id="c1")
    made = Call(request, 0, 1000.0, None, okx.Priority.NORMAL, attempts=attempts, told=told, ended=1000.5)
    for name, value in changes.items():
        setattr(made, name, value)
    evidence.calls["c1"] = made
    return made


LOST = attempt(outcome=okx.Outcome.UNKNOWN, token="in doubt", code="")
RATE = attempt(outcome=okx.Outcome.RATE, code="50011")
