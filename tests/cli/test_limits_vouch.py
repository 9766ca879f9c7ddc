"""`okx-async limits --vouch`: what it asks, what it says it did, and of which prefix it speaks."""

import asyncio
import os
import pty
import signal
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen

import pytest

from okx_async.stores import RedisLimiter
from okx_async.stores._redis.reports import report_server
from tests.cli.conftest import LIMIT, Process
from tests.schemas import check
from tests.stores.servers import Server


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def pause(server: Server, prefix: str = "okx-async") -> None:
    """Have a program meet an empty server, which grants nothing then."""

    async def use() -> None:
        limiter = RedisLimiter(server.url, prefix=prefix)
        await limiter.recall("anything")
        await limiter.aclose()

    asyncio.run(use())
    assert report_server(server.url, prefix=prefix).paused > 10


def asked(process: Popen[str]) -> str:
    """Return what a command says until it asks."""
    assert process.stderr is not None
    said = ""
    while not said.endswith("[y/N] "):
        said += process.stderr.read(1) or pytest.fail(said)
    return said


@pytest.mark.share(4)
@pytest.mark.parametrize("answer", ["y", "n", "interrupt", "yes"])
def test_at_a_terminal_it_asks_before_it_vouches(answer: str, command: Process, server: Server) -> None:
    pause(server)
    ours, theirs = pty.openpty()
    given = ["limits", "--store", server.url, "--vouch", "--json", *(["--yes"] if answer == "yes" else [])]
    process = command.start(*given, stdin=theirs)
    os.close(theirs)
    try:
        if answer != "yes":
            prompt = asked(process)
            assert f"{server.url}: it lost its memory " in prompt
            assert "the limit is exceeded" in prompt
            assert report_server(server.url).paused > 0
            if answer == "interrupt":
                process.send_signal(signal.SIGINT)
            else:
                os.write(ours, f"{answer}\n".encode())
        out, err = process.communicate(timeout=LIMIT)
    finally:
        os.close(ours)
    told = check("limits", out)
    if answer in {"y", "yes"}:
        assert (process.returncode, told["paused"], report_server(server.url).paused) == (0, 0.0, 0.0)
        assert err.count(f"vouched for {server.url}: its pause, ") == 1
    else:
        assert (process.returncode, told["outcome"]) == (1, "not_read")
        assert f"{'interrupted' if answer == 'interrupt' else 'not confirmed'}: nothing was changed" in err
        assert report_server(server.url).paused > 0


def test_in_a_script_it_vouches_and_says_what_it_did(command: Process, server: Server) -> None:
    words = ["limits", "--store", server.url, "--vouch"]
    assert command(*words).stderr == f"vouched for {server.url}: the first program will not wait\n"
    assert command(*words).stderr == f"vouched for {server.url}: there was no pause to end\n"
    server.said("FLUSHALL")
    pause(server)
    said = command(*words)
    assert (said.returncode, said.stderr.count("\n")) == (0, 1)
    assert f"vouched for {server.url}: its pause, 1" in said.stderr
    assert "s yet, is ended" in said.stderr


def test_of_a_file_that_is_not_there_nothing_is_said_to_be_ended(command: Process, tmp_path: Path) -> None:
    file = tmp_path / "limits"
    said = command("limits", "--store", f"sqlite://{file}", "--vouch")
    assert (said.returncode, file.exists()) == (0, False)
    assert said.stderr == f"{file} is not there: a new file has no pause that could be ended\n"


def test_the_limits_of_another_prefix_are_shown_and_vouched_for(command: Process, server: Server) -> None:
    pause(server, "desk")
    report_server(server.url, vouch=True)
    shown = command("limits", "--store", server.url, "--prefix", "desk").stdout
    assert shown.startswith(f"{server.url} (prefix desk): 0 keys in use\n")
    assert "nothing is granted for" in shown
    said = command("limits", "--store", server.url, "--prefix", "desk", "--vouch")
    assert f"vouched for {server.url} (prefix desk): its pause, " in said.stderr
    assert report_server(server.url, prefix="desk").paused == 0.0
    assert command("limits", "--store", f"{server.url}?prefix=desk").stdout.startswith(
        f"{server.url} (prefix desk): 0 keys in use\n"
    )


@pytest.mark.parametrize(
    ("store", "prefix", "text"),
    [
        ("redis://127.0.0.1:1", "a b", "error: --prefix must be of ASCII letters, digits and hyphens, got 'a b'"),
        ("redis://127.0.0.1:1", "", "error: --prefix must be of ASCII letters"),
        ("sqlite:", "desk", "error: --prefix must be left out: "),
        ("redis://127.0.0.1:1?prefix=other", "desk", "error: --prefix must be left out: the store is named with other"),
    ],
)
def test_a_prefix_that_cannot_be_is_a_wrong_usage(command: Process, store: str, prefix: str, text: str) -> None:
    said = command("limits", "--store", store, "--prefix", prefix, "--json")
    assert (said.returncode, said.stdout) == (2, "")
    assert text in said.stderr


def test_the_terms_that_stand_there_are_shown(command: Process, server: Server) -> None:
    async def agree() -> None:
        limiter = RedisLimiter(server.url, lease=30.0)
        await limiter.vouch()
        await limiter.aclose()

    asyncio.run(agree())
    shown = command("limits", "--store", server.url).stdout
    assert "terms: lease 30 s, doubt_grace 5 s, guard 0.003 s\n" in shown
    assert "warning: the other commands cannot use it: programs that share limits must agree on their terms: " in shown
    assert "lease=8 here, 30 there" in shown
    agreed = command("limits", "--store", f"{server.url}?lease=30").stdout
    assert "terms: lease 30 s" in agreed
    assert "warning" not in agreed
    command("limits", "--store", server.url, "--vouch")  # which forgets them
    assert "terms" not in command("limits", "--store", server.url).stdout
