from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from okx_async import InvalidRequestError
from okx_async._limiter.default import default_limiter
from okx_async.stores import RedisLimiter, SqliteLimiter
from okx_async.stores._sqlite.places import default_path
from okx_async.stores.lease import Terms
from okx_async.stores.url_options import UrlOptions
from okx_async.stores.urls import NamedStore, shared_limiter, store_of


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
    assert store_of(url) == (None if path is None else NamedStore(path))


def test_without_a_path_it_is_the_users_own() -> None:
    assert store_of("sqlite:") == store_of(" sqlite:") == NamedStore(default_path())


def test_behind_it_may_stand_what_programs_must_agree_on() -> None:
    terms = Terms(30.0, 10.0, 0.004, 0.01)
    options = "lease=30&doubt_grace=10&guard=0.004&rtt_floor=0.01"
    assert store_of(f"sqlite:?{options}") == NamedStore(default_path(), UrlOptions(terms))
    assert store_of(f"sqlite:///var/x?{options}") == NamedStore(Path("/var/x"), UrlOptions(terms))
    assert store_of("rediss://:a@h/0?ssl_cert_reqs=none&prefix=desk&lease=30&clock_slack=0.1") == NamedStore(
        "rediss://:a@h/0?ssl_cert_reqs=none", UrlOptions(Terms(30.0), "desk", 0.1)
    )


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("sqlite://var/x", "three slashes"),
        ("sqlite:var/x", "the path must be absolute"),
        ("sqlite:///x?mode=ro", "a path has no options"),
        ("sqlite:?mode=ro", "a path has no options but lease, doubt_grace, guard, rtt_floor"),
        ("sqlite:///x?prefix=desk", "a path has no options"),
        ("sqlite:///x?lease=hunter2", "lease must be a number of seconds"),
        ("redis://:hunter2?prefix=secret@host", "prefix must be of ASCII letters"),
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
        store_of(url)
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


def test_limits_of_other_terms_are_another_limiter(tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path}/limits"
    limiter = shared_limiter(f"{url}?lease=30&rtt_floor=0.01&doubt_grace=6&guard=0.004")
    assert limiter is shared_limiter(f"{url}?rtt_floor=0.01&lease=30.0&doubt_grace=6&guard=0.004")
    assert limiter is not shared_limiter(url)
    assert isinstance(limiter, SqliteLimiter)
    assert limiter.__reduce__()[1][2] == Terms(30.0, 6.0, 0.004, 0.01)


def test_a_server_of_another_prefix_and_other_terms_is_another_limiter() -> None:
    limiter = shared_limiter("redis://:hunter2@host/7?prefix=desk&lease=30&doubt_grace=6&guard=0.004&clock_slack=0.1")
    assert isinstance(limiter, RedisLimiter)
    assert limiter is not shared_limiter("redis://:hunter2@host/7")
    again = RedisLimiter(
        "redis://:hunter2@host/7", prefix="desk", lease=30.0, doubt_grace=6.0, guard=0.004, clock_slack=0.1
    )
    assert limiter.__reduce__() == again.__reduce__()


def test_another_prefix_may_be_named_beside_the_text_unless_it_has_one() -> None:
    named, desk = (store_of(f"redis://host{query}") for query in ("", "?prefix=desk"))
    assert named is not None
    assert desk is not None
    assert named.at_prefix("desk") == desk == desk.at_prefix("desk")
    for store, prefix, text in (
        (desk, "other", "the store is named with desk"),
        (named, "a b", "must be of ASCII letters"),
        (store_of("sqlite:"), "desk", "is a file"),
    ):
        assert store is not None
        with pytest.raises(InvalidRequestError, match=text):
            store.at_prefix(prefix)


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
