"""Requests that steer a simulated exchange while it runs, sent to nothing that does not say that it is simulated."""

import os
import re
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
import orjson

from okx_async._validation import short_repr
from okx_async.cli.exits import ExitCode, emit, say_error
from okx_async.cli.signals import Stop
from okx_async.cli.signals import run as run_until_stopped

VARIABLE: Final = "OKX_SIMULATED"
"""The environment variable that names the address."""
_PATH: Final = "/simulated"
_TIMEOUT: Final = aiohttp.ClientTimeout(total=10.0)
_FOUND: Final = 200
_WRONG: Final = frozenset({400, 404, 405, 413})


class NoAnswerError(Exception):
    """The exchange was not steered: why, and how the command ends."""

    def __init__(self, text: str, code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(text)
        self.code = code


def steer(base_url: str | None, path: str, fields: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Ask a simulated exchange at `base_url`, or let it do something; return its answer.

    Args:
        base_url: Its address.
        path: What is asked for or done, below ``/simulated``.
        fields: What is done is done with these; None (by default): it is only asked.

    Raises:
        NoAnswerError: It was not asked, is not simulated, or refused.
    """
    address = _address(base_url)
    stop = Stop()
    answer = run_until_stopped(_steer(address, path, fields), stop)
    if answer is None:
        raise NoAnswerError(f"{stop.word}: it is not known whether the simulated exchange did it")
    return answer


def print_answer(answer: Mapping[str, Any], words: str, *, as_json: bool) -> None:
    """Print an answer: its JSON, or what it says in words."""
    if as_json:
        emit(dict(answer))
    else:
        from okx_async.cli.tables import print_lines  # noqa: PLC0415 - not for JSON

        print_lines(words.splitlines())


def fail(error: NoAnswerError) -> ExitCode:
    """Print why nothing was done; return the exit code."""
    say_error(error)
    return error.code


def _address(base_url: str | None) -> str:
    if not base_url:
        text = f"no address: give --base-url, or {VARIABLE} as `okx-async simulate` prints it"
        raise NoAnswerError(text, ExitCode.USAGE)
    if wrong := _wrong(base_url):
        name = VARIABLE if base_url == os.environ.get(VARIABLE) else "--base-url"
        raise NoAnswerError(f"{name} {wrong}", ExitCode.USAGE)
    return base_url.rstrip("/")


def _wrong(base_url: str) -> str:
    """Return what is wrong with an address, without the parts that may be secret; "" for a good one."""
    if re.search("@|%40", base_url):
        return "must not hold a user name or password (not shown here)"
    host, *query = re.split("[?#]", base_url, maxsplit=1)
    if query:
        return f"must hold no query and no fragment, got {short_repr(host)}…"
    if re.fullmatch(r"https?://[^\s/]+/?", base_url) is None:
        return f"must be a URL such as http://127.0.0.1:8080, got {short_repr(base_url)}"
    return ""


async def _steer(address: str, path: str, fields: Mapping[str, Any] | None) -> dict[str, Any]:
    try:
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
            # Asked before anything is done: the path may mean something else to another server.
            status, about = await _ask(session, "GET", f"{address}{_PATH}")
            _check(address, status, about)
            if fields is None and not path:
                return about
            method = "GET" if fields is None else "POST"
            status, answer = await _ask(session, method, f"{address}{_PATH}/{path}", fields)
    except (aiohttp.ClientError, TimeoutError) as error:
        why = str(error) or type(error).__name__
        raise NoAnswerError(f"no simulated exchange answers at {address}: {why}") from error
    _check(address, status, answer)
    return answer


async def _ask(
    session: aiohttp.ClientSession, method: str, url: str, body: Mapping[str, Any] | None = None
) -> tuple[int, dict[str, Any]]:
    try:
        data = None if body is None else orjson.dumps(body)
    except orjson.JSONEncodeError as error:  # bytes of an argument that are no UTF-8
        raise NoAnswerError(f"an argument cannot be sent: {error}", ExitCode.USAGE) from None
    headers = {"Content-Type": "application/json"}
    async with session.request(method, url, data=data, headers=headers, allow_redirects=False) as response:
        text = await response.read()
        status = response.status
    try:
        answer = orjson.loads(text)
    except orjson.JSONDecodeError:
        answer = None
    return status, answer if isinstance(answer, dict) else {}


def _check(address: str, status: int, answer: Mapping[str, Any]) -> None:
    """Raise NoAnswerError unless a simulated exchange said that it is one, and did what was asked."""
    if not isinstance(answer.get("simulated"), str):
        raise NoAnswerError(f"{address} does not say that it is a simulated exchange: nothing was done there")
    if status != _FOUND:
        code = ExitCode.USAGE if status in _WRONG else ExitCode.FAILED
        raise NoAnswerError(str(answer.get("error", f"HTTP {status}")), code)


def journal_line(row: Mapping[str, Any], now: float) -> str:
    """Return a row of the journal in a line; `now` is the exchange's clock."""
    outcome = [row["code"] or "-", str(row["status"] or "cut off")]
    outcome += ["executed"] * bool(row["executed"]) + [f"fault {row['fault']!r}"] * bool(row["fault"])
    key = " ".join(row["key"]) if row["key"] else row["uid"] or "-"
    return f"{row['at'] - now:9.3f} s  {row['method']} {row['path']}  {key}  {', '.join(outcome)}"
