"""The `simulate` command: a simulated exchange that serves until it is interrupted."""

import asyncio
import shlex
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from okx_async import Credentials
from okx_async.cli.exits import ExitCode, emit, say, say_error, show, unwritten
from okx_async.cli.signals import Stop
from okx_async.cli.signals import run as run_until_stopped
from okx_async.simulator import Account, SimulatedExchange

_LEAST_PARTS, _MOST_PARTS = 2, 4
_KINDS = {"net", "long-short", "demo", "sub", "read-only", "lead"}
_JOURNAL = 100_000  # requests and trades kept, about 35 MB: the exchange may run for weeks
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


@dataclass(frozen=True, slots=True)
class Options:
    """Arguments of SimulatedExchange, which checks them."""

    host: str
    port: int
    latency: float
    jitter: float
    window: str | None
    """None: as the recording says, or as usual."""
    pos_mode: str
    fill_delay: float | None
    """None: the same."""
    seed: int | None
    control: bool = False
    recording: str | None = None
    """The file whose settings it takes over."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Positions, further accounts and faults, as the texts of the options; parsed below."""

    positions: Sequence[str] = ()
    accounts: Sequence[str] = ()
    faults: Sequence[str] = ()


def run(options: Options, scene: Scene, *, as_json: bool) -> ExitCode:
    """Serve until Ctrl-C or a signal, then exit 0."""
    try:
        exchange = _exchange(options)
        accounts = [exchange.account, *(_account(exchange, text) for text in scene.accounts)]
        for text in scene.positions:
            _position(exchange, accounts, text)
        for text in scene.faults:
            _fault(exchange, text)
    except OSError as error:
        say(f"error: {options.recording}: {error.strerror or error}")
        return ExitCode.USAGE
    except (TypeError, ValueError) as error:  # the simulator refused an option or a position
        say_error(error)
        return ExitCode.USAGE
    with suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for what it starts with "&"
    try:
        run_until_stopped(_serve(exchange, accounts, options.host, as_json=as_json), Stop())
    except OSError as error:
        say(f"error: cannot listen on {options.host}:{options.port}: {error.strerror or error}")
        return ExitCode.FAILED
    say(_last_words(exchange))
    return ExitCode.DONE


def _exchange(options: Options) -> SimulatedExchange:
    if not options.host:
        raise ValueError("--host is empty, which would be everywhere: say 0.0.0.0 for that")
    given = {"window": options.window, "fill_delay": options.fill_delay}
    make: Callable[..., SimulatedExchange] = SimulatedExchange  # which checks them
    if options.recording is not None:
        make = partial(SimulatedExchange.from_recording, options.recording)
    return make(
        host=options.host,
        port=options.port,
        latency=options.latency,
        jitter=options.jitter,
        pos_mode=options.pos_mode,
        seed=options.seed,
        control="everywhere" if options.control else "here",
        journal_cap=_JOURNAL,
        **{name: value for name, value in given.items() if value is not None},
    )


def _account(exchange: SimulatedExchange, text: str) -> Account:
    """Add an account of the kinds in `text`: ``net``, or ``long-short,demo``."""
    kinds = set(text.split(","))
    if not kinds <= _KINDS:
        raise ValueError(f"--account must be of {', '.join(sorted(_KINDS))}, with commas between, got {text!r}")
    if {"net", "long-short"} <= kinds:
        raise ValueError(f"--account: net or long-short, not both, got {text!r}")
    account = exchange.add_account(
        pos_mode="long_short_mode" if "long-short" in kinds else "net_mode",
        demo="demo" in kinds,
        perm="read_only" if "read-only" in kinds else "read_only,trade",
        main=exchange.account if "sub" in kinds else None,
    )
    account.role_type = "1" if "lead" in kinds else "0"
    return account


def _position(exchange: SimulatedExchange, accounts: Sequence[Account], text: str) -> None:
    """Open the position in `text`: ``BTC-USDT-SWAP:-3:isolated``, or ``2@BTC-USDT-SWAP:-3`` of the second account."""
    number, at, rest = text.rpartition("@")
    if at and not (number.isascii() and number.isdecimal() and 1 <= int(number) <= len(accounts)):
        raise ValueError(f"--position: no account {number!r}, there are {len(accounts)}, got {text!r}")
    parts = rest.split(":")
    if not _LEAST_PARTS <= len(parts) <= _MOST_PARTS:
        raise ValueError(f"--position must be INST:POS, INST:POS:MODE or INST:POS:MODE:SIDE, got {text!r}")
    exchange.open_position(*parts, account=accounts[int(number or 1) - 1])


