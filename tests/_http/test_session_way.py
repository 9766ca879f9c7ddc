import asyncio

import aiohttp
import pytest
from yarl import URL

from okx_async._http.inflight import InFlight
from okx_async._http.protocol import LIMITS
from okx_async._http.proxy import read_proxy
from okx_async._http.route import DIRECT, Route
from okx_async._http.session_way import NO_TIMEOUT, SessionWay
from okx_async._http.timeouts import TimeoutGroup
from okx_async._http.write_batch import WriteBatch
from okx_async._http.write_gate import WriteGate

HTTPS, PLAIN = "https://openapi.okx.com", "http://127.0.0.1:9"


def way(base_url: str = HTTPS, *, own: bool = True, route: Route = DIRECT) -> SessionWay:
    return SessionWay(base_url, own=own, connect_timeout=0.5, route=route)


def test_only_a_session_of_the_callers_limits_the_time_to_connect() -> None:
    assert way().timeout is NO_TIMEOUT
    timeout = way(own=False).timeout
    assert (timeout.total, timeout.connect, timeout.sock_connect, timeout.sock_read) == (None, 0.5, 0.5, None)
    assert timeout.ceil_threshold > 100  # else half a second would become a whole one


@pytest.mark.parametrize("base_url", [HTTPS, PLAIN])
async def test_a_proxy_has_its_login_where_it_looks_for_it(base_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = read_proxy("http://bob:wr0ng@127.0.0.1:8", base_url)
    assert proxy is not None
    subject = way(base_url, route=Route(proxy=proxy))
    assert subject.options["proxy"] == URL("http://127.0.0.1:8")
    assert set(subject.options) == {*LIMITS, "proxy", "proxy_headers"}
    asked: list[dict[str, object]] = []

    async def noted(*_: object, **options: object) -> None:
        asked.append(options)

    monkeypatch.setattr(aiohttp.ClientSession, "_request", noted)
    wire = InFlight(TimeoutGroup(asyncio.get_running_loop()), timeout=5.0, wall_clock=lambda: 0.0)
    gate = WriteGate(wire, WriteBatch())
    async with aiohttp.ClientSession() as session:
        await subject.ask(session, gate, None, "GET", URL(base_url), lambda: {"a": "b"}, None)
    ((options),) = asked
    headers = options["headers"]
    assert isinstance(headers, dict)
    if base_url == HTTPS:
        assert headers == {"a": "b"}
        assert options["proxy_headers"] == {"Proxy-Authorization": proxy.authorization}
    else:
        assert headers == {"a": "b", "Proxy-Authorization": proxy.authorization}
