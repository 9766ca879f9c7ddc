"""What a close ends in, by a published client and by this library: one line of JSON for each fault named on stdin.

The argument is the client, "ccxt" or "python-okx". A fault is a name of the simulator's catalogue or a code; "refused"
is a port at which nothing listens. A line holds two texts, the client's and ours: the exception's class, or the code
that was returned.
"""

import asyncio
import json
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import okx_async
from okx_async.simulator import CATALOGUE, SimulatedExchange

NO_PORT = "refused"


async def with_ccxt(keys: okx_async.Credentials, base_url: str, ready: Callable[[], str]) -> str:
    """Close by ccxt; `ready` is called once the markets are loaded."""
    import ccxt.async_support as ccxt  # noqa: PLC0415 - only this client is installed here

    exchange: Any = ccxt.okx({"apiKey": keys.api_key, "secret": keys.secret_key, "password": keys.passphrase})
    exchange.urls["api"] = {"rest": base_url}
    try:
        await exchange.load_markets()
        exchange.urls["api"] = {"rest": ready()}
        order = await exchange.close_position("BTC/USDT:USDT", None, {"marginMode": "cross"})
    except ccxt.BaseError as error:
        return type(error).__name__
    finally:
        await exchange.close()
    return f"status {order['status']}"


async def with_python_okx(keys: okx_async.Credentials, base_url: str, ready: Callable[[], str]) -> str:
    """Close by python-okx."""
    import httpx  # noqa: PLC0415 - only this client is installed here
    from okx.Trade import TradeAPI  # noqa: PLC0415

    trade = TradeAPI(keys.api_key, keys.secret_key, keys.passphrase, flag="0", domain=ready() or base_url)
    try:
        answer = await asyncio.to_thread(trade.close_positions, "BTC-USDT-SWAP", "cross")
    except (httpx.HTTPError, json.JSONDecodeError) as error:
        return type(error).__name__
    finally:
        trade.close()
    return f"code {answer['code']}"


async def with_ours(keys: okx_async.Credentials, base_url: str, ready: Callable[[], str]) -> str:
    """Close by this library."""
    async with okx_async.Client(keys, base_url=ready() or base_url, user_id="1") as client:
        try:
            await client.close_position("BTC-USDT-SWAP", "cross", max_wait=2.0)
        except okx_async.OkxError as error:
            return type(error).__name__
    return "ClosedPosition"


async def outcome(call: Callable[..., Awaitable[str]], fault: str) -> str:
    """Return what one close ends in."""
    async with SimulatedExchange() as exchange:
        exchange.open_position("BTC-USDT-SWAP", "3")

        def ready() -> str:
            if fault == NO_PORT:
                with socket.socket() as free:
                    free.bind(("127.0.0.1", 0))
                    return f"http://127.0.0.1:{free.getsockname()[1]}"
            if fault in CATALOGUE:
                exchange.inject(fault, times=None)
            elif fault:
                exchange.inject(code=fault, times=None)
            return exchange.base_url

        return await call(exchange.credentials, exchange.base_url, ready)


def main() -> None:
    """Answer each fault."""
    theirs = {"ccxt": with_ccxt, "python-okx": with_python_okx}[sys.argv[1]]
    for line in sys.stdin:
        fault = line.strip()
        sys.stdout.write(
            json.dumps([fault, *(asyncio.run(outcome(call, fault)) for call in (theirs, with_ours))]) + "\n"
        )
        sys.stdout.flush()


main()
