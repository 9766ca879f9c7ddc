from dataclasses import replace

import pytest

from okx_async.torture import Plan, happen
from okx_async.torture.plan import Mishap, Part


def test_it_tells_who_sent_what_when_it_arrived_and_what_came_back(calm: Plan) -> None:
    plan = replace(calm, parts=(Part("idle", 0, 0.5, "idle"),), mishaps=(Mishap("hang-up early", 0.2, "hang-up"),))
    notes = happen(plan, noted=True).notes
    text = "\n".join(line for _, line in notes)
    times = [at for at, _ in notes]
    assert times == sorted(times)
    assert times[0] == pytest.approx(0.2)
    for part in (
        "MISHAP",
        "strategy idle begins at seat 0",
        "c1 at seat 0: close S0-USDT-SWAP NORMAL max_wait=None",
        "/api/v5/trade/close-position ARRIVED at the exchange",  # before the body was looked at
        "answered nothing and cut, fault hang-up early",
        "attempt: unknown",
        "told: unknown OutcomeUnknownError",
        "c4 ARRIVED at the exchange",
        "answered 0 200, executed",
        "c4 told: accepted",
        "client at seat 0 closes",
        "bytes reached server 1",
    ):
        assert part in text, part
