import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from math import inf, nan
from typing import Any

import pytest

from okx_async.simulator import SimulatedExchange


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"latency": "0.1"}, "latency and jitter must be numeric"),
        ({"jitter": True}, "latency and jitter must be numeric"),
        ({"fill": Fraction(1, 2)}, "fill must be numeric"),
        ({"host": None}, "host must be a name or an address"),
        ({"port": "8080"}, "port must be a whole number"),
        ({"port": False}, "port must be a whole number"),
        ({"journal_cap": 10.0}, "journal_cap must be a whole number"),
        ({"clock": 0.0}, "clock must be a function"),
        ({"wall_clock": None}, "wall_clock must be a function"),
        ({"wall_clock": lambda: datetime.now(UTC)}, "wall_clock must return seconds, and returned datetime"),
        ({"clock": lambda: Decimal(1)}, "clock must return seconds"),
    ],
)
def test_a_value_of_another_type_is_told_when_it_is_given(given: dict[str, Any], words: str) -> None:
    with pytest.raises(TypeError, match=words):
        SimulatedExchange(**given)


@pytest.mark.parametrize(
    "given",
    [
        {"latency": -0.1},
        {"jitter": inf},
        {"latency": nan},
        {"fill": 1.5},
        {"fill": Decimal(-1)},
        {"control": "there"},
        {"port": -1},
        {"port": 65536},
        {"journal_cap": 0},
        {"clock": lambda: nan},
        {"wall_clock": lambda: -inf},
    ],
)
def test_a_value_that_is_not_possible_is_told_when_it_is_given(given: dict[str, Any]) -> None:
    [name] = given
    with pytest.raises(ValueError, match=name):
        SimulatedExchange(**given)


@pytest.mark.parametrize("journal_cap", [1, None])
def test_what_is_possible_is_taken(journal_cap: int | None) -> None:
    SimulatedExchange(latency=0, jitter=1, fill=Decimal("0.5"), port=65535, journal_cap=journal_cap)


def test_a_clock_that_cannot_be_read_yet_is_taken() -> None:
    SimulatedExchange(clock=lambda: asyncio.get_running_loop().time())


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"perm": ["trade"]}, TypeError, "perm must be a comma list in one string"),
        ({"ip": None}, TypeError, "ip must be a comma list in one string"),
        ({"perm": "read"}, ValueError, "perm must be a comma list of read_only, trade, withdraw"),
        ({"perm": "trade, withdraw"}, ValueError, "perm must be a comma list"),
        ({"ip": "localhost"}, ValueError, "ip must be a comma list of addresses"),
    ],
)
def test_a_key_is_not_made_with_what_no_key_has(given: dict[str, Any], error: type[Exception], words: str) -> None:
    exchange = SimulatedExchange()
    with pytest.raises(error, match=words):
        exchange.add_key(**given)
    with pytest.raises(error, match=words):
        exchange.add_account(**given)
    assert exchange.add_key(perm="", ip="10.0.0.1,::1") != exchange.add_key()
