"""The judge of the soak finds a window that is exceeded, so that a run cannot pass by a blind judge."""

from types import SimpleNamespace
from typing import Any

import pytest

from okx_async.simulator import JournalRow
from tests.soak.run import FOREIGN, Judge

CLOSE = "/api/v5/trade/close-position"


def row(at: float, **changes: Any) -> JournalRow:
    plain = {"uid": "1", "key": ("1", "S0-USDT-SWAP"), "method": "POST", "path": CLOSE, "code": "0", "status": 200}
    return JournalRow(at=at, executed=True, **{**plain, **changes})


def judged(*rows: JournalRow) -> Judge:
    exchange: Any = SimpleNamespace(journal=[])
    judge = Judge(exchange)
    for one in rows:  # as it grows
        exchange.journal.append(one)
        judge.look()
    return judge


@pytest.mark.parametrize(
    ("last", "broken"),
    [
        (101.9, True),
        (102.0, True),  # a closed window holds both its ends
        (102.0009, True),  # the same millisecond
        (102.001, False),
    ],
)
def test_the_twenty_first_of_a_closed_window_is_seen(last: float, *, broken: bool) -> None:
    first = [row(100.0 + i / 100) for i in range(20)]
    judge = judged(*first, row(last))
    assert judge.broken == (
        [f"('1', 'S0-USDT-SWAP'): 21 arrivals of ours within {round(last * 1000 - 0.5) - 100_000} ms"] if broken else []
    )
    assert judge.arrivals == 21


def test_other_programs_keys_and_endpoints_do_not_count() -> None:
    times = [100.0 + i / 100 for i in range(30)]
    foreign = [row(at, path=CLOSE + FOREIGN) for at in times]
    other = [row(at + 0.001, key=("1", f"S{i % 2}-USDT-SWAP")) for i, at in enumerate(times)]
    asked = [row(at + 0.002, path="/api/v5/account/positions") for at in times]
    judge = judged(*sorted([*foreign, *other, *asked], key=lambda row: row.at))
    assert (judge.broken, judge.arrivals, judge.foreign) == ([], 30, 30)
