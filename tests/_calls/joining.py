"""A close that others may join, and a key that grants nothing for a while."""

import asyncio
from typing import Any

import okx_async as okx

BTC = "BTC-USDT-SWAP"


def full(client: okx.Client, seconds: float) -> asyncio.Task[None]:
    """Let the key of BTC grant nothing for some seconds."""
    return asyncio.ensure_future(client.limiter.block(client.limiter_key(BTC), seconds, refused=False))


def close(client: okx.Client, **options: Any) -> asyncio.Task[okx.ClosedPosition]:
    return asyncio.ensure_future(client.close_position(BTC, "cross", **{"join": True, **options}))
