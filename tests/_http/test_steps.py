"""aiohttp's steps of a request: which there are, and what a tool in the place of one is seen by."""

import subprocess
import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any

import aiohttp
import pytest
from aiohttp import client, client_reqrep

from okx_async._http.steps import _LOOKS, _STEPS, genuine_step, is_usual, usual_session
from tests._http.serving import send, serving

KINDS: dict[str, Any] = {kind.__name__: kind for kind, _, _ in _STEPS}
LOOKED_AT = [(kind, name) for kind, _, names in _STEPS for name in names]
# Called by those that are looked at, or of no request.
INSIDE = {
    *("ClientRequest._get_content_length", "ClientResponse._cleanup_writer", "ClientResponse._notify_content"),
    *("ClientResponse.__del__", "StreamWriter._write", "StreamWriter._writelines"),
    *("StreamWriter._send_headers_with_payload", "ClientRequest._create_writer"),
}

BEFORE = """
import functools, sys, unittest.mock
import aiohttp, aiohttp.client_reqrep

kinds = {kind.__name__: kind for kind in (
    aiohttp.ClientSession, aiohttp.ClientRequest, aiohttp.ClientResponse, aiohttp.client_reqrep.StreamWriter
)}
kind, name = sys.argv[1:]
step = getattr(kinds[kind], name, None)

def around(*arguments, **options):
    return step(*arguments, **options)

if name == "subclass":
    setattr(aiohttp, kind, type(kind, (kinds[kind],), {}))
else:
    setattr(kinds[kind], name, functools.wraps(step)(around))

from okx_async._http.sessions import _REQUEST, _STEP
from okx_async._http.steps import is_usual
print(is_usual(), _REQUEST is None, _STEP is None)
"""


def test_they_are_aiohttps_here() -> None:
    assert is_usual()


async def test_each_that_a_session_calls_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    called: set[str] = set()

    def noted(step: Callable[..., Any], name: str) -> Callable[..., Any]:
        def note(*arguments: Any, **options: Any) -> Any:
            called.add(name)
            return step(*arguments, **options)

        return note

    async with serving() as (_, subject):
        await send(subject)
        for kind in KINDS.values():
            for name, step in list(vars(kind).items()):
                if type(step) is FunctionType:
                    monkeypatch.setattr(kind, name, noted(step, f"{kind.__name__}.{name}"))
        assert (await send(subject))[1] is not None
        monkeypatch.undo()
    assert {"ClientSession._request", "ClientRequest.send", "ClientResponse.start"} <= called
    mangled = {name for name in called if f"._{name.split('.')[0]}__" in name}
    assert called - mangled - INSIDE <= {f"{kind.__name__}.{name}" for kind, name in LOOKED_AT}


@pytest.mark.parametrize(("kind", "name"), LOOKED_AT)
def test_a_tool_in_the_place_of_one_is_seen_until_it_goes(
    kind: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(kind, name, lambda *_: None)
        assert not is_usual()
    assert is_usual()


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("ClientRequest", "send", "False False False"),
        ("ClientResponse", "start", "False False False"),
        ("ClientSession", "_request", "False False True"),
        ("ClientSession", "request", "False True False"),
        ("StreamWriter", "write_headers", "False False False"),
        ("ClientSession", "subclass", "False False False"),
        ("ClientRequest", "subclass", "False False False"),
        ("ClientSession", "close", "True False False"),
    ],
)
def test_a_tool_that_was_there_before_the_import_is_seen(kind: str, name: str, said: str) -> None:
    done = subprocess.run(  # noqa: S603 - this interpreter, and a program of ours
        [sys.executable, "-W", "ignore", "-c", BEFORE, kind, name], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == said


def test_what_only_looks_like_aiohttps_is_not() -> None:
    def start() -> None: ...

    start.__module__ = client_reqrep.__name__  # as functools.wraps does it
    assert not genuine_step(start, client_reqrep)
    assert genuine_step(aiohttp.ClientResponse.start, client_reqrep)
    assert not genuine_step(aiohttp.ClientResponse.start, client)

    class Proxy:  # as wrapt makes them
        def __getattr__(self, name: str) -> Any:
            return getattr(aiohttp.ClientResponse.start, name)

    assert not genuine_step(Proxy(), client_reqrep)


@pytest.mark.filterwarnings("ignore:Inheritance class:DeprecationWarning")
async def test_a_class_in_the_place_of_aiohttps_sessions_is_another() -> None:
    assert _LOOKS[0][0] is aiohttp.ClientSession
    kind = type("Theirs", (aiohttp.ClientSession,), {})
    async with aiohttp.ClientSession() as plain, kind() as theirs:
        assert usual_session(plain)
        assert not usual_session(theirs)
