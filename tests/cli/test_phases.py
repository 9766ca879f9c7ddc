"""Signals before, during and after the work of a command: its exit code and its words stay those of the positions."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from okx_async.cli import phases
from okx_async.cli.phases import end
from tests.cli.conftest import WITHOUT_HANDLERS, Process

_BEFORE_THE_WORDS = """
import signal
from okx_async.cli import trading
emit = trading.emit
def late(record):
    for name in ("SIGTERM", "SIGHUP", "SIGINT"):
        signal.raise_signal(signal.Signals[name])
    emit(record)
trading.emit = late
"""
_AFTER_THE_WORDS = """
import atexit, gc, signal
class Last:
    def __del__(self, signals=(signal.SIGTERM, signal.SIGHUP, signal.SIGINT), tell=signal.raise_signal):
        for number in signals:
            tell(number)
"""
_WHEN_ALL_IS_TAKEN_DOWN = f"{_AFTER_THE_WORDS}\nsignal.kept = Last()"
_AT_EXIT = f"{_AFTER_THE_WORDS}\nimport threading\nthreading._register_atexit(Last().__del__)"


@pytest.mark.share(3)
@pytest.mark.parametrize("before", ["", WITHOUT_HANDLERS], ids=["handlers", "none"])
@pytest.mark.parametrize("when", [_BEFORE_THE_WORDS, _AT_EXIT, _WHEN_ALL_IS_TAKEN_DOWN], ids=["words", "exit", "end"])
def test_signals_after_the_work_change_neither_exit_code_nor_words(
    before: str, when: str, command: Process, simulate: Callable[..., dict[str, Any]]
) -> None:
    where = simulate("--position", "BTC-USDT-SWAP:3")["base_url"]
    arguments = ("close", "BTC-USDT-SWAP", "--mgn-mode", "cross", "--confirm", "--json", "--base-url", where)
    cold = {"missing": [0]} if when is _WHEN_ALL_IS_TAKEN_DOWN else {}  # a warm one leaves that out
    process = command.start(*arguments, before=before + when, **cold)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert json.loads(out)["flat"] is True
    assert "Traceback" not in err


def test_a_signal_before_the_work_ends_the_process_by_it(command: Process) -> None:
    early = "from okx_async.cli import app\nimport signal\napp.log_to_stderr = "
    process = command.start("positions", before=f"{early}lambda **_: signal.raise_signal(signal.SIGTERM)")
    assert process.communicate(timeout=20) == ("", "")
    assert process.returncode == -signal.SIGTERM


_TELL = """
import sys
from okx_async.cli import trading
emit = trading.emit
def told(record):
    print("it writes now", file=sys.stderr, flush=True)
    emit(record)
trading.emit = told
"""


def test_a_second_signal_gives_up_a_reader_that_takes_nothing(
    command: Process, simulate: Callable[..., dict[str, Any]]
) -> None:
    where = simulate("--position", "BTC-USDT-SWAP:3")["base_url"]
    taken, full = os.pipe()
    os.set_blocking(full, False)
    with suppress(BlockingIOError):
        while True:
            os.write(full, b" " * 65536)
    os.set_blocking(full, True)
    process = command.start("positions", "--json", "--base-url", where, before=_TELL, stdout=full)
    assert process.stderr is not None
    assert process.stderr.readline() == "it writes now\n"
    for _ in range(100):
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
            break
    _, err = process.communicate(timeout=20)
    os.close(taken)
    os.close(full)
    assert process.returncode == 1
    assert err == "error: the JSON was not written to stdout: interrupted\n"


def test_a_signal_after_the_command_ends_the_process_with_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phases, "_phase", phases._Phase())
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    end(3)
    phases._phase.tell = codes.append  # type: ignore[assignment]
    phases._phase.handle(signal.SIGTERM, None)
    assert codes[0] == 3
