"""Signals end commands and are told, on event loops with and without signal handlers."""

import asyncio
import signal
from collections.abc import Callable
from typing import Any

import pytest

from okx_async.cli import signals
from tests.cli.conftest import WITHOUT_HANDLERS, Process


@pytest.mark.parametrize(
    "stop",
    [
        signal.SIGHUP,
        pytest.param(signal.SIGINT, marks=pytest.mark.long),
        pytest.param(signal.SIGTERM, marks=pytest.mark.long),
    ],
)
def test_commands_tell_of_a_signal_on_loops_without_handlers(
    stop: signal.Signals, command: Process, simulate: Callable[..., dict[str, Any]]
) -> None:
    where = simulate("--position", "BTC-USDT-SWAP:3", "--latency", "2")["base_url"]
    arguments = ("close", "BTC-USDT-SWAP", "--mgn-mode", "cross", "--yes", "--base-url", where)
    process = command.start("--verbose", *arguments, before=WITHOUT_HANDLERS)
    assert process.stderr is not None
    process.stderr.readline()  # the log begins: the command runs
    process.send_signal(stop)
    _, err = process.communicate(timeout=20)
    assert process.returncode in {0, 1, 3}  # 0: its answer was awaited
    assert ("interrupted" if stop is signal.SIGINT else f"stopped by {stop.name}") in err
    assert "Traceback" not in err


def test_a_handler_of_a_signal_is_put_back() -> None:
    class Loop(asyncio.SelectorEventLoop):
        def add_signal_handler(self, *_: object) -> None:
            raise NotImplementedError

    async def handled() -> object:
        with signals._handled(told.append):
            signal.raise_signal(signal.SIGTERM)
            await asyncio.sleep(0.01)
            return signal.getsignal(signal.SIGTERM)

    told: list[str] = []
    before = signal.getsignal(signal.SIGTERM)
    with asyncio.Runner(loop_factory=Loop) as runner:
        assert runner.run(handled()) != before
    assert told == ["SIGTERM"]
    assert signal.getsignal(signal.SIGTERM) == before
