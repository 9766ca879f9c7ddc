from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from okx_async import FlattenReport, FlattenRow, FlattenState, Position
from okx_async._rest.records import positions
from okx_async._rest.responses import Answer


def position() -> Position:
    record = {"instId": "BTC-USDT-SWAP", "mgnMode": "cross", "pos": "3"}
    return positions(Answer(200, "0", data=[record], listed=True, envelope=True)).positions[0]


@pytest.mark.parametrize("flat", [True, False])
def test_a_report_is_true_only_if_flat(flat: bool) -> None:  # noqa: FBT001 - both
    report = FlattenReport(flat=flat, rows=(), open_orders=(), seconds=0.1)
    assert bool(report) is flat
    changed: Any = report
    with pytest.raises(FrozenInstanceError):
        changed.flat = True


def test_a_rows_position_is_the_one_before_or_else_the_one_that_appeared() -> None:
    one, other = position(), position()
    row = FlattenRow(one, (), other, FlattenState.SUPERSEDED, None, 0.1)
    assert row.position is one
    assert FlattenRow(None, (), other, FlattenState.SUPERSEDED, None, 0.1).position is other
    with pytest.raises(AssertionError):
        _ = FlattenRow(None, (), None, FlattenState.CLOSED, None, 0.1).position
