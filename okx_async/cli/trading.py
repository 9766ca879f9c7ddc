"""`close` and `positions`: keys from the environment, consent, one call, and what became of it.

The order matters: everything that can be found wrong is found before anybody is asked, and nobody is asked twice.
"""

from __future__ import annotations

import asyncio
import shlex
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from okx_async import Client, Credentials, InvalidRequestError, OkxError, Outcome
from okx_async._keys import check_base_url, region_url
from okx_async._wire import close_body
from okx_async.cli.exits import ExitCode, attempt_record, emit, exit_code, failure_record, say, show

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from okx_async import Attempt, ClosedPosition, ClosePosition, Position

__all__ = ["Target", "close", "positions"]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Target:
    """Which exchange: see Client."""

    demo: bool
    region: str
    base_url: str | None

    def url(self) -> str:
        """Return the base of every request; raises InvalidRequestError."""
        home = region_url(self.region)
        return home if self.base_url is None else check_base_url(self.base_url)

    def client(self, credentials: Credentials, on_attempt: Callable[[Attempt], object] | None = None) -> Client:
        """Return a client; raises InvalidRequestError."""
        return Client(credentials, demo=self.demo, region=self.region, base_url=self.base_url, on_attempt=on_attempt)

    def positions_command(self, inst_id: str) -> str:
        """Return the command that shows what is left."""
        words = ["okx-async", "positions", "--inst", inst_id]
        words += ["--demo"] * self.demo
        words += ["--region", self.region] if self.region != "global" else []
        words += ["--base-url", self.base_url] if self.base_url is not None else []
        return shlex.join(words)

    def simulated(self, credentials: Credentials) -> bool:
        """Whether no real money can be at stake: a local address, and the keys that `okx-async simulate` makes up.

        The address alone proves nothing: it may be a tunnel or a proxy.
        """
        if self.base_url is None or not _loopback(urlsplit(self.url()).hostname or ""):
            return False
        from okx_async.simulator import SimulatedExchange  # noqa: PLC0415 - only needed here

        return credentials == SimulatedExchange().credentials


@dataclass(frozen=True, slots=True)
class Stopped:
    """There was no call, or it was cut short; `text` says what is known of the request."""

    text: str
    code: ExitCode


def close(request: ClosePosition, target: Target, *, max_wait: float | None, yes: bool, as_json: bool) -> ExitCode:
    """Close one position, and say what became of it."""
    attempts: list[Attempt] = []
    try:
        credentials = Credentials.from_env()
        close_body(request)
        client = target.client(credentials, attempts.append)
        refusal = None if yes or target.simulated(credentials) else _ask(request, target)
    except InvalidRequestError as error:
        say(f"error: {error}")
        return exit_code(error)
    ending = refusal or _run(_close(client, request, max_wait, attempts))
    if ending is None:
        text = f"interrupted: {request.inst_id}: it may have been sent and executed, look at positions"
        ending = Stopped(text, ExitCode.UNKNOWN)
    return _ended(request, target, ending, attempts, as_json=as_json)


def positions(inst_ids: list[str] | None, target: Target, *, as_json: bool) -> ExitCode:
    """List the open positions."""
    try:
        listed = _run(_positions(target.client(Credentials.from_env()), inst_ids))
    except OkxError as error:
        say(f"error: {error}")
        if as_json and exit_code(error) is not ExitCode.USAGE:
            emit(failure_record(error))
        return exit_code(error)
    if listed is None:
        say("interrupted: the positions were not read")
        if as_json:
            emit({"outcome": "not read", "error": "Interrupted"})
        return ExitCode.FAILED
    if as_json:
        emit({"positions": [dict(position.raw) for position in listed]})
    else:
        from okx_async.cli.tables import print_positions  # noqa: PLC0415 - machines need no tables

        print_positions(listed)
    return ExitCode.DONE


async def _positions(client: Client, inst_ids: list[str] | None) -> list[Position] | None:
    try:
        async with client:
            return await client.positions(inst_ids)
    except asyncio.CancelledError:  # Ctrl-C or SIGTERM: the process ends here, with an answer
        return None


