"""Clients that people use: httpx, python-okx, ccxt, python-okx-async. Each imports its library when it is made."""

import asyncio
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.clients import APART, KEYS, PATH, Closer, Subject, headers

ROOT = Path(__file__).parents[2]


class _Httpx(Closer):
    """An AsyncClient without a bound on its pool."""

    def __init__(self, base_url: str) -> None:
        httpx: Any = import_module("httpx")
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        self._client = httpx.AsyncClient(base_url=base_url, timeout=5, limits=limits)

    async def close(self, inst_id: str) -> Any:
        body = json.dumps({"instId": inst_id, "mgnMode": "cross"})
        return (await self._client.post(PATH, content=body, headers=headers(body))).json()

    async def aclose(self) -> None:
        await self._client.aclose()


class _PythonOkx(Closer):
    """The exchange's own client, which blocks the event loop, as it does where people call it from a coroutine."""

    def __init__(self, base_url: str) -> None:
        self._api = import_module("okx.Trade").TradeAPI(*KEYS, flag="0", domain=base_url)

    async def close(self, inst_id: str) -> Any:
        return self._api.close_positions(inst_id, "cross")

    async def batch(self, inst_ids: Sequence[str]) -> object:
        return [await self.close(inst_id) for inst_id in inst_ids]

    async def aclose(self) -> None:
        self._api.close()


class _InThreads(_PythonOkx):
    """The same in one hundred threads."""

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self._pool = ThreadPoolExecutor(100)

    async def close(self, inst_id: str) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._api.close_positions, inst_id, "cross")

    async def batch(self, inst_ids: Sequence[str]) -> object:
        return await asyncio.gather(*map(self.close, inst_ids))

    async def aclose(self) -> None:
        self._pool.shutdown()
        await super().aclose()


class _Ccxt(Closer):
    """The exchange's object, called by the name of the endpoint: `close_position` itself asks for markets first."""

    def __init__(self, base_url: str, *, throttled: bool = True) -> None:
        self._ccxt: Any = import_module("ccxt.async_support")
        keys = dict(zip(("apiKey", "secret", "password"), KEYS, strict=True))
        self._exchange = self._ccxt.okx({**keys, "enableRateLimit": throttled})
        self._exchange.urls["api"] = {"rest": base_url}

    async def close(self, inst_id: str) -> Any:
        try:
            return await self._exchange.private_post_trade_close_position({"instId": inst_id, "mgnMode": "cross"})
        except self._ccxt.RateLimitExceeded:  # a refusal is an exception there
            return {"code": "50011"}

    async def aclose(self) -> None:
        await self._exchange.close()


class _PythonOkxAsync(Closer):
    """AsyncTradeAPI: an httpx.AsyncClient with its default pool.

    The library installs a package of our own package's name and has an environment of its own, which `make bench`
    makes (.venv-bench/peer); the benchmark runs this subject with that interpreter.
    """

    def __init__(self, base_url: str) -> None:
        # Our package stands in the working directory, which comes first.
        sys.path[:] = [place for place in sys.path if Path(place).resolve() != ROOT]
        self._api = import_module("okx_async.AsyncTrade").AsyncTradeAPI(*KEYS, domain=base_url)

    async def close(self, inst_id: str) -> Any:
        return await self._api.close_positions(inst_id, "cross")

    async def aclose(self) -> None:
        await self._api.client.aclose()


SUBJECTS = (
    Subject("httpx", "httpx", "AsyncClient, no bound on its pool", _Httpx),
    Subject("python-okx", "python-okx", "TradeAPI.close_positions, one after another", _PythonOkx),
    Subject("python-okx in threads", "python-okx", "the same in 100 threads", _InThreads),
    Subject("ccxt", "ccxt", "async_support.okx as shipped", _Ccxt, slow=True),
    Subject("ccxt, throttler off", "ccxt", "the same with enableRateLimit=False", partial(_Ccxt, throttled=False)),
    Subject(APART, APART, "AsyncTradeAPI as shipped", _PythonOkxAsync),
)
