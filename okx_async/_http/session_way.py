"""Requests by an `aiohttp.ClientSession`: a caller's, one through a proxy, and one that a tool looks at."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import aiohttp
from aiohttp.hdrs import PROXY_AUTHORIZATION
from yarl import URL

from okx_async._http.early_reader import EarlyReader
from okx_async._http.protocol import LIMITS
from okx_async._http.proxy import Proxy
from okx_async._http.route import Route
from okx_async._http.sessions import set_to
from okx_async._http.write_gate import WriteGate

NO_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)


class SessionWay:
    """How the requests of one client are made by its session.

    Args:
        base_url: Where to; checked.
        own: Whether it is the client's own session.
        connect_timeout: Seconds to a usable connection.
        route: The way of the connections.
    """

    def __init__(self, base_url: str, *, own: bool, connect_timeout: float, route: Route) -> None:
        self.options = LIMITS if route.proxy is None else {**LIMITS, **_through(route.proxy)}
        """What each request is made with: what is read of heads, and its proxy."""
        self.settings = route.session_settings
        """Private settings of the session that are others for its requests."""
        # On a caller's session aiohttp itself limits the time to connect. The threshold keeps aiohttp from rounding
        # that limit up to a whole second.
        self.timeout = (
            NO_TIMEOUT
            if own
            else aiohttp.ClientTimeout(
                total=None, connect=connect_timeout, sock_connect=connect_timeout, sock_read=None, ceil_threshold=3600
            )
        )
        """aiohttp's time-outs for each."""
        # A proxy that gets the request itself, and no CONNECT, wants its login there.
        self._login = None
        if route.proxy is not None and not base_url.startswith("https:"):
            self._login = route.proxy.authorization

    async def ask(  # noqa: PLR0917 - as `Transport.send` has them
        self,
        session: aiohttp.ClientSession,
        gate: WriteGate,
        reader: EarlyReader | None,
        method: str,
        url: URL,
        headers: Callable[[], Mapping[str, str]],
        data: bytes | None,
    ) -> aiohttp.ClientResponse:
        """Have the session make one request, and return its answer.

        Args:
            session: It.
            gate: Stands before the write.
            reader: Has the answer before the session's own functions.
            method: "GET" or "POST".
            url: Where to.
            headers: Returns the headers.
            data: The body, if aiohttp is to write it and not the gate.
        """
        with set_to(session, self.settings) as asked:
            return await asked.request(
                method,
                url,
                data=data,
                headers=headers() if self._login is None else {**headers(), PROXY_AUTHORIZATION: self._login},
                timeout=self.timeout,
                allow_redirects=False,
                raise_for_status=False,
                expect100=False,
                auto_decompress=False,
                middlewares=(gate,) if reader is None else (reader, gate),
                **self.options,
            )


def _through(proxy: Proxy) -> dict[str, Any]:
    """Return the options of a request that goes through a proxy."""
    login = None if proxy.authorization is None else {PROXY_AUTHORIZATION: proxy.authorization}
    return {"proxy": proxy.url, "proxy_headers": login}
