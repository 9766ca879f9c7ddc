"""Driver of python-okx, the exchange's own client: see tests/interop/clients.py."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from okx.Account import AccountAPI
from okx.Trade import TradeAPI


class Driver:
    """Translates orders to calls, which return the exchange's answer as it is."""

    def __init__(self, order: dict[str, Any]) -> None:
        keys = (order["api_key"], order["secret_key"], order["passphrase"])
        where = {"flag": "1" if order["demo"] else "0", "domain": order["base_url"]}
        self._account, self._trade = AccountAPI(*keys, **where), TradeAPI(*keys, **where)

    def account(self) -> tuple[Any, Any]:
        """Read the account."""
        answer = self._account.get_account_config()
        return answer, [{"user_id": row["uid"], "pos_mode": row["posMode"]} for row in answer.get("data", [])]

    def positions(self, inst_ids: list[str]) -> tuple[Any, Any]:
        """List positions."""
        answer = self._account.get_positions(instId=",".join(inst_ids))
        return answer, [
            {
                "inst_id": row["instId"],
                "mgn_mode": row["mgnMode"],
                "pos_side": row["posSide"],
                "pos": row["pos"],
            }
            for row in answer.get("data", [])
        ]

    def close(
        self, inst_id: str, mgn_mode: str, pos_side: str = "", cl_ord_id: str = "", *, auto_cxl: bool = False
    ) -> tuple[Any, Any]:
        """Close a position; options that are not given are sent as ""."""
        answer = self._trade.close_positions(
            inst_id, mgn_mode, posSide=pos_side, autoCxl=auto_cxl or "", clOrdId=cl_ord_id
        )
        return answer, [{"inst_id": row["instId"], "cl_ord_id": row["clOrdId"]} for row in answer.get("data", [])]

    def end(self) -> None:
        """Close both clients."""
        self._account.close()
        self._trade.close()


def main() -> None:
    """Read orders and carry them out, with a thread for each call at once."""
    for line in sys.stdin:
        order = json.loads(line)
        driver = Driver(order)
        call = getattr(driver, order["call"])
        with ThreadPoolExecutor(order["times"]) as pool:
            made = [pool.submit(call, **order["arguments"]) for _ in range(order["times"])]
        answers = [future.result() for future in made]
        driver.end()
        seen = [{"code": answer["code"], "rows": rows, "error": ""} for answer, rows in answers]
        sys.stdout.write(json.dumps(seen) + "\n")
        sys.stdout.flush()


main()
