"""Requests that tell which check comes first."""

from typing import Any

import pytest

from okx_async.rehearsal.recording.entry import Entry, Login
from okx_async.rehearsal.recording.orders import tells_order

USUAL: dict[str, Any] = {
    "at": 0.0,
    "took": 0.1,
    "method": "POST",
    "path": "/api/v5/trade/close-position",
    "status": 200,
}
SIGNED = Login("own", "own", "right", 0.0, demo=True)
WRONG = Login("own", "own", "wrong", 0.0, demo=True)


@pytest.mark.parametrize(
    ("trial", "login", "told"),
    [
        ("body-is-read-before-signature", WRONG, True),
        ("twenty-first-close-is-50011", WRONG, True),
        ("twenty-first-close-is-50011", SIGNED, False),
        ("signature-is-checked-before-rate", None, False),
        ("wrong-signature-is-50113", WRONG, False),
    ],
)
def test_only_requests_with_several_faults_tell_an_order(trial: str, login: Login | None, *, told: bool) -> None:
    assert tells_order(Entry(**USUAL, trial=trial, login=login)) is told
