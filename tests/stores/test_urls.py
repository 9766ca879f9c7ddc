from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from okx_async import InvalidRequestError
from okx_async._limiter.default import default_limiter
from okx_async.stores import SqliteLimiter
from okx_async.stores.places import default_path
from okx_async.stores.urls import place_of, shared_limiter


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///var/lib/me/limits", Path("/var/lib/me/limits")),
        ("sqlite:/var/lib/me/limits", Path("/var/lib/me/limits")),
        ("sqlite:///var/a%20b", Path("/var/a b")),
        ("sqlite:////var/lib/me/limits", Path("/var/lib/me/limits")),  # as other libraries have it
        ("sqlite:///var/%ff", Path("/var/\udcff")),
        (" SQLite:///var/x\n", Path("/var/x")),
        ("process", None),
        ("REDIS://user:hunter2@host/0", "redis://user:hunter2@host/0"),
        ("redis://user:hunter2@host/0", "redis://user:hunter2@host/0"),
    ],
)
def test_a_text_names_a_file_or_a_server(url: str, path: Path | str | None) -> None:
    assert place_of(url) == path


def test_without_a_path_it_is_the_users_own() -> None:
    assert place_of("sqlite:") == place_of(" sqlite:") == default_path()


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("sqlite://var/x", "three slashes"),
        ("sqlite:var/x", "the path must be absolute"),
        ("sqlite:///x?mode=ro", "a path has no options"),
        ("sqlite:///x#1", "a # is %23"),
        ("sqlite:///~/x", "without ~"),
        ("sqlite:///x%00", "no null character"),
        ("redis:host:6379/0", "two slashes after redis:"),
        ("redis:/hunter2@host", "two slashes after redis:"),
        ("/var/x", "must be named by sqlite:, sqlite:///absolute/path, redis://host:6379/0 or process"),
        ("http://user:hunter2@host/0", "; http:// is none of them"),
        ("hunter2:secret@host", "; this is none of them"),
        ("hunter2:secret", "; this is none of them"),
        ("", "this is none of them"),
        ("'sqlite:'", "; this, which begins with a quote, is none of them"),
        ('"redis://user:hunter2@host/0"', "; this, which begins with a quote, is none of them"),
    ],
)
def test_other_texts_are_refused_and_no_password_is_shown(url: str, text: str) -> None:
    with pytest.raises(InvalidRequestError, match=text) as raised:
        place_of(url)
    assert "hunter2" not in str(raised.value)
    assert "secret" not in str(raised.value)


def test_a_process_has_one_limiter_for_each_file(tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path}/limits"
    with ThreadPoolExecutor(4) as pool:
        [limiter] = set(pool.map(shared_limiter, [url] * 8))
    assert isinstance(limiter, SqliteLimiter)
    assert limiter.path == tmp_path / "limits"
    assert shared_limiter(f"sqlite://{tmp_path}/other") is not limiter
    assert shared_limiter("process") is default_limiter()


def test_a_server_has_one_limiter_too() -> None:
    limiter = shared_limiter("redis://:hunter2@host/7")
    assert repr(limiter) == "<RedisLimiter 20 per 2 s: redis://host:6379/7>"
    assert shared_limiter("redis://:hunter2@host/7") is limiter


async def test_one_that_was_closed_is_replaced(tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path}/limits"
    first = shared_limiter(url)
    assert shared_limiter(url) is first
    await first.aclose()
    second = shared_limiter(url)
    assert second is not first
    assert shared_limiter(url) is second
    async with second.slot(("live", "123", "BTC-USDT-SWAP")):
        pass
    await second.aclose()
