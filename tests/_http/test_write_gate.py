"""The gate at the write of a request: what may have left, what is not written, and what is given up."""

import asyncio
import copy
import gc
import weakref
from contextlib import suppress
from typing import Any, cast

import aiohttp
import pytest

from okx_async._http.sockets import TURNS
from okx_async._http.write_batch import WriteBatch
from okx_async._http.write_gate import SPOILT, WriteGate
from tests._http.gated import Connection, Request, gate_of, through, wire

pytestmark = pytest.mark.virtual


@pytest.mark.parametrize("lines", [False, True])
async def test_it_may_have_left_from_the_write_on_and_not_before(*, lines: bool) -> None:
    one, request, connection = wire(), Request(), Connection()
    request.lines = lines
    states: list[tuple[bool, float | None]] = []
    request.before = lambda: states.append((one.may_have_left, one.sent))
    with one:
        assert await through(gate_of(one), request, connection) == "answer"
        assert states == [(False, None)]
        assert (one.may_have_left, one.sent, one.transport) == (True, 9.0, connection.real)
    assert connection.real.written == [b"POSTmorebody"]
    assert vars(request).keys() == {"lines", "before"}  # nothing of the gate is left in it


@pytest.mark.parametrize("lines", [False, True])
async def test_over_a_plain_connection_it_is_written_at_once(*, lines: bool) -> None:
    """What came until the next turn would be its answer: half a head is not seen there before it is whole."""
    one, request, connection = wire(), Request(), Connection(plain=True)
    request.lines, request.pieces = lines, 1
    at_once: list[list[bytes]] = []
    request.after = lambda: at_once.append(connection.real.written[:])
    with one:
        assert await through(gate_of(one), request, connection) == "answer"
    assert at_once == [[b"POSTbody"]] == [connection.real.written]
    assert (one.sent, one.transport) == (9.0, connection.real)


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("how", ["something came", "it ended", "confirm", "late"])
async def test_nothing_is_written_where_the_step_of_the_write_forbids_it(how: str, *, plain: bool) -> None:
    one, request, connection = wire(), Request(), Connection(plain=plain)
    request.pieces = 1
    one.may_send_until = asyncio.get_running_loop().time() + 1.0

    def happens() -> None:
        if how == "something came" and plain:
            connection.protocol.should_close = True
        elif how == "something came":
            connection.protocol.readable = lambda: True
        elif how == "it ended":
            connection.real.closing = True
        elif how == "confirm":
            one.confirm_write = lambda: False
        else:
            one.may_send_until = -1.0

    request.before = happens
    gate = gate_of(one)
    with one, pytest.raises(aiohttp.ClientConnectionError):
        await through(gate, request, connection)
    assert connection.real.written == []
    assert not one.may_have_left
    assert gate.spoilt is (how in {"something came", "it ended"})
    if how == "something came":
        assert one.failure == SPOILT


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("turns", [0, 1, TURNS, TURNS + 1])
async def test_session_tickets_of_tls_are_read_before_the_write(
    monkeypatch: pytest.MonkeyPatch, turns: int, *, plain: bool
) -> None:
    """They come in the turn after the handshake; what is still there after some turns is no ticket."""
    left = [True] * turns
    monkeypatch.setattr("okx_async._http.write_gate.readable", lambda _: bool(left and left.pop()))
    one, request, connection = wire(), Request(), Connection(plain=plain)
    request.pieces = 1
    connection.real._extra["ssl_object"] = object()  # type: ignore[attr-defined]  # of asyncio.BaseTransport

    async def answer(connection: Any) -> str:
        await Request.send(request, connection)
        for _ in range(TURNS):
            await asyncio.sleep(0)
        if connection.failure is not None:
            raise connection.failure
        return "answer"

    async def handler(_: Any) -> Any:
        return await gate._send(cast("Any", connection))

    gate = gate_of(one)
    monkeypatch.setattr(Kind, "send", lambda _, connection: answer(connection))
    made: Any = Kind()
    with one:
        if turns > TURNS:
            with pytest.raises(aiohttp.ClientConnectionError):
                await gate(made, handler)
        else:
            assert str(await gate(made, handler)) == "answer"
    assert one.may_have_left is (turns <= TURNS)
    assert connection.real.written == ([b"POSTbody"] if turns <= TURNS else [])


class Kind:
    """A request whose class says how it is written."""

    send: Any = None


async def test_late_before_its_step_it_leaves_the_connection_to_others() -> None:
    one, connection = wire(), Connection()
    one.may_send_until = -1.0
    gate = gate_of(one)
    with one, pytest.raises(aiohttp.ClientConnectionError, match="connected too late to be sent"):
        await through(gate, Request(), connection)
    assert connection.released == 1
    assert not gate.spoilt


