"""ccxt.async_support.okx, by its unified calls: told what to do line by line, see tests/interop/clients.py."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import ccxt.async_support as ccxt


class Driver:
    """Its calls speak of markets and sides; a refusal is an exception there, with the answer in its words."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._okx: Any = ccxt.okx(
            {
                "apiKey": order["api_key"],
                "secret": order["secret_key"],
                "password": order["passphrase"],
                "enableRateLimit": order["paced"],
            }
        )
        self._okx.set_sandbox_mode(order["demo"])
        self._okx.urls["api"] = {"rest": order["base_url"]}

    async def load(self) -> None:
        """Load the markets, as every call does at first; it asks for the currencies too, and signs that.

        With keys that are refused that would be all that ever happens. A program that had its markets before its key
        was refused is the harder case: it is played with markets from a client without keys.
        """
        try:
            await self._okx.load_markets()
        except (ccxt.AuthenticationError, ccxt.InvalidNonce):
            public = ccxt.okx()
            public.urls["api"] = self._okx.urls["api"]
            await public.load_markets()
            self._okx.set_markets_from_exchange(public)
            await public.close()

    async def account(self) -> list[dict[str, Any]]:
        """Ask who we are; there is no unified call for it."""
        answer = await self._okx.private_get_account_config()
        return [{"user_id": row["uid"], "pos_mode": row["posMode"]} for row in answer["data"]]

    async def positions(self, inst_ids: list[str]) -> list[dict[str, Any]]:
        """List positions."""
        symbols = [self._okx.safe_symbol(inst_id) for inst_id in inst_ids]
        return [
            {
                "inst_id": self._okx.market_id(row["symbol"]),
                "mgn_mode": row["marginMode"],
                "pos_side": row["side"] if row["hedged"] else "net",
                "pos": str(-row["contracts"] if row["side"] == "short" and not row["hedged"] else row["contracts"]),
            }
            for row in await self._okx.fetch_positions(symbols or None)
        ]

    async def close(
        self, inst_id: str, mgn_mode: str, pos_side: str = "", cl_ord_id: str = "", *, auto_cxl: bool = False
    ) -> list[dict[str, Any]]:
        """Close a position; for ccxt one that is long is a "buy"."""
        side = {"long": "buy", "short": "sell"}.get(pos_side, pos_side or None)
        more = {**({"autoCxl": True} if auto_cxl else {}), **({"clientOrderId": cl_ord_id} if cl_ord_id else {})}
        symbol = self._okx.safe_symbol(inst_id)
        order = await self._okx.close_position(symbol, side, {"marginMode": mgn_mode, **more})
        return [{"inst_id": self._okx.market_id(order["symbol"]), "cl_ord_id": order["clientOrderId"] or ""}]

    async def seen(self, call: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Make a call and say what came of it."""
        try:
            return {"code": "0", "rows": await getattr(self, call)(**arguments), "error": ""}
        except ccxt.BaseError as error:
            answer = json.loads(str(error).removeprefix("okx "))
            return {"code": answer["code"], "rows": [], "error": type(error).__name__}

    async def end(self) -> None:
        """Close it."""
        await self._okx.close()


async def do(order: dict[str, Any]) -> list[dict[str, Any]]:
    """Do as told, so many times at once."""
    driver = Driver(order)
    await driver.load()
    calls = [driver.seen(order["call"], order["arguments"]) for _ in range(order["times"])]
    answers = await asyncio.gather(*calls)
    await driver.end()
    return answers


def main() -> None:
    """Read and answer lines."""
    for line in sys.stdin:
        sys.stdout.write(json.dumps(asyncio.run(do(json.loads(line)))) + "\n")
        sys.stdout.flush()


main()
