"""The library's log on stderr: one warning of each kind, all of it with times under --verbose."""

import logging
import re
import signal
import time
from collections.abc import Iterator

import pytest

from okx_async import NotSentError
from okx_async.cli.log import Log, finish_log, log_to_stderr, stop_log
from tests.cli.conftest import LIMIT, Process, variables
from tests.cli.conftest import STRANGER as KEYS

NOWHERE = ("--base-url", "http://127.0.0.1:9")  # the discard port: nothing listens there


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    made = logging.getLogger("okx_async")
    before = made.level, list(made.handlers)
    yield made
    made.setLevel(before[0])
    made.handlers[:] = before[1]


def trouble(label: str, what: str = "no connection") -> NotSentError:
    return NotSentError(f"{label}: nothing was sent: {what}")


def lookup(logger: logging.Logger, what: str = "no connection") -> None:
    """Log as the module that asks for the user id does."""
    text = "account/config has not told the user id (%s), asking again in %g s"
    args = (trouble("account/config", what), 1.0)
    logger.handle(logger.makeRecord("test", logging.WARNING, "uid_lookup.py", 1, text, args, None))


def test_a_command_without_a_network_warns_once(command: Process) -> None:
    command.environment |= variables(KEYS)
    told = command("close", "BTC-USDT-SWAP", "--mgn-mode", "cross", "--yes", "--max-wait", "1", *NOWHERE)
    warning, error, hint, *more = told.stderr.splitlines()
    assert warning.startswith("warning: to be repeated")
    assert error.startswith("error: BTC-USDT-SWAP: nothing was sent")
    assert hint.startswith("see what is wrong: okx-async doctor")
    assert len(more) == 1
    assert re.fullmatch(r"\d+ more warnings? of the same kind: okx-async --verbose shows all", more[0])


def test_verbose_shows_every_record_and_its_time(command: Process) -> None:
    command.environment |= variables(KEYS)
    told = command("--verbose", "close", "BTC-USDT-SWAP", "--mgn-mode", "cross", "--yes", "--max-wait", "2", *NOWHERE)
    lines = [line for line in told.stderr.splitlines() if "warning: to be repeated" in line]
    assert len(lines) > 1
    today = time.strftime("%Y-%m-%dT", time.gmtime())
    assert all(re.match(rf"{today}\d\d:\d\d:\d\d\.\d{{3}}Z warning: ", line) for line in lines)
    assert "of the same kind" not in told.stderr


def test_warnings_of_one_kind_are_counted(logger: logging.Logger) -> None:
    lines: list[str] = []
    log = Log(tell=lines.append)
    logger.addHandler(log)
    for nth in range(4):
        logger.warning("to be repeated in %.2f s: %s", nth, trouble(f"COIN{nth}-USDT-SWAP"))
    logger.warning("to be repeated in %.2f s: %s", 1.0, trouble("COIN1-USDT-SWAP", "another trouble"))
    logger.warning("%s: its key pauses for %.2f s", "COIN1-USDT-SWAP", 2.0)
    logger.warning("%s: its key pauses for %.2f s", "COIN1-USDT-SWAP", 4.0)
    logger.warning("%s: its key pauses for %.2f s", "COIN2-USDT-SWAP", 4.0)
    logger.warning("%s", trouble("COIN1-USDT-SWAP"))  # the command itself prints it
    assert [line.partition(": ")[2] for line in lines] == [
        "to be repeated in 0.00 s: COIN0-USDT-SWAP: nothing was sent: no connection",
        "to be repeated in 1.00 s: COIN1-USDT-SWAP: nothing was sent: another trouble",
        "COIN1-USDT-SWAP: its key pauses for 2.00 s",
        "COIN2-USDT-SWAP: its key pauses for 4.00 s",
    ]
    log.finish()
    log.finish()
    assert lines[4:] == ["4 more warnings of the same kind: okx-async --verbose shows all"]


def test_the_user_id_can_wait_for_what_the_command_tells_itself(logger: logging.Logger) -> None:
    lines: list[str] = []
    log = Log(tell=lines.append)
    logger.addHandler(log)
    lookup(logger)
    lookup(logger)
    assert lines == []
    logger.warning("to be repeated: %s", trouble("BTC-USDT-SWAP"))
    log.finish()
    assert lines == [
        "warning: to be repeated: BTC-USDT-SWAP: nothing was sent: no connection",
        "2 more warnings of the same kind: okx-async --verbose shows all",
    ]
    lookup(logger, "HTTP 503")  # a trouble of its own is told in the end
    log.finish()
    assert [line.partition(" (")[0] for line in lines[2:]] == ["warning: account/config has not told the user id"]


def test_after_a_stop_no_warning_speaks_of_a_closed_client(
    logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    for verbose in (False, True):  # a command in the same process takes the other's place
        log_to_stderr(verbose=verbose)
        stop_log("stopped by SIGTERM")
        logger.warning("closing stops here: %s", NotSentError("the client was closed: nothing more is sent"))
        logger.warning("a cancel of orders failed: %s", "code 51000")
        finish_log()
        told = capsys.readouterr().err
        assert told.count("warning: a cancel of orders failed: code 51000\n") == 1
        assert told.count("the client was closed") == verbose
        assert told.count("Z debug: stopped by SIGTERM: the client is closed\n") == verbose


def test_a_stopped_flatten_names_the_signal_alone(command: Process) -> None:
    with command.start("simulate", "--json", "--latency", "0.4", "--position", "BTC-USDT-SWAP:3") as exchange:
        assert exchange.stdout is not None
        url = re.search(r'"base_url":"(http:[^"]+)"', exchange.stdout.readline())
        assert url
        from okx_async.simulator import SimulatedExchange  # noqa: PLC0415 - its keys alone

        command.environment |= variables(SimulatedExchange().credentials)
        process = command.start("flatten", "--yes", "--base-url", url[1])
        assert process.stderr is not None
        assert ": closing" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=LIMIT)
        exchange.send_signal(signal.SIGTERM)
        exchange.communicate(timeout=LIMIT)
    assert "stopped by SIGTERM" in err
    assert "client was closed" not in err
    assert "client is closed" not in err
