"""The contract of a SlotSource, kept by ours and by one that is slow on purpose."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from okx_async import Limiter, Quota
from okx_async.stores import RedisLimiter, SqliteLimiter, conformance
from okx_async.stores.conformance import CHECKS, Check
from tests.conformance.slow import SlowLimiter

SOURCES = ["Limiter", "SqliteLimiter", "RedisLimiter", "SlowLimiter"]


@pytest.fixture
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Quota], Any]:
    file = tmp_path / "limits.sqlite3"
    kinds: dict[str, Callable[[Quota], Any]] = {
        "Limiter": Limiter,
        "SqliteLimiter": lambda quota: SqliteLimiter(file, quota),
        "SlowLimiter": SlowLimiter,
    }
    if request.param == "RedisLimiter":
        url = request.getfixturevalue("redis_server").url
        return lambda quota: RedisLimiter(url, quota)
    return kinds[request.param]


@pytest.mark.parametrize("make", SOURCES, indirect=True)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_a_source_keeps_the_contract(make: Callable[[Quota], Any], check: Check) -> None:
    await conformance.verify(check, make)
