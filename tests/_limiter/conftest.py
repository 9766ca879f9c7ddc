"""The limiter of the tests in virtual time."""

import asyncio

import pytest

from okx_async import Limiter


@pytest.fixture
async def limiter() -> Limiter:
    return Limiter(clock=asyncio.get_running_loop().time)
