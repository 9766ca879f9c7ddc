"""The recorder: an observer of a rehearsal that makes a recording of what it was told.

What it was told holds secrets, and stays in memory until the end: only then is it known what has to be replaced.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Final

import orjson
from multidict import CIMultiDict
from yarl import URL

from okx_async import __version__
from okx_async._credentials import Credentials
from okx_async._errors import InvalidRequestError
from okx_async._rest.hosts import REGIONS
from okx_async._rest.signing import SIGN, sign
from okx_async.rehearsal.exchanges import HttpExchange
from okx_async.rehearsal.recording.document import MAX_REQUESTS, Recording
from okx_async.rehearsal.recording.entry import MAX_DEPTH, Entry, Login, Part, depth_within
from okx_async.rehearsal.recording.folders import without_paths
from okx_async.rehearsal.recording.replacement import LEFT_OUT, Replacer
from okx_async.rehearsal.recording.spellings import SHORTEST
from okx_async.rehearsal.results import TrialResult
from okx_async.simulator.recorded import FilePath, RecordingError
from okx_async.stores._sqlite.places import default_path

_HEADERS: Final = frozenset(
    {"content-type", "content-length", "content-encoding", "connection", "keep-alive", "server"}
)
_SHOWN: Final = _HEADERS | {"retry-after", "date", "allow", "transfer-encoding", "cf-cache-status"}
_HOSTS: Final = frozenset(URL(url).host for url in REGIONS.values()) | {"www.okx.com"}
_TIME: Final = "/api/v5/public/time"
_RECORDS: Final = 20
"""Records of a long list that are kept, beside those of instruments that the rehearsal named."""
_TEXT: Final = 2_000
_DIGITS: Final = 15
"""Of a time in milliseconds that is no plausible one any more."""


class Recorder:
    """Takes down exchanges; an `Observer`.

    Args:
        credentials: The API key of the rehearsal.
        secrets: Other texts to hide, such as a proxy's "user:password".
        salt: Decides the replacements; by default drawn anew.

    Raises:
        RecordingError: If a credential is too short to be searched for.
    """

    def __init__(self, credentials: Credentials, *secrets: str, salt: bytes | None = None) -> None:
        own = (credentials.api_key, credentials.secret_key, credentials.passphrase)
        if any(len(secret) < SHORTEST for secret in own):
            raise RecordingError(f"no recording: a credential has fewer than {SHORTEST} characters, found everywhere")
        self._credentials = credentials
        self._secrets = (*own, *secrets)
        self._salt = salt
        self._exchanges: list[HttpExchange] = []

    def __repr__(self) -> str:
        return f"<Recorder: {len(self._exchanges)} requests>"

    def __call__(self, exchange: HttpExchange) -> None:
        """Take down an exchange; beyond 20,000 of them no further one."""
        if len(self._exchanges) < MAX_REQUESTS:
            self._exchanges.append(exchange)

    def recording(self, results: Sequence[TrialResult] = ()) -> Recording:
        """Return the recording, without settings; `results` are those of the rehearsal.

        Raises:
            RecordingError: If a secret would stand in it all the same.
        """
        exchanges = sorted(self._exchanges, key=lambda exchange: exchange.started)
        replacer = self._replacer(exchanges)
        began = exchanges[0].started if exchanges else 0.0
        offset = _offset(exchanges)
        instruments = set(_instruments(exchanges))

        def entry(exchange: HttpExchange) -> Entry:
            made = self._entry(exchange, replacer, offset=offset, instruments=instruments)
            return replace(made, at=round(exchange.started - began, 6))

        made = Recording(
            round(began + offset, 6),
            tuple(map(entry, exchanges)),
            tuple(_clean(result, replacer) for result in results),
            by=f"okx-async {__version__}",
        )
        if replacer.holds_secret(made.as_json()):
            raise RecordingError("no recording: a secret would stand in it: its text is one that every recording has")
        return made

    def _replacer(self, exchanges: Sequence[HttpExchange]) -> Replacer:
        replacer = Replacer(self._salt or os.urandom(32))
        replacer.hide(*self._secrets)
        for exchange in exchanges:
            replacer.hide(*_signatures(exchange))
            replacer.learn_query(exchange.path)
            for body in (exchange.request_body, exchange.answer_body):
                replacer.learn((_body(body) or {}).get("json"))
        return replacer

    def _entry(self, exchange: HttpExchange, replacer: Replacer, *, offset: float, instruments: set[str]) -> Entry:
        sent, answer = _body(exchange.request_body), _body(exchange.answer_body)
        content_type = CIMultiDict(exchange.request_headers).get("Content-Type", "")
        lines = [len(name) + len(value) + 4 for name, value in exchange.answer_headers.items()]
        return Entry(
            trial=replacer.text(exchange.trial),
            at=0.0,
            took=round(max(exchange.ended - exchange.started, 0.0), 6),
            host=_host(exchange.base_url),
            method=replacer.text(exchange.method),
            path=replacer.path(exchange.path),
            login=self._login(exchange, offset),
            expires=_expires(exchange, offset),
            content_type=replacer.text(content_type),
            sent=_replaced(sent, replacer),
            status=exchange.status,
            headers=_headers(exchange.answer_headers, replacer),
            head=sum(lines),
            longest=max(lines, default=0),
            answer=_replaced(_shortened(answer, instruments), replacer),
            failure=replacer.text(without_paths(exchange.failure, _folders())),
        )

    def _login(self, exchange: HttpExchange, offset: float) -> Login | None:
        headers = CIMultiDict(exchange.request_headers)
        if not any(name.upper().startswith("OK-ACCESS") for name in headers):
            return None
        own = self._credentials
        timestamp, signature = headers.get("OK-ACCESS-TIMESTAMP", ""), headers.get(SIGN, "")
        right = sign(own.secret_key, timestamp, exchange.method, exchange.path, exchange.request_body)
        return Login(
            _whose(headers.get("OK-ACCESS-KEY", ""), own.api_key),
            _whose(headers.get("OK-ACCESS-PASSPHRASE", ""), own.passphrase),
            "none" if not signature else "right" if signature == right else "wrong",
            _age(timestamp, exchange.started + offset),
            headers.get("x-simulated-trading") == "1",
        )


def write_recording(recording: Recording, path: FilePath) -> None:
    """Write a recording to a file that only its owner can read; a file of that name is replaced as a whole.

    Raises:
        OSError: If it cannot be written.
    """
    text = orjson.dumps(recording.as_json(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    beside = f"{os.fspath(path)}.{os.getpid()}.new"
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with open(handle, "wb") as file:  # noqa: PTH123 - a file that is open already
            file.write(text)
        os.replace(beside, path)  # noqa: PTH105 - paths of any kind
    except BaseException:
        os.unlink(beside)  # noqa: PTH108 - the same
        raise


def _signatures(exchange: HttpExchange) -> Iterator[str]:
    """Yield what an exchange's headers hold of logins."""
    for name, value in exchange.request_headers.items():
        upper = name.upper()
        if (upper.startswith("OK-ACCESS") and upper != "OK-ACCESS-TIMESTAMP") or "AUTHORIZATION" in upper:
            yield value


