"""`okx-async limits`, and the limits that the other commands share with programs."""

import asyncio
import json
import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from okx_async import Client, Credentials
from okx_async.stores import SqliteLimiter
from tests.cli.conftest import Process
from tests.stores.servers import Server

CLOSE = ("close", "BTC-USDT-SWAP", "--mgn-mode", "cross")


@pytest.fixture
def file(command: Process) -> Path:
    return Path(command.environment["XDG_STATE_HOME"]) / "okx-async" / "limits.sqlite3"


@pytest.mark.parametrize("terms", [{}, {"lease": 30.0, "rtt_floor": 0.001}])
def test_a_command_and_a_program_share_one_limit(
    simulate: Callable[..., dict[str, Any]], command: Process, file: Path, terms: dict[str, Any]
) -> None:
    if terms:
        command.environment["OKX_LIMITS"] = "sqlite:?" + "&".join(f"{name}={value}" for name, value in terms.items())
    record = simulate("--position", "BTC-USDT-SWAP:1")
    where = ("--base-url", record["base_url"])

    async def hold_all() -> str:
        """Take what the commands may use, and let one of them ask."""
        limiter = SqliteLimiter(**terms)
        keys = (command.environment[f"OKX_{name}"] for name in ("API_KEY", "SECRET_KEY", "PASSPHRASE"))
        async with Client(Credentials(*keys), base_url=record["base_url"], limiter=limiter) as client:
            await client.warm_up(1)  # learns the user id
            key = client.limiter_key("BTC-USDT-SWAP")
        async with asyncio.TaskGroup() as group:
            held = [group.create_task(limiter.slot(key).__aenter__()) for _ in range(20)]
        refused = await asyncio.to_thread(command, *CLOSE, *where, "--max-wait", "0.3")
        for slot in held:
            slot.result().refund()
        await limiter.aclose()
        return refused.stderr

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", command.environment["XDG_STATE_HOME"])
        done = command(*CLOSE, *where)
        assert done.returncode == 0, done.stderr
        assert file.exists()
        assert "no slot within --max-wait" in asyncio.run(hold_all())


def test_limits_are_shown_for_people_and_for_machines(command: Process, file: Path) -> None:
    async def shown_while_one_is_held() -> str:  # what cools is free again after 2 s, however long the command starts
        limiter = SqliteLimiter()
        async with limiter.slot(("live", "123", "BTC-USDT-SWAP")):
            shown = await asyncio.to_thread(command, "limits")
        await limiter.aclose()
        return shown.stdout

    assert command("limits").stdout == f"{file}: 0 keys in use\n"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", command.environment["XDG_STATE_HOME"])
        shown = asyncio.run(shown_while_one_is_held())
    assert "BTC-USDT-SWAP\n  19 free, 1 in flight, 0 cooling, of 20 in 2 s" in shown
    assert f"held by process {os.getpid()}" in shown
    command.environment["OKX_LIMITS"] = f"sqlite://{file}"
    assert json.loads(command("limits", "--json").stdout)["path"] == str(file)
    assert json.loads(command("limits", "--vouch", "--json").stdout)["paused"] == 0.0


@pytest.mark.parametrize(
    ("store", "text"),
    [("http://me:hunter2@host", "http:// is none of them"), ("process", "cannot be shown by another one")],
)
def test_limits_that_cannot_be_shown_are_a_wrong_usage(command: Process, store: str, text: str) -> None:
    shown = command("limits", "--store", store)
    assert (shown.returncode, shown.stdout) == (2, "")
    assert text in shown.stderr
    assert "hunter2" not in shown.stderr


def test_a_damaged_file_is_an_error(command: Process, tmp_path: Path) -> None:
    path = tmp_path / "limits"
    path.write_bytes(b"x" * 1000)
    path.chmod(0o600)
    shown = command("limits", "--json", "--store", f"sqlite://{path}")
    assert shown.returncode == 1
    assert "damaged" in json.loads(shown.stdout)["text"]


