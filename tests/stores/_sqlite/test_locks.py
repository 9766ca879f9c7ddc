"""Who holds the write lock of a file."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from okx_async.stores._sqlite import locks
from okx_async.stores._sqlite.locks import holders

HOLD = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute(sys.argv[2])
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
"""


@pytest.mark.skipif(not locks.LOCKS.exists(), reason="of Linux")
@pytest.mark.parametrize("pragma", ["PRAGMA journal_mode = WAL", "PRAGMA journal_mode = DELETE"])
def test_a_program_that_holds_the_lock_is_named_and_whether_it_is_stopped(tmp_path: Path, pragma: str) -> None:
    path = tmp_path / "limits.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE keys (x)")
    other = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", HOLD, str(path), pragma], stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        while not (found := holders(str(path), f"{path}-shm")).endswith(", stopped)"):
            assert found.startswith(f"process {other.pid} ("), "it is about to stop"
    finally:
        other.kill()
        other.communicate()
    assert not holders(str(path), f"{path}-shm")


def test_what_waits_or_only_reads_or_is_of_another_file_or_container_is_not_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, table = tmp_path / "file", tmp_path / "locks"
    file.touch()
    here = f"fe:00:{file.stat().st_ino}"
    table.write_text(
        f"1: POSIX  ADVISORY  WRITE 0 {here} 120 120\n"
        f"1: -> POSIX  ADVISORY  WRITE 11 {here} 120 120\n"
        f"2: POSIX  ADVISORY  READ 12 {here} 124 124\n"
        f"3: FLOCK  ADVISORY  WRITE 13 {here} 0 EOF\n"
        "4: POSIX  ADVISORY  WRITE 14 fe:00:1 0 EOF\n"
        "\n"
        f"5: POSIX  ADVISORY  WRITE 22 {here} 0 EOF\n"
        f"6: POSIX  ADVISORY  WRITE 21 {here} 120 120\n"
    )
    (tmp_path / "21").mkdir()
    (tmp_path / "21" / "stat").write_text("21 (a (b) c) S 1 21")
    monkeypatch.setattr(locks, "LOCKS", table)
    monkeypatch.setattr(locks, "PROCESSES", tmp_path)
    assert holders(str(file), str(tmp_path / "gone")) == "process 21 (a (b) c) and process 22"


def test_where_the_system_does_not_tell_nobody_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "LOCKS", tmp_path / "gone")
    assert holders(str(tmp_path)) == ""
