"""Another program of the same user: closes with its own key, over its own connections, and without a limiter."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

import aiohttp
import orjson

from okx_async.simulator.api.endpoints import CLOSE_PATH
from okx_async.simulator.api.signature import signature
from okx_async.torture.stage import FOREIGN, Desk, Stage

ITS_KEY = 9
"""The number of its API key within the account; clients have lower ones."""
TIMEOUT = 3.0


async def close_as_another(
    stage: Stage, desk: Desk, session: aiohttp.ClientSession, inst_id: str, mgn_mode: str = "cross"
) -> None:
    """Send one close for the account of a desk, and read its answer; the mishaps strike it too."""
    credentials = stage.key(desk.seat.account, ITS_KEY)
    body = orjson.dumps({"instId": inst_id, "mgnMode": mgn_mode, "clOrdId": stage.name(FOREIGN)})
    timestamp = datetime.fromtimestamp(stage.wall_clock(), UTC).isoformat(timespec="milliseconds")
    timestamp = timestamp.replace("+00:00", "Z")
    headers = {
        "OK-ACCESS-KEY": credentials.api_key,
        "OK-ACCESS-PASSPHRASE": credentials.passphrase,
        "OK-ACCESS-TIMESTAMP": timestamp,
        "OK-ACCESS-SIGN": signature(credentials.secret_key, timestamp, "POST", CLOSE_PATH, body),
        "Content-Type": "application/json",
    }
    with suppress(aiohttp.ClientError, TimeoutError):
        async with asyncio.timeout(TIMEOUT), session.post(CLOSE_PATH, data=body, headers=headers) as response:
            await response.read()
