"""Signatures, and the headers that carry them.

https://www.okx.com/docs-v5/en/#overview-rest-authentication
"""

import hmac
from base64 import b64encode
from datetime import UTC, datetime
from typing import Final

from multidict import CIMultiDict, istr

from okx_async._credentials import Credentials
from okx_async._errors import NotSentError

SIGN: Final = istr("OK-ACCESS-SIGN")
_TIMESTAMP: Final = istr("OK-ACCESS-TIMESTAMP")
_LENGTH: Final = istr("Content-Length")
_PLAIN: Final = {"Accept-Encoding": "identity"}  # answers have a few hundred bytes: nothing to gain
READING: Final = {**_PLAIN, "Cache-Control": "no-cache"}
"""Headers of everything that is read: a cache on the way has to ask the exchange each time."""
END_OF_TIME: Final = 253_402_300_800.0
"""Unix seconds of the year 10000: no timestamp can be written from there on."""


def sign(secret_key: str, timestamp: str, method: str, request_path: str, body: bytes) -> str:
    """Return the value of the OK-ACCESS-SIGN header.

    It is the Base64 text of HMAC-SHA256 over timestamp + method + request_path + body.

    Args:
        secret_key: The key of the HMAC.
        timestamp: ISO 8601, UTC, with milliseconds.
        method: "GET" or "POST".
        request_path: Path with its query, without the host.
        body: The bytes as sent.

    https://www.okx.com/docs-v5/en/#overview-rest-authentication-signature
    """
    prehash = f"{timestamp}{method}{request_path}".encode() + body
    return b64encode(hmac.digest(secret_key.encode(), prehash, "sha256")).decode()


class Signer:
    """The headers of signed requests for one set of credentials."""

    __slots__ = ("_get", "_hmac", "_post", "_prefix", "_repr", "_second")

    def __init__(self, credentials: Credentials, *, demo: bool) -> None:
        self._hmac = hmac.new(credentials.secret_key.encode(), digestmod="sha256")  # copied for each message
        headers = {
            "OK-ACCESS-KEY": credentials.api_key,
            "OK-ACCESS-PASSPHRASE": credentials.passphrase,
        }
        if demo:
            # https://www.okx.com/docs-v5/en/#overview-demo-trading-services; not part of what is signed
            headers["x-simulated-trading"] = "1"
        # aiohttp would convert a plain dictionary into this for each request.
        self._get, self._post = (
            CIMultiDict({istr(name): value for name, value in {**headers, **more}.items()})
            for more in (READING, {**_PLAIN, "Content-Type": "application/json"})
        )
        self._second: int | None = None
        self._prefix = ""
        self._repr = f"Signer({credentials!r}, demo={demo})"

    def __repr__(self) -> str:
        return self._repr

    def headers(self, method: str, path: str, body: bytes, now: float) -> CIMultiDict[str]:
        """Return the headers of a request written at `now` (wall clock, Unix seconds).

        The exchange refuses a timestamp 30 s away from its own clock: sign after every wait. Raises NotSentError for a
        time that is none.
        """
        if not 0.0 <= now < END_OF_TIME:  # nan is neither
            raise NotSentError(f"nothing was sent: {now!r} is no time to sign by: check wall_clock")
        # By way of whole microseconds: 1768519672.373 is a little less than that as a float.
        second, micros = divmod(round(now * 1_000_000), 1_000_000)
        if second != self._second:
            self._prefix = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            self._second = second
        # Exactly three decimals: six were refused, as was none (observed).
        timestamp = f"{self._prefix}.{micros // 1000:03}Z"
        digest = self._hmac.copy()
        digest.update(f"{timestamp}{method}{path}".encode() + body)
        headers = (self._post if method == "POST" else self._get).copy()
        headers[_TIMESTAMP] = timestamp
        headers[SIGN] = b64encode(digest.digest()).decode()
        if body:
            headers[_LENGTH] = str(len(body))
        return headers
