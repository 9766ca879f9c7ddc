import os
from pathlib import Path

import pytest

from okx_async import Client, Credentials, InvalidRequestError
from okx_async._calls import default_source
from okx_async._calls.default_source import default_limiter
from okx_async._limiter import default as own
from okx_async.stores import SqliteLimiter

MADE_UP = Credentials("key", "secret", "passphrase")


def test_without_the_variable_it_is_this_processs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_limiter() is own.default_limiter()
    monkeypatch.setenv("OKX_LIMITS", "")
    assert default_limiter() is own.default_limiter()


def test_the_variable_names_the_limits_of_every_client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OKX_LIMITS", f"sqlite://{tmp_path}/limits")
    first, second = Client(MADE_UP), Client(MADE_UP)
    assert isinstance(first.limiter, SqliteLimiter)
    assert first.limiter is second.limiter


def test_a_variable_that_names_nothing_is_refused_when_the_client_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OKX_LIMITS", "postgres://x")
    with pytest.raises(InvalidRequestError, match="postgres:// is none of them"):
        Client(MADE_UP)


def test_limits_that_change_after_a_client_was_made_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(default_source, "_GIVEN", {})
    Client(MADE_UP)
    Client(MADE_UP)
    assert not caplog.records
    monkeypatch.setenv("OKX_LIMITS", f"sqlite://{tmp_path}/limits")  # as a file of variables that is read too late
    Client(MADE_UP)
    assert "OKX_LIMITS was changed after clients were made: they keep their limits" in caplog.text
    caplog.clear()
    Client(MADE_UP)
    assert not caplog.records


async def test_limits_that_were_closed_are_nobodys_any_more(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(default_source, "_GIVEN", {})
    monkeypatch.setenv("OKX_LIMITS", f"sqlite://{tmp_path}/limits")
    await Client(MADE_UP).limiter.aclose()
    Client(MADE_UP)
    assert not caplog.records


def test_a_process_that_was_forked_has_no_client_of_its_parents(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(default_source, "_GIVEN", {os.getppid(): own.default_limiter()})
    monkeypatch.setenv("OKX_LIMITS", f"sqlite://{tmp_path}/limits")
    Client(MADE_UP)
    assert not caplog.records
