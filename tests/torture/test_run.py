from typing import Any

import pytest

from okx_async.torture import Totals, run_series


@pytest.mark.long
def test_a_series_is_the_same_over_one_process_and_over_two() -> None:
    records: list[list[dict[str, Any]]] = [[], []]
    totals = [run_series(range(3, 6), processes, records[processes - 1].append) for processes in (1, 2)]
    for record in (*records[0], *records[1]):
        assert record.pop("cpu_seconds") > 0
    assert records[0] == records[1]
    assert [record["seed"] for record in records[0]] == [3, 4, 5]
    assert totals[0].requests == totals[1].requests == sum(record["requests"] for record in records[0])
    assert totals[0].histories == 3
    assert totals[0].broken == []


def test_totals_are_one_line() -> None:
    totals = Totals()
    totals.add({"requests": 7, "faults": 2, "virtual_seconds": 5400.0, "cpu_seconds": 1.0, "broken": ["x"]})
    assert str(totals) == "1 histories, 7 requests, 2 faults, 1.5 virtual hours in 1 CPU seconds: 1 broken"
