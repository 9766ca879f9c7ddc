import asyncio
import logging
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp.client_reqrep import ClientRequest, ClientResponse

from okx_async._http.bodies import Reply
from okx_async._http.early_reader import EarlyReader
from okx_async._http.inflight import InFlight
from okx_async._http.timeouts import TimeoutGroup

pytestmark = pytest.mark.virtual

REPLY = Reply(200, b"{}", None)
REQUEST = cast("ClientRequest", None)


def in_flight() -> InFlight:
    return InFlight(TimeoutGroup(asyncio.get_running_loop()), timeout=1.0, wall_clock=time.time)


def response() -> Any:
    return cast("ClientResponse", SimpleNamespace(_body=None))


async def handler(_: ClientRequest) -> ClientResponse:
    return cast("ClientResponse", response())


async def reads(_: ClientResponse) -> Reply:
    await asyncio.sleep(0)
    return REPLY


async def fails(_: ClientResponse) -> Reply:
    raise OSError("lost")


async def test_the_body_is_left_to_the_sessions_own_functions() -> None:
    with in_flight() as wire:
        wire.connected(None)
        reader = EarlyReader(wire, reads)
        found: Any = cast("Any", await reader(REQUEST, handler))
        assert wire.queue is None  # its time is over with its answer
    assert found._body == b"{}"
    assert reader.response is found
    assert reader.result() == REPLY


async def test_an_answer_that_cannot_be_read_is_no_error_of_the_request() -> None:
    with in_flight() as wire:
        reader = EarlyReader(wire, fails)
        found = cast("Any", await reader(REQUEST, handler))  # aiohttp sends a GET again where it meets such an error
    assert found._body is None
    with pytest.raises(OSError, match="lost"):
        reader.result()


async def test_a_response_that_is_not_read_to_its_end_is_released() -> None:
    async def never(_: ClientResponse) -> Reply:
        raise asyncio.CancelledError

    released: list[bool] = []

    async def answers(_: ClientRequest) -> ClientResponse:
        return cast("ClientResponse", SimpleNamespace(release=lambda: released.append(True)))

    with in_flight() as wire:
        reader = EarlyReader(wire, never)
        with pytest.raises(asyncio.CancelledError):
            await reader(REQUEST, answers)
    assert released == [True]
    assert reader.response is None


class OwnError(BaseException):
    """An exception of the program's that is no Exception."""


RAISED = [kind("made-up-secret") for kind in (ValueError, asyncio.CancelledError, OwnError, GeneratorExit)] + [
    BaseExceptionGroup("made-up-secret", [OwnError()])
]


@pytest.mark.parametrize("raised", RAISED, ids=lambda raised: type(raised).__name__)
async def test_what_is_raised_after_the_answer_changes_nothing(
    raised: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    with in_flight() as wire:
        reader = EarlyReader(wire, reads)
        assert not reader.survives(raised)
        await reader(REQUEST, handler)
        with pytest.raises(type(raised)) as caught:
            raise raised
        assert reader.survives(caught.value)
        assert not reader.survives(KeyboardInterrupt())
        assert not reader.survives(SystemExit())
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert type(raised).__name__ in record.getMessage()
    assert "test_early_reader.py:" in record.getMessage()
    assert "made-up-secret" not in caplog.text


async def test_a_cancellation_of_the_call_goes_on_its_way() -> None:
    async def call() -> None:
        with in_flight() as wire:
            reader = EarlyReader(wire, reads)
            await reader(REQUEST, handler)
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError as cancelled:
                told.append(reader.survives(cancelled))
                raise

    told: list[bool] = []
    task = asyncio.create_task(call())
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert told == [False]


def test_a_coroutine_that_is_closed_ends() -> None:
    loop = asyncio.new_event_loop()

    async def one() -> tuple[InFlight, EarlyReader]:
        wire = in_flight()
        wire.__enter__()
        wire.connected(None)
        reader = EarlyReader(wire, reads)
        await reader(REQUEST, handler)
        assert wire.is_running
        assert reader.survives(GeneratorExit())
        return wire, reader

    async def other() -> None:
        assert not wire.is_running
        assert not reader.survives(GeneratorExit())

    wire, reader = loop.run_until_complete(one())
    assert not wire.is_running
    assert not reader.survives(GeneratorExit())
    loop.run_until_complete(other())
    loop.close()
