import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from okx_async import InvalidRequestError
from okx_async.stores import clocks
from okx_async.stores.clocks import UnseenError, boot_id, offset_of, shared_clock


def test_all_processes_of_a_host_read_one_clock() -> None:
    code = "from okx_async.stores.clocks import UnseenError, boot_id, shared_clock; print(shared_clock(), boot_id())"
    before = shared_clock()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)  # noqa: S603
    there, boot = done.stdout.split()
    assert before < float(there) < shared_clock()
    assert boot == boot_id()


def test_the_clock_runs() -> None:
    before = shared_clock()
    time.sleep(0.01)
    assert 0.009 < shared_clock() - before < 1.0


def test_the_shift_of_a_time_namespace_is_taken_out() -> None:
    assert offset_of("monotonic    0 0\nboottime    -86400   500000000\n") == -86399.5
    assert offset_of("monotonic           7         0\n") == 0.0


def test_a_program_of_windows_has_a_clock_for_a_server_of_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.delattr(time, "clock_gettime")
    before = shared_clock()
    assert 0.0 <= shared_clock() - before < 1.0


def test_a_system_without_a_boot_id_cannot_share_limits_by_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(InvalidRequestError, match="Linux and macOS only, this is win32"):
        boot_id()


def test_a_sandbox_that_hides_the_boot_id_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(clocks, "BOOT_ID", tmp_path / "boot_id")
    with pytest.raises(InvalidRequestError, match=r"boot_id, which .* cannot be read \(No such file"):
        boot_id()


class Full:
    """A file that cannot be opened, since too many are."""

    def read_text(self) -> str:
        raise OSError(errno.EMFILE, "Too many open files")


def test_the_shift_of_a_time_namespace_is_not_guessed_while_too_many_files_are_open(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A program that took it for 0 would read another clock than all others, for as long as it lives."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(clocks, "OFFSETS", Full())
    clocks._offset.cache_clear()
    try:
        with pytest.raises(UnseenError, match="cannot be looked at: Too many open files"):
            shared_clock()
        (tmp_path / "offsets").write_text("boottime -86400 0\n")
        monkeypatch.setattr(clocks, "OFFSETS", tmp_path / "offsets")
        assert clocks._offset() == -86400
    finally:
        clocks._offset.cache_clear()


def test_a_boot_id_that_cannot_be_opened_for_a_moment_is_not_called_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(clocks, "BOOT_ID", Full())
    with pytest.raises(UnseenError, match="cannot be looked at: Too many open files"):
        boot_id()
