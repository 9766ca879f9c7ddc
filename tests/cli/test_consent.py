import io
import sys

import pytest

from okx_async.cli.consent import Stopped, ask, no_terminal
from okx_async.cli.exits import ExitCode
from okx_async.cli.signals import Stop


@pytest.mark.parametrize(
    ("answer", "agreed"),
    [(b"y\n", True), (b" YES \n", True), (b"y", True), (b"n\n", False), (b"", False), (b"\xff\xfe\n", False)],
    ids=["y", "yes", "no end of line", "n", "nothing", "no text"],
)
def test_nothing_but_a_yes_is_consent(monkeypatch: pytest.MonkeyPatch, answer: bytes, *, agreed: bool) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(answer), "utf-8"))
    refused = None if agreed else Stopped("not confirmed: nothing was sent", ExitCode.FAILED)
    assert ask("Close it?", Stop()) == refused


def test_a_closed_stream_is_no_terminal_to_ask_at(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stdin", closed)
    refused = no_terminal("flatten")
    assert refused is not None
    assert refused.code is ExitCode.USAGE
