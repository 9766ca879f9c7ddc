"""python-okx, the exchange's own client: in a loop, and in a thread for each call that is under way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from okx.Trade import TradeAPI

from benchmarks.clients import KEYS, PASSPHRASE, SECRET, Subject


class Loop:
    """Blocks the event loop, as it does where people call it from a coroutine."""

    def __init__(self, base_url: str) -> None:
        self._api = TradeAPI(KEYS, SECRET, PASSPHRASE, flag="0", domain=base_url)

    async def close(self, inst_id: str) -> Any:
        """Close one position."""
        return self._api.close_positions(inst_id, "cross")

    async def batch(self, inst_ids: Sequence[str]) -> object:
        """Close many, one after another."""
        return [await self.close(inst_id) for inst_id in inst_ids]

    async def aclose(self) -> None:
        """Close it."""
        self._api.close()


class Threads(Loop):
    """One hundred threads."""

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self._pool = ThreadPoolExecutor(100)

    async def close(self, inst_id: str) -> Any:
        """Close one position in a thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._api.close_positions, inst_id, "cross")

    async def batch(self, inst_ids: Sequence[str]) -> object:
        """Close many."""
        return await asyncio.gather(*map(self.close, inst_ids))

    async def aclose(self) -> None:
        """Close it."""
        self._pool.shutdown()
        await super().aclose()


def accepted(answer: object) -> bool:
    """Whether it was taken."""
    return isinstance(answer, dict) and answer["code"] == "0"


SUBJECTS = (
    Subject("python-okx", "python-okx", "TradeAPI.close_positions, one after another", Loop, accepted),
    Subject("python-okx in threads", "python-okx", "the same in 100 threads", Threads, accepted),
)
