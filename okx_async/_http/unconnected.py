"""Why a request got no connection, in words that name what was awaited and the limit that was over."""

import re
import socket

import aiohttp

from okx_async._http.connector import Connector
from okx_async._http.failures import untunnelled, words
from okx_async._http.inflight import TOO_LATE, InFlight
from okx_async._http.route import Route


def reason(
    exc: BaseException,
    session: aiohttp.ClientSession | None,
    route: Route,
    connect_timeout: float,
    *,
    connected: bool = True,
) -> str:
    """Return what an error of aiohttp says, and what is wrong beside it; `connected`: the request had a connection."""
    if not connected and (trouble := untunnelled(exc)):
        return trouble
    if isinstance(exc, aiohttp.ConnectionTimeoutError):
        return f"no connection{_through(session, route)} within connect_timeout={connect_timeout:g} s"
    text = _with_role(words(exc), route)
    if isinstance(exc, aiohttp.ClientConnectorError):
        if route.local_addr is not None and "bind on address" in text:
            return f"no connection from local_addr={route.local_addr}, which is no address of this machine now"
        trouble = _with_role(_names(session)[1], route)
        if trouble and trouble not in text:
            return f"{trouble}, and its last known address does not answer: {text}"
    return text


def time_is_over(
    request: InFlight, session: aiohttp.ClientSession | None, route: Route, connect_timeout: float, *, own: bool
) -> str:
    """Return what was awaited when the time to connect was over; `own`: on the client's own session."""
    limit = f"connect_timeout={connect_timeout:g} s"
    early = request.call_is_over
    if not own and not early:  # aiohttp keeps the other limit
        limit = f"timeout={request.timeout:g} s"
    text = "no connection"
    text += f" before max_wait, or the call's own time, was over ({limit})" if early else f" within {limit}"
    if session is not None and session.trace_configs:
        text += "; the session's trace hooks are a part of that time, and a close of flatten or confirm=True cannot be "
        text += "written once they took more than 1 s"
    return awaited(text, session, route)


def awaited(text: str, session: aiohttp.ClientSession | None, route: Route) -> str:
    """Return a text that says for how long there was no connection, and what was awaited."""
    text = text.replace("no connection", f"no connection{_through(session, route)}", 1)
    asking, trouble = _names(session)
    if asking:
        return f"{_with_role(f'DNS does not answer for {asking}', route)}: {text}"
    if trouble:
        return f"{_with_role(trouble, route)}, and its last known address does not answer: {text}"
    return text


def in_full(failure: str, session: aiohttp.ClientSession, seconds: float) -> str:
    """Return why a request has no answer; if it came too late to be written, what took it so many seconds."""
    if TOO_LATE not in failure:
        return failure
    what = "the trace hooks and the connector of the session" if session.trace_configs else "the connection"
    return (
        f"{TOO_LATE}: {what} took {seconds:.1f} s before it could be written, and by then its time was over, "
        "which for a close of flatten or confirm=True ends 1 s after the reading of positions that it rests on"
    )


def _through(session: aiohttp.ClientSession | None, route: Route) -> str:
    """Return what stands between this machine and the exchange, as far as it is known."""
    if route.proxy is not None:
        return f" through the proxy {route.proxy.url.origin()}"
    if session is None:
        return ""
    settings = {**vars(session), **route.session_settings}
    if settings.get("_default_proxy") is not None:  # its URL may hold a login
        return " through the session's proxy"
    kind = type(session.connector)
    return "" if kind in {aiohttp.TCPConnector, Connector} else f" through the session's {kind.__name__}"


def _with_role(text: str, route: Route) -> str:
    """Return what is wrong with DNS, and which options have a part in it; of a proxy's host whose host that is."""
    if route.proxy is not None:
        host = re.escape(route.proxy.url.raw_host or "")
        text = re.sub(rf"^(DNS (?:cannot look up|does not answer for) {host})(?![\w.-])", r"\1, the proxy's host", text)
    if route.family and text.startswith("DNS cannot look up"):
        kind, option = ("IPv6", "AF_INET6") if route.family == socket.AF_INET6 else ("IPv4", "AF_INET")
        option = f"family={option}" if route.local_addr is None else f"local_addr={route.local_addr}"
        text = f"{text}, asked for {kind} addresses only, because of {option}"
    return text


def _names(session: aiohttp.ClientSession | None) -> tuple[str, str]:
    """Return the host whose lookup is awaited, and what is wrong with DNS, as far as it is known."""
    connector = None if session is None else session.connector
    return (connector.names.asking, connector.names.trouble) if isinstance(connector, Connector) else ("", "")
