"""Sessions of callers: what would change signed requests, or answer them by itself."""

from typing import Final

import aiohttp

from okx_async._errors import InvalidRequestError

# Headers that a session must not add to a signed request.
_OURS: Final = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "transfer-encoding",
        "x-simulated-trading",
    }
)
_STEPS: Final = ("request", "_request")
_REQUEST, _STEP = (getattr(aiohttp.ClientSession, name) for name in _STEPS)


def check_session(session: aiohttp.ClientSession) -> None:
    """Raise InvalidRequestError for a session that would change signed requests, or may answer by itself."""
    if not isinstance(session, aiohttp.ClientSession):
        raise InvalidRequestError(f"session must be an aiohttp.ClientSession, got {type(session).__name__}")
    if session.closed:
        raise InvalidRequestError("session is closed")
    if overridden(session):
        raise InvalidRequestError(
            f"session is a {type(session).__name__}, which makes requests in a way of its own (a cache?): an answer "
            "counts only if it came over the connection that carried the request; pass a plain aiohttp.ClientSession"
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
    kind = type(session)
    return any(
        getattr(kind, name) is not getattr(aiohttp.ClientSession, name) or name in vars(session) for name in _STEPS
    )


def genuine(session: aiohttp.ClientSession) -> bool:
    """Return whether a session makes requests as aiohttp does, so that nothing is sent without its middlewares."""
    kind, own = type(session), vars(session)
    return kind.request is _REQUEST and kind._request is _STEP and not ("request" in own or "_request" in own)  # noqa: SLF001 - aiohttp's one step under `request`
