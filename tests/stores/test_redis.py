import pickle
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from okx_async import InvalidRequestError, Quota, SlotTimeoutError
from okx_async.stores import RedisLimiter
from okx_async.stores._redis.reports import report_server
from tests.stores.servers import Server, wait_for

URL = "redis://user:s3cret@host:6380/1"


def test_a_limiter_needs_no_server_to_be_made_and_shows_no_password() -> None:
    limiter = RedisLimiter(URL, Quota(5, 1.0))
    assert repr(limiter) == "<RedisLimiter 5 per 1 s: redis://host:6380/1>"
    assert limiter.label == "redis://host:6380/1"
    assert (limiter.lease, limiter.quota) == (8.0, Quota(5, 1.0))
    assert limiter.linger > 5.0 + 1.0


def test_a_copy_by_pickle_is_of_the_same_server() -> None:
    limiter = RedisLimiter(URL, Quota(5, 1.0), on_loss="local", processes=2)
    assert repr(pickle.loads(pickle.dumps(limiter))) == repr(limiter)  # noqa: S301 - just made


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"lease": 0}, "lease"),
        ({"clock_slack": -1}, "clock_slack"),
        ({"doubt_grace": -1}, "doubt_grace"),
        ({"on_loss": "ignore"}, 'on_loss must be "refuse" or "local"'),
        ({"on_loss": ["local"]}, "on_loss must be"),
        ({"doubt_grace": True}, "doubt_grace must be"),
        ({"on_loss": "local"}, "needs processes, at least 1 and at most the limit, 20"),
        ({"on_loss": "local", "processes": 21}, "needs processes"),
        ({"prefix": "a{b}"}, "prefix must be of ASCII letters"),
        ({"prefix": ""}, "prefix"),
        ({"quota": 20}, "quota"),
    ],
)
def test_what_cannot_work_is_refused(options: Any, text: str) -> None:
    with pytest.raises(InvalidRequestError, match=text) as caught:
        RedisLimiter(URL, **options)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("url", ["redis://:s3cret@host:99999", "redis://:s3cret@host?foo=bar", "s3cret@host"])
def test_no_frame_of_an_error_holds_the_password(url: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        RedisLimiter(url)
    ours = [entry for entry in caught.traceback if str(entry.frame.f_globals["__name__"]).startswith("okx_async.")]
    assert ours
    assert [entry for entry in ours if "s3cret" in repr(entry.locals)] == []
    assert caught.value.__context__ is None


def test_the_library_is_imported_by_those_that_use_it_only() -> None:
    program = (
        "import sys, okx_async.stores; assert not any(n == 'redis' or n.startswith('redis.') for n in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)  # noqa: S603 - this interpreter


def test_without_the_extra_it_is_named() -> None:
    program = """
import sys
sys.modules["redis"] = None
from okx_async import InvalidRequestError
from okx_async.stores import RedisLimiter
try:
    RedisLimiter("redis://host")
except InvalidRequestError as error:
    print(error)
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - this interpreter
    assert "pip install 'okx-async[redis]'" in done.stdout


def test_the_server_that_the_page_starts_is_one_to_try_it_with() -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "many-hosts.md").read_text()
    [line] = re.findall(r"^\$ valkey-server (.*)$", page, re.MULTILINE)
    words = shlex.split(line)
    assert words[:4] == ["--bind", "127.0.0.1", "--port", "6379"], "as the address that is named beside it"
    server = Server(*words[4:])
    found = report_server(server.url)
    assert found.server is not None
    assert (found.server.policy, found.server.persistent, found.server.refuses) == ("noeviction", False, "")
    server.close()


async def test_the_warning_of_a_pause_tells_to_vouch_for_the_server_and_the_prefix_of_the_limiter(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = Server()
    limiter = RedisLimiter(server.url, prefix="desk")
    with pytest.raises(SlotTimeoutError):
        await limiter.slot(("k",), max_wait=1.0).__aenter__()
    await limiter.aclose()
    wait_for(lambda: f"okx-async limits --store {server.url} --prefix desk --vouch)" in caplog.text)
    server.close()
