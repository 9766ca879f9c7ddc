"""Every code of the table, and every shape of an answer, through close_position."""

from __future__ import annotations

from typing import Any

import pytest

from okx_async import Outcome
from tests.codes import BY_HAND, SAMPLE_CODES, SAMPLES
from tests.faults.calls import COLUMNS
from tests.faults.cells import Cell, Row
from tests.faults.observe import observe
from tests.faults.page import breaches
from tests.faults.world import STRUCK, World

SHAPES = ("full", "bare", "object", "integer", "item", "suffix")
# Within max_wait=0.7 a close refused for a passing reason is sent twice; a throttled key pauses for longer.
SENT = {Outcome.LATER: 2, Outcome.CLOCK: 2}


def differences(cell: Cell, **fault: Any) -> list[str]:
    async def arrange(world: World) -> None:
        world.exchange.inject(inst_id=STRUCK, times=None, **fault)

    row = Row("codes", repr(fault), arrange, {"close_position": cell}, max_wait=0.7)
    return breaches(row, "close_position", observe(row, COLUMNS)["close_position"])


@pytest.mark.parametrize("number", range(len(BY_HAND)), ids=list(BY_HAND))
def test_a_code(number: int) -> None:
    code, (outcome, error) = list(BY_HAND.items())[number]
    shape = "full" if len(code) != 5 else SHAPES[number % len(SHAPES)]
    unknown = outcome is Outcome.UNKNOWN
    sent = SENT.get(outcome, 1)
    shown = f"{code}_1000" if shape == "suffix" else code
    for executed in {False, unknown}:
        cell = Cell(
            error.__name__, shown, int(executed), sent, "d" if unknown else "s" * sent, asked=outcome is Outcome.CLOCK
        )
        assert differences(cell, code=code, shape=shape, executed=executed) == []


# Samples after which the close is sent again, and samples that leave the slot in doubt although it was refused.
TWICE = {"ClockSkewError/no-data-401.json", "UnavailableError/full-503.json"}
DOUBTED = {"cdn-403.html", "foreign-json-401.json", "gateway-404.json", "redirect-302.html"}


@pytest.mark.parametrize("name", SAMPLE_CODES)
def test_a_sample(name: str) -> None:
    path = SAMPLES / name
    error = path.parent.name
    unknown = error == "OutcomeUnknownError"
    accepted = error == "ClosedPosition"
    sent = 2 if name in TWICE else 1
    for executed in {accepted, accepted or unknown}:
        cell = Cell(
            told="accepted" if accepted else error,
            code="" if accepted else SAMPLE_CODES[name],
            done=int(executed),
            sent=sent,
            tokens="d" if unknown or path.name in DOUBTED else "s" * sent,
            asked=int(error == "ClockSkewError"),
        )
        status = int(path.stem.rpartition("-")[2])
        assert differences(cell, body=path.read_bytes(), status=status, executed=executed) == []