@pytest.mark.share(4)
@pytest.mark.parametrize("obstacle", ["lock", "link", "name", "none"])
def test_an_exit_that_the_named_file_bars_is_told_how_it_goes_without(
    simulate: Callable[..., dict[str, Any]], command: Process, file: Path, obstacle: str
) -> None:
    where = ("--base-url", simulate("--position", "BTC-USDT-SWAP:1")["base_url"])
    file.parent.mkdir(mode=0o700, parents=True)
    command.environment["OKX_LIMITS"] = "sqlite:/" if obstacle == "name" else f"sqlite://{file}"
    with closing(sqlite3.connect(file)) as shell:
        file.chmod(0o600)
        if obstacle == "lock":
            shell.execute("BEGIN IMMEDIATE")
        elif obstacle == "link":
            command.environment["OKX_LIMITS"] += "-link"
            file.with_name(f"{file.name}-link").symlink_to(file)
        elif obstacle == "none":
            command.environment["OKX_API_KEY"] = ""  # an error of another kind
        done = command("flatten", "--yes", *where)
        assert done.returncode
        way_out = "OKX_LIMITS=process okx-async flatten"
        assert done.stderr.count(way_out) == (obstacle != "none"), done.stderr
        if obstacle != "none":
            command.environment["OKX_LIMITS"] = "process"
            assert command("flatten", "--yes", *where).returncode == 0


@pytest.mark.share(3)
@pytest.mark.parametrize("obstacle", ["link", "file", "damage"])
def test_a_command_without_a_place_for_the_file_goes_on_and_says_so(
    simulate: Callable[..., dict[str, Any]], command: Process, file: Path, obstacle: str
) -> None:
    if obstacle == "link":
        file.parent.mkdir(mode=0o700, parents=True)
        file.symlink_to("elsewhere")
    elif obstacle == "damage":
        file.parent.mkdir(mode=0o700, parents=True)
        file.write_bytes(b"x" * 1000)
        file.chmod(0o600)
    else:
        file.parent.parent.touch()  # where the folder would be
    record = simulate("--position", "BTC-USDT-SWAP:1")
    for arguments in (("flatten", "--dry-run"), CLOSE):
        done = command(*arguments, "--base-url", record["base_url"])
        assert done.returncode == 0
        assert done.stderr.count("limits are not shared with other programs: ") == 1


def test_a_server_is_shown_with_what_it_says_of_itself(command: Process) -> None:
    server = Server()
    unused = command("limits", "--store", server.url).stdout
    shown = command("limits", "--store", server.url, "--vouch")
    assert shown.returncode == 0, shown.stderr
    assert "no program has used it since it was started or emptied, so the first one waits" in unused.splitlines()[2]
    first, second = shown.stdout.splitlines()
    assert first == f"{server.url}: 0 keys in use"
    assert re.fullmatch(r"(Valkey|Redis) \S+, \S+ ms away, noeviction, not kept on disk, 0 replicas", second)
    found = json.loads(command("limits", "--store", server.url, "--json").stdout)
    assert found["server"]["policy"] == "noeviction"
    server.kill()
    shown = command("limits", "--store", f"redis://:hunter2@127.0.0.1:{server.port}")
    assert (shown.returncode, shown.stdout) == (1, "")
    assert "Connection refused" in shown.stderr
    assert "hunter2" not in shown.stderr
    server.close()


def test_a_home_whose_name_is_no_utf_8_bars_nothing(
    simulate: Callable[..., dict[str, Any]], command: Process, tmp_path: Path
) -> None:
    home = tmp_path / os.fsdecode(b"jos\xe9")
    command.environment["XDG_STATE_HOME"] = str(home)
    record = simulate("--position", "BTC-USDT-SWAP:1")
    done = command(*CLOSE, "--base-url", record["base_url"])
    assert (done.returncode, done.stderr.strip()) == (0, "")
    shown = json.loads(command("limits", "--json").stdout)
    assert shown["path"] == str(tmp_path / "jos\ufffd" / "okx-async" / "limits.sqlite3")
    assert (home / "okx-async" / "limits.sqlite3").exists()
