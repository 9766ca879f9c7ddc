"""What may go wrong in the programs of shutdown.md and kill-switch.md."""

import ast
import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from okx_async import Client
from okx_async.simulator import SimulatedExchange
from tests.desk import LIMIT
from tests.pages import HOW_TO, blocks


def program_of(page: str) -> dict[str, Any]:
    """Return the names that a page's programs define, which are not run."""
    names: dict[str, Any] = {}
    for block in blocks(HOW_TO / page, "python"):
        tree = ast.parse(block)
        tree.body = [part for part in tree.body if not isinstance(part, ast.Expr | ast.With)]
        exec(compile(tree, page, "exec"), names)  # noqa: S102 - a program of our page
    return names


async def _deaf(_: Client) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(3600.0)
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(3600.0)


async def _broken(_: Client) -> None:
    try:
        await asyncio.sleep(3600.0)
    finally:
        raise RuntimeError("no answer")


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        (_deaf, "trade did not end in 0.3 s: flatten all the same"),
        (_broken, "trade ended with RuntimeError('no answer')"),
    ],
)
async def test_no_strategy_keeps_the_desk_from_being_flat(
    strategy: Callable[[Client], Coroutine[Any, Any, None]], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    names, loop = program_of("shutdown.md"), asyncio.get_running_loop()
    names["trade"] = strategy
    async with SimulatedExchange() as exchange:
        exchange.open_position("BTC-USDT-SWAP", "3")
        async with Client(exchange.credentials, base_url=exchange.base_url) as client:
            loop.call_later(0.05, signal.raise_signal, signal.SIGTERM)
            assert await names["desk"](client, grace=30.0, patience=0.3)
        assert not exchange.positions
    assert said in capsys.readouterr().out
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)


async def test_a_grace_that_leaves_no_time_for_closes_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="give more than 13 s"):
        await program_of("shutdown.md")["desk"](None, grace=13.0)


@pytest.mark.parametrize("beat", ["none", "removed"])
async def test_a_guard_fires_without_a_beat(beat: str, tmp_path: Path) -> None:
    path = tmp_path / "beat"
    if beat != "none":
        path.touch()
    if beat == "removed":
        asyncio.get_running_loop().call_later(0.05, path.unlink)
    async with SimulatedExchange() as exchange:
        exchange.open_position("BTC-USDT-SWAP", "3")
        async with Client(exchange.credentials, base_url=exchange.base_url) as client, asyncio.timeout(LIMIT):
            report = await program_of("kill-switch.md")["guard"](path, 0.2, client, 0.02)
        assert report.flat
        assert not exchange.positions
