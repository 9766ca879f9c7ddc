"""Sessions of callers: what would change signed requests, or answer them by itself."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from typing import Any, Final

import aiohttp
from aiohttp import client

from okx_async._errors import InvalidRequestError
from okx_async._http.steps import genuine_step

# Headers that a session must not add to a signed request; one asks for a part of an answer, or for none.
_OURS: Final = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "exptime",
        "host",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "range",
        "transfer-encoding",
        "x-simulated-trading",
    }
)
_REQUEST, _STEP = (  # None: a tool had replaced it before this module was imported
    step if genuine_step(step, client) else None
    for step in (aiohttp.ClientSession.request, aiohttp.ClientSession._request)  # noqa: SLF001 - the one step under it
)

# What a subclass may override: it takes no part in a request of this client.
_APART: Final = {
    aiohttp.ClientSession: frozenset(
        {"get", "post", "put", "patch", "delete", "head", "options", "query", "ws_connect", "_ws_connect"}
        | {"close", "detach"}
    ),
    aiohttp.ClientRequest: frozenset({"request_info"}),
    aiohttp.ClientResponse: frozenset(
        {"json", "text", "read", "iter_content", "raise_for_status", "ok", "get_encoding", "history", "links"}
        | {"content_disposition", "request_info", "method", "url", "real_url", "host", "reason", "cookies"}
    ),
}


def check_session(session: aiohttp.ClientSession) -> None:
    """Raise InvalidRequestError for a session that would change signed requests, or may answer by itself."""
    if not issubclass(type(session), aiohttp.ClientSession):  # a mock says to isinstance that it is one
        raise InvalidRequestError(
            f"session must be an aiohttp.ClientSession, got {type(session).__name__}; a wrapper that repeats or keeps "
            "requests cannot be used"
        )
    if session.closed:
        raise InvalidRequestError("session is closed")
    if names := _overrides(session):
        raise InvalidRequestError(
            f"session is a {type(session).__name__}, which makes requests in a way of its own (a cache? It overrides "
            f"{', '.join(names)}): an answer counts only if it came over the connection that carried the request; pass "
            "a plain aiohttp.ClientSession"
        )
    for argument, base in (("request_class", aiohttp.ClientRequest), ("response_class", aiohttp.ClientResponse)):
        kind = getattr(session, f"_{argument}", base)
        if names := _overridden(kind, base):
            raise InvalidRequestError(
                f"session has the {argument} {kind.__name__}, which overrides {', '.join(names)}: it could change "
                "requests, or answer them; pass a session without it"
            )
    if session.auth is not None:
        raise InvalidRequestError("session has a default auth: it would add a header to signed requests")
    if getattr(session, "_base_url", None) is not None:  # no public name for it
        raise InvalidRequestError("session has a base_url: pass base_url to Client instead")
    colliding = sorted(
        name for name in session.headers if name.lower() in _OURS or name.lower().startswith("ok-access-")
    )
    if colliding:
        raise InvalidRequestError(f"session has default headers that belong to each request: {', '.join(colliding)}")


def overridden(session: aiohttp.ClientSession) -> bool:
    """Return whether a session makes requests in another way than aiohttp's class, which tests may have replaced."""
    return bool(_overrides(session))


def _overrides(session: aiohttp.ClientSession) -> list[str]:
    base = vars(aiohttp.ClientSession)
    own = {name for name in vars(session) if callable(base.get(name))} - _APART[aiohttp.ClientSession]
    return sorted({*own, *_overridden(type(session), aiohttp.ClientSession)})


def _overridden(kind: type, base: type) -> list[str]:
    """Return the names of `base` that take part in a request and mean something else in a subclass."""
    if not issubclass(kind, base):
        return ["all of it"]
    theirs = {name for each in base.__mro__[:-1] for name in vars(each) if not name.startswith("__")} - _APART[base]
    theirs.add("__getattribute__")
    before = kind.__mro__[: kind.__mro__.index(base)]
    return sorted({name for each in before for name in vars(each)} & theirs)


@contextmanager
def set_to(session: aiohttp.ClientSession, settings: Mapping[str, Any]) -> Iterator[aiohttp.ClientSession]:
    """Yield a session over the same connector with other private settings, itself where there are none."""
    if not settings:
        yield session
        return
    made = copy(session)
    vars(made).update(settings)
    try:
        yield made
    finally:
        made.detach()  # which leaves the connector alone; else it would complain of one that is open


def genuine(session: aiohttp.ClientSession) -> bool:
    """Return whether a session makes requests as aiohttp does, so that nothing is sent without its middlewares."""
    kind, own = type(session), vars(session)
    return kind.request is _REQUEST and kind._request is _STEP and not ("request" in own or "_request" in own)  # noqa: SLF001 - aiohttp's one step under `request`
