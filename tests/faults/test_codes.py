"""Every code of the table, and every shape of an answer, through close_position."""

from typing import Any

import pytest

from okx_async import Outcome
from tests.codes import BY_HAND, SAMPLE_CODES, SAMPLES
from tests.faults.calls import COLUMNS
from tests.faults.cells import Cell, Row
from tests.faults.observe import observe
from tests.faults.page import breaches
from tests.faults.world import STRUCK, World

OUTCOMES = {outcome for outcome, _ in BY_HAND.values()}
SHAPES = ("full", "bare", "object", "integer", "item", "suffix")
# Within max_wait=0.7 a close refused for a passing reason is sent twice; a throttled key pauses for longer.
SENT = {Outcome.LATER: 2, Outcome.CLOCK: 2}


def differences(cell: Cell, **fault: Any) -> list[str]:
    async def arrange(world: World) -> None:
        world.exchange.inject(inst_id=STRUCK, times=None, **fault)

    row = Row("codes", repr(fault), arrange, {"close_position": cell}, max_wait=0.7)
    return breaches(row, "close_position", observe(row, COLUMNS)["close_position"])


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome in OUTCOMES])
def test_the_codes_of_an_outcome(outcome: Outcome) -> None:
    unknown = outcome is Outcome.UNKNOWN
    sent = SENT.get(outcome, 1)
    found = {}
    for number, (code, (expected, error)) in enumerate(BY_HAND.items()):
        if expected is not outcome:
            continue
        shape = "full" if len(code) != 5 else SHAPES[number % len(SHAPES)]
        shown = f"{code}_1000" if shape == "suffix" else code
        tokens = "d" if unknown else "s" * sent
        for executed in {False, unknown}:
            cell = Cell(error.__name__, shown, int(executed), sent, tokens, asked=outcome is Outcome.CLOCK)
            found[code, executed] = differences(cell, code=code, shape=shape, executed=executed)
    assert {case: wrong for case, wrong in found.items() if wrong} == {}


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