def _fault(exchange: SimulatedExchange, text: str) -> None:
    """Inject the fault in `text`: ``50026``, ``50026:3`` for three closes, ``50026:always:executed``."""
    name, *words = text.split(":")
    executed = "executed" in words
    counts = [word for word in words if word != "executed"]
    if len(counts) > 1 or any(word != "always" and not (word.isascii() and word.isdecimal()) for word in counts):
        raise ValueError(f"--fault must be NAME, NAME:TIMES or NAME:TIMES:executed, got {text!r}")
    times = None if counts == ["always"] else int(counts[0]) if counts else 1
    if executed:
        exchange.inject(name, times=times, executed=True)
    elif counts:
        exchange.inject(name, times=times)
    else:
        exchange.inject(name)


async def _serve(exchange: SimulatedExchange, accounts: Sequence[Account], host: str, *, as_json: bool) -> None:
    async with exchange:
        if host not in _LOOPBACK:
            say(f"listening on {host}: every client that reaches it may trade here; the keys are the same in every run")
        if as_json:
            emit(_record(exchange, accounts))
            if unwritten:
                return  # its address is known to no client
        else:
            show(_words(exchange, accounts))
        await asyncio.Event().wait()


def _last_words(exchange: SimulatedExchange) -> str:
    requests = len(exchange.journal)
    return (
        f"stopped: {'the last ' if requests == _JOURNAL else ''}{requests} requests, "
        f"{len(exchange.rejections)} refused for rate, worst 2 s window of closes {exchange.worst_window()}"
    )


def _variables(keys: Credentials) -> dict[str, str]:
    return {"OKX_API_KEY": keys.api_key, "OKX_SECRET_KEY": keys.secret_key, "OKX_PASSPHRASE": keys.passphrase}


def _record(exchange: SimulatedExchange, accounts: Sequence[Account]) -> dict[str, Any]:
    return {
        "base_url": exchange.base_url,
        "user_id": exchange.user_id,
        "environment": _variables(exchange.credentials),
        "accounts": [
            {
                "user_id": account.user_id,
                "main_user_id": account.main_user_id or account.user_id,
                "pos_mode": account.pos_mode,
                "demo": account.demo,
                "environment": _variables(account.credentials),
            }
            for account in accounts
        ],
        "positions": [
            {
                "user_id": one.user_id,
                "inst_id": one.inst_id,
                "mgn_mode": one.mgn_mode,
                "pos_side": one.pos_side,
                "pos": f"{one.pos:f}",
            }
            for one in exchange.positions
        ],
    }


def _words(exchange: SimulatedExchange, accounts: Sequence[Account]) -> str:
    lines = [
        f"Simulated exchange at {exchange.base_url}, UID {exchange.user_id}; Ctrl-C ends it.",
        "Its keys are made up and open nothing else:",
        "",
    ]
    for number, account in enumerate(accounts, 1):
        if number > 1:
            demo = ", demo trading" if account.demo else ""
            lines += ["", f"# account {number}, UID {account.user_id}, {account.pos_mode}{demo}:"]
        # Only the first account's lines are ready to paste.
        lines += [
            f"{'# ' * (number > 1)}export {name}={shlex.quote(value)}"
            for name, value in _variables(account.credentials).items()
        ]
    lines += ["", "# okx-async simulated steers it:", f"export OKX_SIMULATED={exchange.base_url}"]
    lines += ["", f"okx-async positions --base-url {exchange.base_url}"]
    held = [one for one in exchange.positions if one.user_id == exchange.user_id]
    if held:
        lines += [f"okx-async close {held[0].inst_id} --mgn-mode {held[0].mgn_mode} --base-url {exchange.base_url}"]
    else:
        lines += ["", "No position is open: add --position BTC-USDT-SWAP:-3, as often as you like."]
    return "\n".join(lines)
