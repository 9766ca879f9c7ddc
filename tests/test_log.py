"""The package's logger, and that no module logs in another way."""

import ast
import asyncio
import inspect
import io
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

import okx_async as okx
from okx_async._log import DEBUG, WARNING, logger
from tests.conftest import World

Happen: TypeAlias = Callable[..., Any]

PACKAGE = Path(__file__).parent.parent / "okx_async"
BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
ITS_OWN = {"_log.py", "cli/log.py", "torture/history.py"}
"""The logger itself, and what sets handlers."""


class AbortError(BaseException):
    """An exception of the user's that is no Exception."""


class RaisingFilter(logging.Filter):
    def __init__(self, raised: BaseException) -> None:
        super().__init__()
        self.raised = raised

    def filter(self, _record: logging.LogRecord) -> bool:
        raise self.raised


class RaisingHandler(logging.Handler):
    def __init__(self, raised: BaseException) -> None:
        super().__init__()
        self.raised = raised

    def emit(self, _record: logging.LogRecord) -> None:
        raise self.raised


RAISED = [ValueError("x"), AbortError("x"), asyncio.CancelledError("x"), GeneratorExit("x")]


@pytest.fixture
def known() -> Iterator[logging.Logger]:
    """The logger that programs know; all is as before afterwards."""
    known = logging.getLogger("okx_async")
    before = known.level, known.filters[:], known.handlers[:]
    known.setLevel(logging.DEBUG)
    yield known
    known.level, known.filters, known.handlers = before
    known.setLevel(before[0])


@pytest.mark.parametrize("raised", RAISED, ids=repr)
@pytest.mark.parametrize("handles", [False, True])
def test_what_filters_and_handlers_raise_is_told_on_stderr_and_no_more(
    known: logging.Logger, raised: BaseException, capsys: pytest.CaptureFixture[str], *, handles: bool
) -> None:
    if handles:
        known.addHandler(RaisingHandler(raised))
    else:
        known.addFilter(RaisingFilter(raised))
    logger.debug("a")
    logger.warning("%s", "a", exc_info=True)  # noqa: LOG014 - as a handler of an exception would
    logger.error("a")
    logger.exception("a")  # noqa: LOG004 - likewise
    logger.log(WARNING, "a")
    assert capsys.readouterr().err.count(f"{type(raised).__name__}: x") == 5


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_program_goes_on(known: logging.Logger, stop: type[BaseException]) -> None:
    known.addFilter(RaisingFilter(stop()))
    with pytest.raises(stop):
        logger.warning("a")


def test_a_program_may_silence_it_and_a_stderr_may_be_closed(
    known: logging.Logger, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    known.addFilter(RaisingFilter(ValueError("x")))
    with monkeypatch.context() as patch:
        patch.setattr(logging, "raiseExceptions", False)
        logger.warning("a")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", None)
        logger.warning("a")
        closed = io.StringIO()
        closed.close()
        patch.setattr(sys, "stderr", closed)
        logger.warning("a")
    assert capsys.readouterr().err == ""


def test_a_record_names_the_module_that_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(DEBUG, "okx_async")
    first = inspect.getsourcelines(test_a_record_names_the_module_that_logs)[1]
    for log in (logger.debug, logger.warning, logger.error, logger.exception):
        log("%s of %d", "one", 2)
    logger.log(WARNING, "a")
    assert {record.module for record in caplog.records} == {"test_log"}
    assert all(first < record.lineno < first + 8 for record in caplog.records)
    assert [record.levelname for record in caplog.records] == ["DEBUG", "WARNING", "ERROR", "ERROR", "WARNING"]
    assert caplog.records[0].getMessage() == "one of 2"


def test_it_says_whether_debug_is_shown(known: logging.Logger) -> None:
    assert logger.shows_debug
    known.setLevel(logging.WARNING)
    assert not logger.shows_debug


def test_no_module_logs_in_another_way() -> None:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        module, text = path.relative_to(PACKAGE).as_posix(), path.read_text()
        if not any(word in text for word in ("logging", "get_logger", "_LOGGER")):
            continue  # taking a module to pieces costs more than reading it
        for node in ast.walk(ast.parse(text)):
            whole = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            source = node.module if isinstance(node, ast.ImportFrom) else ""
            if "logging" in {source, *whole} and module not in ITS_OWN:
                found.append(f"{module} imports logging")
            if isinstance(node, ast.Attribute) and node.attr == "get_logger":
                found.append(f"{module} makes a logger")
            known = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            if known and ast.unparse(node.func).startswith(("_LOGGER.", "logging.")):  # type: ignore[attr-defined]
                verb = node.func.attr  # type: ignore[attr-defined]
                if (
                    verb in {"debug", "info", "warning", "error", "exception", "critical", "log"}
                    and module != "_log.py"
                ):
                    found.append(f"{module} logs by {ast.unparse(node)}")
    assert found == []


@pytest.mark.parametrize("handles", [False, True])
def test_a_program_whose_log_raises_loses_no_outcome(known: logging.Logger, happen: Happen, *, handles: bool) -> None:
    if handles:
        known.addHandler(RaisingHandler(ValueError("handler")))
    else:
        known.addFilter(RaisingFilter(RuntimeError("filter")))

    async def story(world: World, client: okx.Client) -> None:
        exchange = world.exchange
        legs = [okx.ClosePosition(inst_id, "cross") for inst_id in (BTC, ETH)]

        def begin() -> None:
            for inst_id in (BTC, ETH):
                exchange.open_position(inst_id, 3)

        begin()
        async with world.client(on_attempt=lambda _: 1 / 0) as hooked:
            assert (await hooked.close_position(BTC, "cross")).inst_id == BTC
        begin()
        exchange.inject(code="50011", inst_id=BTC)
        assert [result.ok for result in await client.close_positions(legs)] == [True, True]
        begin()
        exchange.inject(code="50011", inst_id=BTC)
        assert (await client.flatten()).flat
        for call in (lambda: client.close_positions(legs), client.flatten):
            begin()
            exchange.inject(delay=1.0, inst_id=BTC)
            exchange.inject(delay=1.0, inst_id=ETH)
            before = len(world.closes())
            task: asyncio.Task[Any] = asyncio.ensure_future(call())
            while len(world.closes()) < before + 2:  # noqa: ASYNC110 - turns of virtual time
                await asyncio.sleep(0.001)
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            assert sorted(caught.value.__notes__) == [f"{each}: already sent, outcome unknown" for each in (BTC, ETH)]
            await asyncio.sleep(8.0)

    happen(story)
