"""Both transports of a wire, at literal times: inward takes 1 s, outward 2 s, and scripts begin at 4 s."""

import asyncio
import select
from collections.abc import Callable
from typing import TypeAlias

import pytest

from okx_async._http.sockets import readable
from tests.simulator.conftest import Line

Play: TypeAlias = Callable[..., Line]


def test_a_server_closes_with_fin_after_what_it_wrote(play: Play) -> None:
    async def script(line: Line) -> None:
        line.server.transport.write(b"bye")
        line.server.transport.close()
        line.server.transport.write(b"too late")
        assert line.server.transport.is_closing()

    line = play(script)
    assert line.server.seen == [(4, "lost")]
    assert line.client.seen == [(6, b"bye"), (6, "lost")]
    assert not line.network.wires


def test_a_client_whose_socket_lingers_delivers_what_stands_in_its_queue(play: Play) -> None:
    async def script(line: Line) -> None:
        line.wire.stall(10)
        line.client.transport.write(b"late")
        line.client.transport.abort()

    line = play(script)
    assert line.client.seen == [(4, "lost")]
    assert line.server.seen == [(15, b"late"), (15, "lost")]


def test_a_client_whose_socket_does_not_linger_drops_its_queue_and_resets(play: Play) -> None:
    async def script(line: Line) -> None:
        line.client.transport.write(b"gone")
        line.wire.stall(0.5)
        line.client.transport.write(b"never")
        await asyncio.sleep(0.6)
        line.wire.stall(0.5)
        line.client.transport.write(b"dropped")
        await asyncio.sleep(0.4)
        line.client.transport.close()

    line = play(script, lingers=False)
    # The word of the reset is lost where nothing departs; what came before it is delivered.
    assert line.server.seen == [(5, b"gone"), (5.5, b"never")]


def test_a_reset_of_the_client_arrives_after_what_departed(play: Play) -> None:
    async def script(line: Line) -> None:
        line.client.transport.write(b"gone")
        line.client.transport.abort()

    line = play(script, lingers=False)
    assert line.server.seen == [(5, b"gone"), (5, "ConnectionResetError")]


def test_a_server_may_reset_after_what_departed(play: Play) -> None:
    async def script(line: Line) -> None:
        line.server.transport.write(b"part")
        line.server.transport.reset()
        line.server.transport.reset()

    line = play(script)
    assert line.client.seen == [(6, b"part"), (6, "ConnectionResetError")]
    assert line.server.seen == [(4, "lost")]
    assert not line.network.wires


def test_bytes_to_a_closed_end_are_answered_with_a_reset(play: Play) -> None:
    async def script(line: Line) -> None:
        line.server.transport.close()
        line.client.transport.write(b"crossing")

    line = play(script)
    assert (6, "lost") in line.client.seen


def test_an_end_that_reads_nothing_keeps_what_came_and_the_end_of_it(play: Play) -> None:
    async def script(line: Line) -> None:
        line.client.transport.pause_reading()
        assert not line.client.transport.is_reading()
        line.server.transport.write(b"kept")
        line.server.transport.close()
        await asyncio.sleep(10)
        assert line.client.transport.unread == 4
        line.client.transport.resume_reading()

    line = play(script)
    assert line.client.seen == [(14, b"kept"), (14, "lost")]


def test_a_reset_drops_what_was_not_read(play: Play) -> None:
    async def script(line: Line) -> None:
        line.client.transport.hold("deaf")
        line.server.transport.write(b"never read")
        await asyncio.sleep(3)
        line.wire.reset()
        await asyncio.sleep(3)
        line.client.transport.release("deaf")

    line = play(script)
    assert line.client.seen == [(9, "ConnectionResetError")]


def test_a_writer_is_told_when_to_pause_and_when_to_go_on(play: Play) -> None:
    async def script(line: Line) -> None:
        line.client.transport.set_write_buffer_limits(high=10)
        line.client.transport.write(b"x" * 11)
        assert line.client.transport.get_write_buffer_size() == 11

    line = play(script)
    assert line.client.seen == [(4, "full"), (5, "room")]


def test_the_socket_tells_of_the_end_before_the_loop_does(play: Play) -> None:
    async def script(line: Line) -> None:
        sock = line.client.transport.get_extra_info("socket")
        poll = select.poll()
        poll.register(sock, select.POLLRDHUP)
        assert poll.poll(0) == []
        line.server.transport.close()
        line.loop.call_later(2.0, lambda: seen.append((bool(poll.poll(0)), len(line.client.seen))))

    seen: list[tuple[bool, int]] = []
    line = play(script)
    assert seen == [(True, 0)]
    assert line.client.seen == [(6, "lost")]


def test_what_an_end_says_of_itself(play: Play) -> None:
    async def script(line: Line) -> None:
        assert line.server.transport.get_extra_info("peername") == ("127.0.0.1", 49153)
        assert line.client.transport.get_extra_info("peername", "none") == "none"
        assert line.server.transport.get_extra_info("socket") is None
        assert line.client.transport.get_protocol() is line.client
        assert not line.client.transport.can_write_eof()
        other = type(line.client)(line.loop)
        line.client.transport.set_protocol(other)
        assert line.client.transport.get_protocol() is other
        with pytest.raises(TypeError):
            line.client.transport.set_protocol(asyncio.BaseProtocol())
        assert repr(line.client.transport) == "<MemoryTransport client 1>"

    play(script)


def test_the_socket_shows_bytes_that_were_not_read(play: Play) -> None:
    async def script(line: Line) -> None:
        def show() -> None:
            seen.append(readable(line.client.transport))

        line.client.transport.hold("busy")
        for at in (1.0, 3.0, 5.0, 9.0):
            line.loop.call_later(at, show)
        line.server.transport.write(b"come")
        line.loop.call_later(4.0, line.client.transport.release, "busy")
        line.loop.call_later(6.0, line.client.transport.hold, "busy")
        line.loop.call_later(6.5, line.server.transport.close)
        line.loop.call_later(9.5, line.client.transport.release, "busy")

    seen: list[bool] = []
    line = play(script)
    assert seen == [False, True, False, True]  # and in the end its end
    assert line.client.seen == [(8, b"come"), (13.5, "lost")]
