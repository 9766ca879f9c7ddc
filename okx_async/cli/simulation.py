"""`simulate`: a simulated exchange that runs until it is interrupted."""

from __future__ import annotations

import asyncio
import shlex
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from okx_async.cli.exits import ExitCode, emit, say, show
from okx_async.simulator import SimulatedExchange

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Options", "run"]

_LEAST_PARTS, _MOST_PARTS = 2, 4


@dataclass(frozen=True, slots=True)
class Options:
    """See SimulatedExchange, which checks them."""

    host: str
    port: int
    latency: float
    jitter: float
    window: str
    pos_mode: str
    fill_delay: float
    seed: int | None


def run(options: Options, positions: Sequence[str], *, as_json: bool) -> ExitCode:
    """Serve until SIGINT or SIGTERM, then exit 0."""
    try:
        exchange = _exchange(options, positions)
    except (TypeError, ValueError) as error:  # the simulator's words for an option or a position
        say(f"error: {error}")
        return ExitCode.USAGE
    try:
        asyncio.run(_serve(exchange, as_json=as_json))
    except KeyboardInterrupt:  # before the handlers stood
        return ExitCode.DONE
    except OSError as error:
        say(f"error: cannot listen on {options.host}:{options.port}: {error.strerror or error}")
        return ExitCode.FAILED
    return ExitCode.DONE


def _exchange(options: Options, positions: Sequence[str]) -> SimulatedExchange:
    exchange = SimulatedExchange(
        host=options.host,
        port=options.port,
        latency=options.latency,
        jitter=options.jitter,
        window=options.window,  # type: ignore[arg-type]  # checked there
        pos_mode=options.pos_mode,  # type: ignore[arg-type]  # the same
        fill_delay=options.fill_delay,
        seed=options.seed,
    )
    for text in positions:
        parts = text.split(":")
        if not _LEAST_PARTS <= len(parts) <= _MOST_PARTS:
            raise ValueError(f"--position must be INST:POS, INST:POS:MODE or INST:POS:MODE:SIDE, got {text!r}")
        exchange.open_position(*parts)
    return exchange


async def _serve(exchange: SimulatedExchange, *, as_json: bool) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with exchange:
        _announce(exchange, as_json=as_json)
        await stopped.wait()
    say(
        f"stopped: {len(exchange.journal)} requests, {len(exchange.rejections)} refused for rate, "
        f"worst 2 s window of closes {exchange.worst_window()}"
    )


def _announce(exchange: SimulatedExchange, *, as_json: bool) -> None:
    keys = exchange.credentials
    variables = {
        "OKX_API_KEY": keys.api_key,
        "OKX_SECRET_KEY": keys.secret_key,
        "OKX_PASSPHRASE": keys.passphrase,
    }
    held = exchange.positions
    if as_json:
        record: dict[str, Any] = {
            "base_url": exchange.base_url,
            "user_id": exchange.user_id,
            "environment": variables,
            "positions": [
                {"inst_id": one.inst_id, "mgn_mode": one.mgn_mode, "pos_side": one.pos_side, "pos": f"{one.pos:f}"}
                for one in held
            ],
        }
        emit(record)
        return
    lines = [
        f"Simulated exchange at {exchange.base_url}, UID {exchange.user_id}; Ctrl-C ends it.",
        "Its keys are made up and open nothing else:",
        "",
        *(f"export {name}={shlex.quote(value)}" for name, value in variables.items()),
        "",
        f"okx-async positions --base-url {exchange.base_url}",
    ]
    if held:
        lines += [f"okx-async close {held[0].inst_id} --mgn-mode {held[0].mgn_mode} --base-url {exchange.base_url}"]
    else:
        lines += ["", "No position is open: add --position BTC-USDT-SWAP:-3, as often as you like."]
    show("\n".join(lines))
