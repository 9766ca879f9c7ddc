"""Whether aiohttp makes a request by its own functions, or a tool has put itself among them.

A tool may have done so before this package was imported: launchers of monitors do. So what stands there at the import
counts as aiohttp's own only if a module of aiohttp defines it.
"""

from operator import attrgetter
from types import FunctionType, ModuleType
from typing import Any, Final

import aiohttp
from aiohttp import client, client_reqrep, http_writer

_OF_A_REQUEST: Final = (
    *("__init__", "update_host", "update_version", "update_headers", "update_auto_headers", "update_cookies"),
    *("update_content_encoding", "update_auth", "update_proxy", "update_body_from_data", "update_transfer_encoding"),
    *("update_expect_continue", "send", "write_bytes"),
)
_STEPS: Final[tuple[tuple[Any, ModuleType, tuple[str, ...]], ...]] = (
    (aiohttp.ClientSession, client, ("__init__", "request", "_request", "_build_url", "_prepare_headers")),
    (aiohttp.ClientRequest, client_reqrep, _OF_A_REQUEST),
    (
        *(aiohttp.ClientResponse, client_reqrep),
        ("__init__", "start", "_response_eof", "_release_connection", "release", "close"),
    ),
    (http_writer.StreamWriter, http_writer, ("__init__", "write_headers", "write", "write_eof", "set_eof")),
)
"""What makes a request of a session: methods of classes, and the module that defines each class."""

# Another version of aiohttp may lack some; of what it has besides, the direct way knows nothing before it is tried.
_LOOKS: Final = [(kind, attrgetter(*[name for name in names if hasattr(kind, name)])) for kind, _, names in _STEPS]


def genuine_step(step: object, module: ModuleType) -> bool:
    """Return whether a function is one that a module of aiohttp defines, with nothing around it."""
    return type(step) is FunctionType and step.__globals__ is vars(module)


def _found() -> list[Any]:
    return [look(kind) for kind, look in _LOOKS]


def _all_genuine() -> bool:
    return all(
        kind.__module__ == module.__name__ and all(genuine_step(step, module) for step in found)
        for (kind, module, _), found in zip(_STEPS, _found(), strict=True)
    )


_USUAL: Final = _found() if _all_genuine() else None


def is_usual() -> bool:
    """Return whether aiohttp's steps of a request are its own now, and not those of a tool that is to see each request.

    It is asked before each request, so it looks whether anything has changed since the import.
    """
    return _found() == _USUAL


def usual_session(session: aiohttp.ClientSession) -> bool:
    """Return whether a session is of aiohttp's own class, and not of one that a tool has put in its place."""
    return type(session) is _LOOKS[0][0]