def _offset(exchanges: Sequence[HttpExchange]) -> float:
    """Return the seconds by which the exchange's clock is ahead, by its answer with the shortest round trip."""
    best, offset = float("inf"), 0.0
    for exchange in exchanges:
        if exchange.path == _TIME and exchange.ended - exchange.started < best:
            body: Any = (_body(exchange.answer_body) or {}).get("json")
            try:
                told = int(body["data"][0]["ts"]) / 1000
            except (KeyError, IndexError, TypeError, ValueError):  # no time: another answer has one
                continue
            best, offset = exchange.ended - exchange.started, told - (exchange.started + exchange.ended) / 2
    return offset


def _age(timestamp: str, now: float) -> float | None:
    try:
        moment = datetime.fromisoformat(timestamp)
    except ValueError:
        return None
    return None if moment.tzinfo is None else round(now - moment.timestamp(), 3)


def _expires(exchange: HttpExchange, offset: float) -> float | None:
    """Return the seconds from a request to its expTime."""
    text = CIMultiDict(exchange.request_headers).get("expTime", "")
    known = text.isascii() and text.isdecimal() and len(text) < _DIGITS
    return round(int(text) / 1000 - exchange.started - offset, 3) if known else None


def _whose(given: str, own: str) -> Part:
    return "none" if not given else "own" if given == own else "other"


def _host(base_url: str) -> str:
    host = URL(base_url).host or ""
    return host if host in _HOSTS else "another host"


def _body(body: bytes) -> dict[str, Any] | None:
    """Return a body as entries have it; what is nested too deeply is left out."""
    if not body:
        return None
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {"text": body[: 4 * _TEXT].decode(errors="replace")}
    return {"json": value} if depth_within(value, MAX_DEPTH) else {"text": LEFT_OUT}


def _replaced(body: dict[str, Any] | None, replacer: Replacer) -> dict[str, Any] | None:
    if body is None:
        return None
    if "json" in body:
        return {"json": replacer.json(body["json"])}
    return {"text": replacer.text(body["text"])[:_TEXT]}


def _headers(headers: Mapping[str, str], replacer: Replacer) -> dict[str, str | None]:
    kept = {name: value if name.lower() in _SHOWN else None for name, value in headers.items()}
    made = replacer.json(kept)
    return {name: value if isinstance(value, str) else None for name, value in made.items()}


def _instruments(exchanges: Sequence[HttpExchange]) -> Iterator[str]:
    """Yield the instruments that requests name."""
    for exchange in exchanges:
        for pair in exchange.path.partition("?")[2].split("&"):
            name, _, value = pair.partition("=")
            if name == "instId":
                yield from value.replace("%2C", ",").split(",")
        sent = (_body(exchange.request_body) or {}).get("json")
        for item in sent if isinstance(sent, list) else [sent]:
            if isinstance(item, dict) and isinstance(item.get("instId"), str):
                yield item["instId"]


def _shortened(body: dict[str, Any] | None, instruments: set[str]) -> dict[str, Any] | None:
    """Return a body whose list of records has its first ones only, and those of these instruments."""
    value = (body or {}).get("json")
    if not isinstance(value, dict) or not isinstance(value.get("data"), list) or len(value["data"]) <= _RECORDS:
        return body
    data = [
        record
        for number, record in enumerate(value["data"])
        if number < _RECORDS or (isinstance(record, dict) and record.get("instId") in instruments)
    ]
    return {"json": {**value, "data": data}}


def _folders() -> list[str]:
    """Return the folders of this machine that messages name."""
    found = [gettempdir()]
    for folder in (Path.home, Path.cwd, lambda: default_path().parent):
        with suppress(OSError, RuntimeError, InvalidRequestError):  # none, or gone
            found.append(str(folder()))
    return found


def _clean(result: TrialResult, replacer: Replacer) -> TrialResult:
    folders = _folders()

    def text(given: str) -> str:
        return replacer.text(without_paths(given, folders))

    observed = {text(name): text(value) if isinstance(value, str) else value for name, value in result.observed.items()}
    return replace(result, evidence=text(result.evidence), observed=observed)
