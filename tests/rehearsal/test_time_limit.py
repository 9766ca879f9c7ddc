import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from okx_async.rehearsal.time_limit import TimeLimit, connected

SESSION: Any = None


@pytest.mark.virtual
async def test_the_second_time_begins_with_the_connection() -> None:
    loop = asyncio.get_running_loop()
    began, limit = loop.time(), TimeLimit(2.0, 5.0)

    async def use() -> None:
        async with limit.clock:
            await asyncio.sleep(1.5)
            await connected(SESSION, SimpleNamespace(trace_request_ctx=limit), None)
            await asyncio.sleep(60)

    with pytest.raises(TimeoutError):
        await use()
    assert limit.connected
    assert loop.time() - began == pytest.approx(6.5)


@pytest.mark.virtual
async def test_without_a_connection_the_first_one_ends_it() -> None:
    loop = asyncio.get_running_loop()
    began, limit = loop.time(), TimeLimit(2.0, 5.0)
    with pytest.raises(TimeoutError):
        async with limit.clock:
            await asyncio.sleep(60)
    assert not limit.connected
    assert loop.time() - began == pytest.approx(2.0)
