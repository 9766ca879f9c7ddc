import asyncio
import socket
from typing import Any

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from okx_async._http.connector import Connector
from okx_async._http.inflight import TOO_LATE, InFlight
from okx_async._http.route import DIRECT, NetworkOptions, make_route
from okx_async._http.timeouts import TimeoutGroup
from okx_async._http.unconnected import in_full, reason, time_is_over

KEY = ConnectionKey("h", 443, True, True, None, None, None)  # noqa: FBT003 - aiohttp's order
REFUSED = aiohttp.ClientConnectorError(KEY, OSError(111, "refused"))


def flight() -> InFlight:
    return InFlight(TimeoutGroup(asyncio.get_running_loop()), timeout=5.0, wall_clock=lambda: 0.0)


def test_a_limit_is_named() -> None:
    assert reason(aiohttp.ConnectionTimeoutError(), None, DIRECT, 2.0) == "no connection within connect_timeout=2 s"
    assert reason(REFUSED, None, DIRECT, 2.0) == "no connection to h:443: refused"


def test_so_is_an_address_that_is_not_ours() -> None:
    bind = aiohttp.ClientConnectorError(KEY, OSError(99, "error while attempting to bind on address ('192.0.2.1', 0)"))
    route = make_route("https://h", NetworkOptions(local_addr="192.0.2.1"))
    told = "no connection from local_addr=192.0.2.1, which is no address of this machine now"
    assert reason(bind, None, route, 2.0) == told
    assert reason(bind, None, DIRECT, 2.0) != told


async def test_what_was_awaited_is_named() -> None:
    wire = flight()
    assert time_is_over(wire, None, DIRECT, 0.3, own=True) == "no connection within connect_timeout=0.3 s"
    assert time_is_over(wire, None, DIRECT, 0.3, own=False) == "no connection within timeout=5 s"
    through = make_route("https://h", NetworkOptions(proxy="http://alice:pw@p:1"))
    assert time_is_over(wire, None, through, 2.0, own=True) == (
        "no connection through the proxy http://p:1 within connect_timeout=2 s"
    )
    wire.connect_until = wire.loop.time()
    assert "before max_wait, or the call's own time, was over (connect_timeout=2 s)" in time_is_over(
        wire, None, DIRECT, 2.0, own=False
    )
    assert time_is_over(wire, None, DIRECT, 2.0, own=True) == (
        "no connection before max_wait, or the call's own time, was over (connect_timeout=2 s)"
    )


@pytest.mark.parametrize("asking", [True, False])
async def test_dns_is_named(monkeypatch: pytest.MonkeyPatch, asking: bool) -> None:  # noqa: FBT001 - a parameter
    connector: Any = Connector(1.0)
    session = aiohttp.ClientSession(connector=connector)
    if asking:
        monkeypatch.setitem(connector.names._asking, ("h", 443, 0), None)
    else:
        monkeypatch.setitem(connector.names._troubles, "h", "DNS does not answer for h")
    told = time_is_over(flight(), session, DIRECT, 2.0, own=True)
    known = "" if asking else ", and its last known address does not answer"
    assert told == f"DNS does not answer for h{known}: no connection within connect_timeout=2 s"
    assert reason(REFUSED, session, DIRECT, 2.0).startswith(
        "no connection to h:443" if asking else "DNS does not answer for h, and its"
    )
    monkeypatch.undo()
    await session.close()


async def test_of_a_proxys_host_it_is_said_whose_host_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    connector: Any = Connector(1.0)
    through = make_route("https://h", NetworkOptions(proxy="http://alice:pw@p.example:1"))
    unknown = aiohttp.ClientConnectorDNSError(
        ConnectionKey("p.example", 1, False, True, None, None, None),  # noqa: FBT003 - aiohttp's order
        OSError(None, "DNS cannot look up p.example (unknown)"),
    )
    assert reason(unknown, None, DIRECT, 2.0) == "DNS cannot look up p.example (unknown)"
    async with aiohttp.ClientSession(connector=connector) as session:
        assert reason(unknown, session, through, 2.0) == "DNS cannot look up p.example, the proxy's host (unknown)"
        with monkeypatch.context() as asking:
            asking.setitem(connector.names._asking, ("p.example", 1, 0), None)
            told = time_is_over(flight(), session, through, 2.0, own=True)
        assert told.startswith("DNS does not answer for p.example, the proxy's host: no connection")
        monkeypatch.setitem(connector.names._troubles, "p.example", "DNS does not answer for p.example")
        told = time_is_over(flight(), session, through, 2.0, own=True)
        assert told.startswith("DNS does not answer for p.example, the proxy's host, and its last known address")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"family": socket.AF_INET6}, ", asked for IPv6 addresses only, because of family=AF_INET6"),
        ({"family": socket.AF_INET}, ", asked for IPv4 addresses only, because of family=AF_INET"),
        ({"local_addr": "::1"}, ", asked for IPv6 addresses only, because of local_addr=::1"),
        ({}, ""),
    ],
)
def test_of_a_lookup_it_is_said_which_option_leaves_out_addresses(options: dict[str, Any], told: str) -> None:
    unknown = aiohttp.ClientConnectorDNSError(KEY, OSError(None, "DNS cannot look up h (unknown)"))
    route = make_route("https://h", NetworkOptions(**options))
    assert reason(unknown, None, route, 2.0) == f"DNS cannot look up h (unknown){told}"


class ProxyConnector(aiohttp.TCPConnector):
    """As those of the packages that speak SOCKS are named."""


async def test_what_stands_in_the_way_of_a_callers_session_is_named() -> None:
    timeout = aiohttp.ConnectionTimeoutError()
    async with aiohttp.ClientSession(connector=ProxyConnector()) as session:
        told = "no connection through the session's ProxyConnector within connect_timeout=2 s"
        assert reason(timeout, session, DIRECT, 2.0) == told
    async with aiohttp.ClientSession(proxy="http://alice:pw@p:1") as session:
        told = "no connection through the session's proxy within connect_timeout=2 s"
        assert reason(timeout, session, DIRECT, 2.0) == told
    async with aiohttp.ClientSession() as session:
        assert reason(timeout, session, DIRECT, 2.0) == "no connection within connect_timeout=2 s"
        assert in_full("another", session, 1.0) == "another"
        assert "late to be sent: the connection took 1.3 s before" in in_full(TOO_LATE, session, 1.3)
    async with aiohttp.ClientSession(trace_configs=[aiohttp.TraceConfig()]) as session:
        told = "late to be sent: the trace hooks and the connector of the session took 1.3 s before"
        assert told in in_full(TOO_LATE, session, 1.3)
        assert "the session's trace hooks" in time_is_over(flight(), session, DIRECT, 0.3, own=False)
