"""An experiment, not shipped: aiohttp's connector and parser, with request bytes of our own written to its connection.

`connect()`, `set_response_params()` and `read()` of its protocol are public names without documentation; see
docs/explanation/the-cost-of-a-close.md for what it gains and what it risks.
"""

from __future__ import annotations

import asyncio
import base64
import inspect
from collections.abc import Callable
from typing import Any

import aiohttp
import orjson
from aiohttp.helpers import TimerNoop

from benchmarks.clients import KEYS, PASSPHRASE, PATH, Subject
from benchmarks.clients.aiohttp import NEVER, PREFIX, Tuned, accepted

HEAD = (
    f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: identity\r\nContent-Type: application/json\r\n"
    f"OK-ACCESS-KEY: {KEYS}\r\nOK-ACCESS-PASSPHRASE: {PASSPHRASE}\r\n"
).encode()


class Bytes(Tuned):
    """The tuned one's session and connector, without its requests and responses."""

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        # Never sent: it names the host to connect to.
        self._request = aiohttp.ClientRequest("POST", self._url, loop=asyncio.get_running_loop(), session=self._session)
        self._parameters: dict[str, Any] | None = None

    async def close(self, inst_id: str) -> Any:
        """Close one position."""
        body = orjson.dumps({"instId": inst_id, "mgnMode": "cross"})
        stamp = self._timestamp().encode()
        mac = self._mac.copy()
        mac.update(stamp + PREFIX + body)
        connector: Any = self._session.connector
        async with asyncio.timeout(5):
            connection = await connector.connect(self._request, [], NEVER)
            try:
                protocol = connection.protocol
                protocol.set_response_params(**(self._parameters or self._known(protocol.set_response_params)))
                connection.transport.write(
                    b"%bOK-ACCESS-TIMESTAMP: %b\r\nOK-ACCESS-SIGN: %b\r\nContent-Length: %d\r\n\r\n%b"
                    % (HEAD, stamp, base64.b64encode(mac.digest()), len(body), body)
                )
                _, payload = await protocol.read()
                return orjson.loads(await payload.read())
            finally:
                connection.release()

    def _known(self, method: Callable[..., object]) -> dict[str, Any]:
        """Return the arguments that this version of aiohttp knows: they were added to from version to version."""
        wanted = {
            "timer": TimerNoop(),
            "skip_payload": False,
            "read_until_eof": True,
            "auto_decompress": False,
            "read_timeout": None,
            "read_bufsize": 2**16,
            "max_line_size": 8190,
            "max_field_size": 8190,
            "max_headers": 128,
        }
        self._parameters = {name: wanted[name] for name in inspect.signature(method).parameters if name in wanted}
        return self._parameters


SUBJECTS = (
    Subject(
        "aiohttp, request bytes of its own",
        "aiohttp",
        "an experiment: aiohttp's connector and parser, without its requests; one timer, no limiter",
        Bytes,
        accepted,
    ),
)
