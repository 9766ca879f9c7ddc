"""A record that was filled in first is the record: nothing tells it from one that was made by its class."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import pytest

from okx_async import Attempt, ClosedPosition, ClosePosition, Outcome, _drafts

REQUEST = ClosePosition("BTC-USDT-SWAP", "cross", "long", "USDT", auto_cxl=True, cl_ord_id="c1", tag="t1")
TRY = Attempt(REQUEST, ("live", "1", "BTC-USDT-SWAP"), 0.5, 1.0, 2.0, "0", 200, Outcome.ACCEPTED, "settled")
CLOSED = ClosedPosition("BTC-USDT-SWAP", "long", "c1", "t1", (TRY,))


def values(record: Any, count: int) -> list[Any]:
    return [getattr(record, field.name) for field in fields(record)][:count]


PAIRS = [
    pytest.param(_drafts.close_position(*values(REQUEST, 7)), REQUEST, id="ClosePosition"),
    pytest.param(_drafts.attempt(*values(TRY, 9)), TRY, id="Attempt"),
    pytest.param(_drafts.closed_position(*values(CLOSED, 5)), CLOSED, id="ClosedPosition"),
]


@pytest.mark.parametrize(("drafted", "made"), PAIRS)
def test_it_is_the_record(drafted: Any, made: Any) -> None:
    assert type(drafted) is type(made)
    assert drafted == made
    assert hash(drafted) == hash(made)
    assert repr(drafted) == repr(made)
    assert pickle.dumps(drafted) == pickle.dumps(made)
    assert copy.deepcopy(drafted) == replace(drafted) == made


@pytest.mark.parametrize(("drafted", "made"), PAIRS)
def test_it_is_locked(drafted: Any, made: Any) -> None:
    for field in fields(made):
        with pytest.raises(FrozenInstanceError):
            setattr(drafted, field.name, None)
        with pytest.raises(FrozenInstanceError):
            delattr(drafted, field.name)
    with pytest.raises((AttributeError, TypeError)):
        drafted.more = 1
