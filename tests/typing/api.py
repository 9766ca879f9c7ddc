"""Calls checked by mypy and never run. An unneeded ignore is an error, so each ignored line must stay wrong."""

import socket
import ssl
from typing import assert_type

from aiohttp.abc import AbstractResolver

import okx_async as okx
from okx_async.doctor import examine_exchange


async def strategy(client: okx.Client) -> None:
    """Use the client as a strategy does."""
    assert_type(await client.close_position("BTC-USDT-SWAP", "cross"), okx.ClosedPosition)
    await client.close_position("BTC-USDT-SWAP", "crossed")  # type: ignore[arg-type]
    await client.close_position("BTC-USDT-SWAP", "cross", pos_side="both")  # type: ignore[arg-type]
    await client.close_position("BTC-USDT-SWAP", "cross", "long")  # type: ignore[call-arg]
    client.close_position("BTC-USDT-SWAP", "cross")  # type: ignore[unused-coroutine]
    results = await client.close_positions([okx.ClosePosition("ETH-USDT-SWAP", "isolated", pos_side="long")])
    assert_type(results, list[okx.CloseResult])
    assert_type(results[0].result(), okx.ClosedPosition)
    assert_type(results[0].error, okx.OkxError | None)
    assert_type(await client.positions(), list[okx.Position])
    assert_type(await client.warm_up(10), int)
    assert_type(await client.close_position("BTC-USDT-SWAP", "cross", confirm=True), okx.ClosedPosition)
    assert_type(await client.flatten(where=lambda position: position.pos > 0), okx.FlattenReport)
    await client.flatten(["BTC-USDT-SWAP"], None)  # type: ignore[call-arg]
    await client.flatten(where=lambda position: position.size > 0)  # type: ignore[attr-defined]
    results[0].error = None  # type: ignore[misc]


def report(flattened: okx.FlattenReport) -> None:
    """Read a report."""
    assert_type(flattened.rows, tuple[okx.FlattenRow, ...])
    assert_type(flattened.rows[0].state, okx.FlattenState)
    assert_type(flattened.rows[0].before, okx.Position | None)
    assert_type(flattened.rows[0].position, okx.Position)
    assert_type(flattened.open_orders, tuple[okx.OpenOrder, ...] | None)
    assert_type(flattened.cancelled, tuple[okx.OpenOrder, ...])
    assert_type(flattened.appeared, tuple[okx.Position, ...])
    flattened.flat = True  # type: ignore[misc]


async def limiter(source: okx.SlotSource) -> None:
    """Use any limiter."""
    async with source.slot("key", priority=okx.Priority.PANIC, max_wait=0.0) as slot:
        assert_type(slot, okx.Slot)
        slot.settle()
    await source.block("key", 2.0)


async def ours(limiter: okx.Limiter) -> okx.SlotSource:
    """Take our limiter for a source."""
    assert_type(limiter.statistics("key"), okx.Statistics)
    async with limiter.slot("key") as slot:
        slot.check()
    return limiter


async def networks(keys: okx.Credentials, names: AbstractResolver) -> None:
    """Say how the exchange is reached."""
    okx.Client(keys, proxy="env", ssl=ssl.create_default_context(), local_addr="192.0.2.1", family=socket.AF_INET)
    okx.Client(keys, local_addr=("192.0.2.1", 0), resolver=names, counts_as="live")
    okx.Client(keys, ssl=True)  # type: ignore[arg-type]
    okx.Client(keys, counts_as="real")  # type: ignore[arg-type]
    okx.Client(keys, proxy=8080)  # type: ignore[arg-type]
    await examine_exchange(keys, proxy="env", counts_as="live", family=socket.AF_INET6)