async def test_what_was_presumed_to_have_left_is_known_from_here_on() -> None:
    one = wire()

    async def refuses(_: Any) -> Any:
        raise ValueError

    with one:
        one.connected(None)
        request: Any = Request()
        with pytest.raises(ValueError):  # noqa: PT011 - its own
            await gate_of(one)(request, refuses)
        assert (one.may_have_left, one.sent) == (False, None)


async def test_nothing_goes_through_twice() -> None:
    one, request = wire(), Request()
    gate = gate_of(one)
    with one:
        await through(gate, request, Connection())
        second = Connection()
        with pytest.raises(aiohttp.ClientConnectionError, match="the connection was lost, and is not repeated here"):
            await through(gate, request, second)
        assert second.real.written == []
        assert one.may_have_left


async def test_a_writer_that_comes_after_the_end_of_the_request_writes_nothing() -> None:
    """Its request was told as not sent by then, and may be made again."""
    one, request, connection = wire(), Request(), Connection()
    gate = gate_of(one)
    writers: list[Any] = []

    async def handler(made: Any) -> Any:
        writers.append(asyncio.ensure_future(made.send(connection)))
        await asyncio.sleep(0)
        raise TimeoutError

    request.turns = 3
    sent: Any = request
    with one, pytest.raises(TimeoutError):
        await gate(sent, handler)
    await writers[0]
    assert connection.real.written == []
    assert not one.may_have_left


@pytest.mark.parametrize("error", [ValueError, BaseException, asyncio.CancelledError])
async def test_an_error_of_the_last_question_is_the_requests_own(error: type[BaseException]) -> None:
    one, connection = wire(), Connection()

    def raises() -> bool:
        raise error("odd")

    one.confirm_write = raises
    with one, pytest.raises(aiohttp.ClientConnectionError, match=f"{error.__name__}: odd"):
        await through(gate_of(one), Request(), connection)
    assert (connection.real.written, one.may_have_left) == ([], False)


@pytest.mark.parametrize("error", [ValueError, asyncio.CancelledError])
async def test_what_a_transport_raises_at_the_write_is_the_requests_own(error: type[BaseException]) -> None:
    """Those of the same turn are written, since they count as sent, and none waits for an answer that cannot come."""
    batch = WriteBatch()
    gates = [WriteGate(wire(), batch) for _ in range(2)]
    connections = [Connection() for _ in gates]

    def raises(_: object) -> None:
        raise error("odd")

    vars(connections[0].real)["write"] = raises
    with gates[0]._wire as one, gates[1]._wire as other:
        for gate, connection in zip(gates, connections, strict=True):
            gate.open()
            gate.take(cast(Any, connection), lambda: b"POST")
        await asyncio.sleep(0)
        assert one.may_have_left
        assert other.may_have_left
    assert repr(connections[0].failure) == f"ClientConnectionError('{error.__name__}: odd')"
    assert connections[1].real.written == [b"POST"]
    assert connections[1].failure is None


async def test_what_ends_the_program_at_the_write_is_not_held_back() -> None:
    gate, connection = gate_of(wire()), Connection()

    def interrupts(_: object) -> None:
        raise KeyboardInterrupt

    vars(connection.real)["write"] = interrupts
    gate._transport = connection.real
    with pytest.raises(KeyboardInterrupt):
        gate.hand_over()


@pytest.mark.parametrize("how", ["over", "cancelled", "ended", "lost"])
async def test_what_is_given_up_before_the_turn_of_the_write_is_not_written(how: str) -> None:
    one, request, connection = wire(), Request(), Connection()
    gate = gate_of(one)
    current = asyncio.current_task()
    assert current is not None
    if how == "cancelled":
        request.after = current.cancel

    async def handler(made: Any) -> Any:
        written = asyncio.ensure_future(made.send(connection))
        if how == "cancelled":
            return await written
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if how == "over":
            raise asyncio.CancelledError
        if how == "ended":
            one.end()
        else:
            connection.protocol.transport = None
        return await written

    sent: Any = request
    with suppress(asyncio.CancelledError, TimeoutError), one:
        await gate(sent, handler)
    current.uncancel()
    assert connection.real.written == []
    assert not one.may_have_left
    assert gate.spoilt


async def test_a_connection_that_is_lost_already_is_left_to_aiohttp() -> None:
    one, connection = wire(), Connection()
    connection.protocol.transport = None
    with one, pytest.raises(AttributeError):  # of this file's Request
        await through(gate_of(one), Request(), connection)
    assert not one.may_have_left


async def test_it_is_no_garbage_for_the_collector() -> None:
    one, request, connection = wire(), Request(), Connection()
    gate = gate_of(one)
    assert copy.deepcopy(gate) is gate  # mocks keep copies of arguments
    gc.disable()
    try:
        with one:
            await through(gate, request, connection)
        gone = weakref.ref(request)
        del request
        assert gone() is None
    finally:
        gc.enable()
