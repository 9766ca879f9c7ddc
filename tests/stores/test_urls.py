from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from okx_async import InvalidRequestError
from okx_async._limiter.limiter import default_limiter
from okx_async.stores import SqliteLimiter
from okx_async.stores.places import default_path
from okx_async.stores.urls import file_of, shared_limiter


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///var/lib/me/limits", Path("/var/lib/me/limits")),
        ("sqlite:/var/lib/me/limits", Path("/var/lib/me/limits")),
        ("sqlite:///var/a%20b", Path("/var/a b")),
        ("process", None),
    ],
)
def test_a_text_names_a_file(url: str, path: Path | None) -> None:
    assert file_of(url) == path


def test_without_a_path_it_is_the_users_own() -> None:
    assert file_of("sqlite:") == default_path()


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("sqlite://var/x", "three slashes"),
        ("sqlite:var/x", "the path must be absolute"),
        ("sqlite:///x?mode=ro", "is none of them"),
        ("/var/x", "must be named by sqlite:, sqlite:///absolute/path or process"),
        ("redis://user:hunter2@host/0", "redis: is none of them"),
        ("", "is none of them"),
    ],
)
def test_other_texts_are_refused_and_no_password_is_shown(url: str, text: str) -> None:
    with pytest.raises(InvalidRequestError, match=text) as raised:
        file_of(url)
    assert "hunter2" not in str(raised.value)


def test_a_process_has_one_limiter_for_each_file(tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path}/limits"
    with ThreadPoolExecutor(4) as pool:
        [limiter] = set(pool.map(shared_limiter, [url] * 8))
    assert isinstance(limiter, SqliteLimiter)
    assert limiter.path == tmp_path / "limits"
    assert shared_limiter(f"sqlite://{tmp_path}/other") is not limiter
    assert shared_limiter("process") is default_limiter()
