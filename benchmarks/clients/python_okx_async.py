"""python-okx-async, which installs a package of our own package's name: it has an environment of its own.

`make bench` makes that (.venv-bench/peer); the benchmark runs this subject with that interpreter.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.clients import KEYS, PASSPHRASE, SECRET, Subject

ROOT = Path(__file__).parents[2]
# Ours stands in the working directory, which comes first.
sys.path[:] = [place for place in sys.path if Path(place).resolve() != ROOT]
AsyncTrade: Any = importlib.import_module("okx_async.AsyncTrade")


class PythonOkxAsync:
    """AsyncTradeAPI, as shipped: an httpx.AsyncClient with its default pool."""

    def __init__(self, base_url: str) -> None:
        self._api = AsyncTrade.AsyncTradeAPI(KEYS, SECRET, PASSPHRASE, domain=base_url)

    async def close(self, inst_id: str) -> Any:
        """Close one position."""
        return await self._api.close_positions(inst_id, "cross")

    async def batch(self, inst_ids: Sequence[str]) -> object:
        """Close many."""
        return await asyncio.gather(*map(self.close, inst_ids))

    async def aclose(self) -> None:
        """Close its client."""
        await self._api.client.aclose()


def accepted(answer: object) -> bool:
    """Whether it was taken."""
    return isinstance(answer, dict) and answer["code"] == "0"


SUBJECTS = (Subject("python-okx-async", "python-okx-async", "AsyncTradeAPI as shipped", PythonOkxAsync, accepted),)
