"""Driver of ccxt.async_support.okx, by its unified calls: see tests/interop/clients.py."""

import asyncio
import json
import sys
from typing import Any

import ccxt.async_support as ccxt


class Driver:
    """Translates orders to markets and sides, and exceptions, which hold the answer, to codes."""

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
        """Load the markets, as every call does at first, with a signed request for the currencies.

        With refused keys no call would get further. To test the calls themselves, the markets are then loaded by a
        client without keys.
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
        """Read the account; there is no unified call for it."""
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
        """Close a position; ccxt calls a long one "buy"."""
        side = {"long": "buy", "short": "sell"}.get(pos_side, pos_side or None)
        more = {**({"autoCxl": True} if auto_cxl else {}), **({"clientOrderId": cl_ord_id} if cl_ord_id else {})}
        symbol = self._okx.safe_symbol(inst_id)
        order = await self._okx.close_position(symbol, side, {"marginMode": mgn_mode, **more})
        return [{"inst_id": self._okx.market_id(order["symbol"]), "cl_ord_id": order["clientOrderId"] or ""}]

    async def seen(self, call: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Make a call and return its outcome."""
        try:
            return {"code": "0", "rows": await getattr(self, call)(**arguments), "error": ""}
        except ccxt.BaseError as error:
            answer = json.loads(str(error).removeprefix("okx "))
            return {"code": answer["code"], "rows": [], "error": type(error).__name__}

    async def end(self) -> None:
        """Close the client."""
        await self._okx.close()


async def do(order: dict[str, Any]) -> list[dict[str, Any]]:
    """Carry out an order."""
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
