"""One wire at a time, at literal times: the way in takes 1 s, the way out 2 s, and scripts begin at 4 s."""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from typing import TypeAlias

import pytest

from tests.simulator.conftest import Line

Play: TypeAlias = "Callable[..., Line]"


def test_bytes_take_the_time_of_their_way(play: Play) -> None:
    async def script(line: Line) -> None:
        line.client.end.write(b"ask")
        await asyncio.sleep(1)
        line.server.end.writelines([b"ans", b"wer"])

    line = play(script)
    assert line.server.seen == [(5, b"ask")]
    assert line.client.seen == [(7, b"answer")]


def test_a_server_closes_with_fin_after_what_it_wrote(play: Play) -> None:
    async def script(line: Line) -> None:
        line.server.end.write(b"bye")
        line.server.end.close()
        line.server.end.write(b"too late")
        assert line.server.end.is_closing()

    line = play(script)
    assert line.server.seen == [(4, "lost")]
    assert line.client.seen == [(6, b"bye"), (6, "lost")]
    assert not line.network.wires


def test_a_client_whose_socket_lingers_delivers_what_stands_in_its_queue(play: Play) -> None:
    async def script(line: Line) -> None:
        line.wire.stall(10)
        line.client.end.write(b"late")
        line.client.end.abort()

    line = play(script)
    assert line.client.seen == [(4, "lost")]
    assert line.server.seen == [(15, b"late"), (15, "lost")]


def test_a_client_whose_socket_does_not_linger_drops_its_queue_and_resets(play: Play) -> None:
    async def script(line: Line) -> None:
        line.client.end.write(b"gone")
        line.wire.stall(0.5)
        line.client.end.write(b"never")
        await asyncio.sleep(0.6)
        line.wire.stall(0.5)
        line.client.end.write(b"dropped")
        await asyncio.sleep(0.4)
        line.client.end.close()

    line = play(script, lingers=False)
    # The word of the reset is lost where nothing departs; what came before it is delivered.
    assert line.server.seen == [(5, b"gone"), (5.5, b"never")]


def test_a_reset_of_the_client_arrives_after_what_departed(play: Play) -> None:
    async def script(line: Line) -> None:
        line.client.end.write(b"gone")
        line.client.end.abort()

    line = play(script, lingers=False)
    assert line.server.seen == [(5, b"gone"), (5, "ConnectionResetError")]


def test_a_reset_in_the_middle_tells_each_end_in_its_time(play: Play) -> None:
    async def script(line: Line) -> None:
        line.client.end.write(b"gone")
        line.wire.reset()

    line = play(script)
    assert line.server.seen == [(5, b"gone"), (5, "ConnectionResetError")]
    assert line.client.seen == [(6, "ConnectionResetError")]
    assert not line.network.wires


def test_a_server_may_reset_after_what_departed(play: Play) -> None:
    async def script(line: Line) -> None:
        line.server.end.write(b"part")
        line.server.end.reset()
        line.server.end.reset()

    line = play(script)
    assert line.client.seen == [(6, b"part"), (6, "ConnectionResetError")]
    assert line.server.seen == [(4, "lost")]
    assert not line.network.wires


def test_half_open_tells_nobody_anything(play: Play) -> None:
    async def script(line: Line) -> None:
        line.wire.vanish()
        line.client.end.write(b"nobody hears")
        line.server.end.write(b"nor this")
        line.server.end.close()

    line = play(script)
    assert line.client.seen == []
    assert line.server.seen == [(4, "lost")]


def test_bytes_to_a_closed_end_are_answered_with_a_reset(play: Play) -> None:
    async def script(line: Line) -> None:
        line.server.end.close()
        line.client.end.write(b"crossing")

    line = play(script)
    assert (6, "lost") in line.client.seen


def test_an_end_that_reads_nothing_keeps_what_came_and_the_end_of_it(play: Play) -> None:
    async def script(line: Line) -> None:
        line.client.end.pause_reading()
        assert not line.client.end.is_reading()
        line.server.end.write(b"kept")
        line.server.end.close()
        await asyncio.sleep(10)
        assert line.client.end.unread == 4
        line.client.end.resume_reading()

    line = play(script)
    assert line.client.seen == [(14, b"kept"), (14, "lost")]


def test_a_reset_drops_what_was_not_read(play: Play) -> None:
    async def script(line: Line) -> None:
        line.client.end.hold("deaf")
        line.server.end.write(b"never read")
        await asyncio.sleep(3)
        line.wire.reset()
        await asyncio.sleep(3)
        line.client.end.release("deaf")

    line = play(script)
    assert line.client.seen == [(9, "ConnectionResetError")]


def test_a_writer_is_told_when_to_pause_and_when_to_go_on(play: Play) -> None:
    async def script(line: Line) -> None:
        line.client.end.set_write_buffer_limits(high=10)
        line.client.end.write(b"x" * 11)
        assert line.client.end.get_write_buffer_size() == 11

    line = play(script)
    assert line.client.seen == [(4, "full"), (5, "room")]


def test_the_socket_tells_of_the_end_before_the_loop_does(play: Play) -> None:
    async def script(line: Line) -> None:
        sock = line.client.end.get_extra_info("socket")
        poll = select.poll()
        poll.register(sock, select.POLLRDHUP)
        assert poll.poll(0) == []
        line.server.end.close()
        line.loop.call_later(2.0, lambda: seen.append((bool(poll.poll(0)), len(line.client.seen))))

    seen: list[tuple[bool, int]] = []
    line = play(script)
    assert seen == [(True, 0)]
    assert line.client.seen == [(6, "lost")]


def test_what_an_end_says_of_itself(play: Play) -> None:
    async def script(line: Line) -> None:
        assert line.server.end.get_extra_info("peername") == ("127.0.0.1", 49153)
        assert line.client.end.get_extra_info("peername", "none") == "none"
        assert line.server.end.get_extra_info("socket") is None
        assert line.client.end.get_protocol() is line.client
        assert not line.client.end.can_write_eof()
        other = type(line.client)(line.loop)
        line.client.end.set_protocol(other)
        assert line.client.end.get_protocol() is other
        with pytest.raises(TypeError):
            line.client.end.set_protocol(asyncio.BaseProtocol())
        assert repr(line.client.end) == "<End client 1>"

    play(script)
