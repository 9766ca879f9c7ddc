import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from okx_async.doctor import Level, examine_limits
from okx_async.doctor.limits import server_problems
from okx_async.stores import RedisLimiter, SqliteLimiter
from okx_async.stores._redis.reports import report_server
from okx_async.stores._sqlite.transactions import Database, Transaction
from okx_async.stores.clocks import shared_clock
from okx_async.stores.lease import Terms
from okx_async.stores.reports import ServerReport
from okx_async.stores.store import StoreError
from tests.stores.servers import Server


def test_without_the_variable_it_names_the_file_of_the_command_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    finding = examine_limits()
    assert finding.level is Level.OK
    assert f"the command line uses {tmp_path}/okx-async/limits.sqlite3, no key in use" in finding.text
    assert not list(tmp_path.iterdir())


async def test_it_tells_who_uses_the_limits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OKX_LIMITS", f"sqlite://{tmp_path}/limits")
    limiter = SqliteLimiter(tmp_path / "limits")
    async with limiter.slot(("k",)):
        finding = examine_limits()
    assert finding.level is Level.OK
    assert "1 key in use, by processes " in finding.text
    await limiter.aclose()


def test_a_file_that_lost_its_memory_is_to_be_looked_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "limits"
    monkeypatch.setenv("OKX_LIMITS", f"sqlite://{path}")
    path.touch(0o600)
    examine_limits()  # an empty one is made new
    copy = tmp_path / "copy"
    copy.write_bytes(path.read_bytes())
    copy.chmod(0o600)
    copy.rename(path)
    finding = examine_limits()
    assert finding.level is Level.WARN
    assert "it was lost and grants nothing for 15." in finding.text
    assert "okx-async limits --vouch" in finding.remedy


def test_limits_that_cannot_be_used_fail_if_they_were_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "okx-async").mkdir(mode=0o700)
    path = tmp_path / "okx-async" / "limits.sqlite3"
    path.symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert examine_limits().level is Level.WARN
    monkeypatch.setenv("OKX_LIMITS", f"sqlite://{path}")
    finding = examine_limits()
    assert finding.level is Level.FAIL
    assert "symbolic link" in finding.text
    assert "until then OKX_LIMITS=process okx-async flatten" in finding.remedy


def test_a_file_that_can_be_read_and_not_written_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "limits"
    monkeypatch.setenv("OKX_LIMITS", f"sqlite://{path}")
    with monkeypatch.context() as patched:
        patched.setattr("os.access", lambda *_: False)  # of a user who is not root
        finding = examine_limits()
    assert finding.level is Level.FAIL
    assert f"{path} cannot be made: this user may not write to {tmp_path}" in finding.text
    path.touch(0o600)
    assert examine_limits().level is Level.OK
    full = StoreError(f"{path}: the disk is full")
    monkeypatch.setattr(Transaction, "try_out", lambda _: (_ for _ in ()).throw(full))
    assert "the disk is full" in examine_limits().text


def test_limits_of_each_process_alone_are_to_be_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OKX_LIMITS", "process")
    assert examine_limits().level is Level.WARN


def test_a_server_is_described_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server("--requirepass", "hunter2")
    url = f"redis://:hunter2@127.0.0.1:{server.port}"
    monkeypatch.setenv("OKX_LIMITS", url)
    finding = examine_limits()
    assert finding.level is Level.WARN
    assert "the first one waits for some 15 s" in finding.text
    assert "--vouch" in finding.remedy
    report_server(url, vouch=True)
    finding = examine_limits()
    assert finding.level is Level.OK
    assert re.search(rf"OKX_LIMITS names redis://127.0.0.1:{server.port}/0 \((Valkey|Redis) ", finding.text)
    assert "hunter2" not in finding.text
    server.close()
    assert examine_limits().level is Level.FAIL


@pytest.mark.parametrize(
    ("changes", "level", "words"),
    [
        ({}, None, ""),
        ({"multiplexed": True}, Level.FAIL, "one connection"),
        ({"jump": 0.0015}, None, ""),
        ({"jump": 0.4}, Level.WARN, "moved by 0.400 s"),
        ({"replicas": 1}, Level.WARN, "if the network splits"),
        ({"doubts": ("live and demo",)}, Level.WARN, "live and demo"),
        ({"refuses": "its memory is full"}, Level.FAIL, "its memory is full"),
        ({"policy": "allkeys-lru"}, Level.WARN, "maxmemory-policy allkeys-lru it forgets limits"),
        ({"policy": "?"}, None, ""),
    ],
)
def test_what_is_wrong_with_a_server_is_said(changes: dict[str, Any], level: Level | None, words: str) -> None:
    sound = ServerReport("Valkey 9", 0.001, "noeviction", False, 0, False)  # noqa: FBT003
    found = server_problems(replace(sound, **changes))
    assert [found[0] for found in found] == ([] if level is None else [level])
    assert all(words in text for _, text, _ in found)


def test_a_server_that_takes_nothing_fails_though_nobody_has_used_it(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server("--maxmemory", "1")
    monkeypatch.setenv("OKX_LIMITS", server.url)
    finding = examine_limits()
    server.close()
    assert finding.level is Level.FAIL
    assert "it grants nothing: its memory is full" in finding.text
    assert "OKX_LIMITS=process okx-async flatten" in finding.remedy


async def test_a_server_with_other_terms_fails_and_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line has the usual ones, so each exit by it would be refused."""
    server = Server()
    limiter = RedisLimiter(server.url, lease=30.0)
    await limiter.vouch()
    await limiter.aclose()
    monkeypatch.setenv("OKX_LIMITS", server.url)
    finding = examine_limits()
    assert finding.level is Level.FAIL
    assert f"{server.url}: programs that share limits must agree on their terms: lease=8 here, 30 there" in finding.text
    assert "is told so by ?lease=30 at its end" in finding.text
    monkeypatch.setenv("OKX_LIMITS", f"{server.url}?lease=30")
    assert examine_limits().level is Level.OK
    monkeypatch.setenv("OKX_LIMITS", server.url)
    report_server(server.url, vouch=True)
    assert examine_limits().level is Level.OK
    server.close()


def test_the_terms_that_stand_there_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OKX_LIMITS", f"sqlite://{tmp_path}/limits")
    database = Database(tmp_path / "limits", Terms(9.0, rtt_floor=0.01))
    database.transact(Transaction.try_out, shared_clock() + 2.0)
    database.close()
    assert "no key in use, lease 9 s, doubt_grace 5 s, guard 0.003 s, rtt_floor 0.01 s" in examine_limits().text
    assert "no key in use, lease 8 s, doubt_grace 5 s, guard 0.003 s" in examine_limits().text, "the doctor tried it"
    monkeypatch.setenv("OKX_LIMITS", f"sqlite://{tmp_path}/limits?lease=9")
    examine_limits()
    assert "no key in use, lease 9 s" in examine_limits().text, "with what it was told"