async def _close(
    client: Client, request: ClosePosition, max_wait: float | None, attempts: list[Attempt]
) -> ClosedPosition | OkxError | Stopped:
    ending: ClosedPosition | OkxError | None = None
    try:
        async with client:
            try:
                ending = await client.close_position(
                    request.inst_id,
                    request.mgn_mode,
                    pos_side=request.pos_side,
                    ccy=request.ccy,
                    auto_cxl=request.auto_cxl,
                    cl_ord_id=request.cl_ord_id,
                    tag=request.tag,
                    max_wait=max_wait,
                )
            except OkxError as error:
                ending = error
    except asyncio.CancelledError as cancelled:
        # An answer that came before the interrupt is still the answer.
        return ending or _interrupted(request, getattr(cancelled, "__notes__", []), attempts)
    return ending


def _interrupted(request: ClosePosition, notes: list[str], attempts: list[Attempt]) -> Stopped:
    if notes or any(attempt.outcome in {Outcome.UNKNOWN, Outcome.ACCEPTED} for attempt in attempts):
        known = "; ".join(notes) or f"{request.inst_id}: already sent"
        return Stopped(f"interrupted: {known}; it may have been executed, look at positions", ExitCode.UNKNOWN)
    refused = next((attempt.code for attempt in reversed(attempts) if attempt.code), "")
    became = f"refused so far ({refused}), nothing was executed" if refused else "nothing was sent"
    return Stopped(f"interrupted: {request.inst_id}: {became}", ExitCode.FAILED)


def _loopback(host: str) -> bool:
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


def _run(work: Coroutine[Any, Any, _T]) -> _T | None:
    """Run `work`, cancelled by Ctrl-C or SIGTERM; None if a second Ctrl-C cut that short."""

    async def interruptible() -> _T:
        task = asyncio.current_task()
        if task is not None:
            with suppress(NotImplementedError):  # Windows
                asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    try:
        return asyncio.run(interruptible())
    except KeyboardInterrupt:
        return None


def _ask(request: ClosePosition, target: Target) -> Stopped | None:
    """Ask for consent at the terminal; None is consent."""
    if sys.stdin is None or not sys.stdin.isatty():
        text = f"error: {request.inst_id}: no terminal to ask at; nothing was sent. Pass --yes to send without asking."
        return Stopped(text, ExitCode.USAGE)
    say(
        "To be closed at market, the whole position:\n"
        f"  instrument  {request.inst_id}\n"
        f"  mode        {request.mgn_mode}{f', {request.ccy}' if request.ccy else ''}\n"
        f"  side        {request.pos_side or 'net (none named)'}\n"
        f"  orders      {'cancel pending close orders first' if request.auto_cxl else 'stay; pending ones refuse it'}\n"
        f"  where       {'demo trading' if target.demo else 'LIVE TRADING'}, {target.url()}"
    )
    # Not typer.confirm: it writes to stdout, which is for results.
    sys.stderr.write("Close it? [y/N] ")
    sys.stderr.flush()
    try:
        answer = sys.stdin.readline()
    except KeyboardInterrupt:
        answer = ""
    if answer.strip().lower() in {"y", "yes"}:
        return None
    # After Ctrl-C or Ctrl-D the prompt's line has no end.
    return Stopped(f"{'' if answer else chr(10)}not confirmed: nothing was sent", ExitCode.FAILED)


def _ended(
    request: ClosePosition,
    target: Target,
    ending: ClosedPosition | OkxError | Stopped,
    attempts: list[Attempt],
    *,
    as_json: bool,
) -> ExitCode:
    """Say what became of the close, in words or as one record."""
    look = f"see what is left: {target.positions_command(request.inst_id)}"
    record: dict[str, Any] = {"inst_id": request.inst_id, "mgn_mode": request.mgn_mode, "flat": False}
    match ending:
        case OkxError():
            code = exit_code(ending)
            say(f"error: {ending}")
            record |= failure_record(ending)
        case Stopped(text, code):
            say(text)
            outcome = "unknown" if code is ExitCode.UNKNOWN else "not executed"
            record |= {"outcome": outcome, "error": "Stopped", "text": text.strip()}
        case _:
            code = ExitCode.DONE
            record |= {"outcome": "accepted", "pos_side": ending.pos_side, "cl_ord_id": ending.cl_ord_id}
            record |= {"tag": ending.tag, "flat": ending.flat}
            if not as_json:
                show(f"{ending.inst_id}: accepted. That is not yet proof of being flat;\n{look}")
    if code is ExitCode.UNKNOWN:
        say(look)
    if as_json and code is not ExitCode.USAGE:
        emit(record | {"attempts": [attempt_record(attempt) for attempt in attempts]})
    return code
