"""One link at a time, at literal times: a piece takes 1 s, and scripts begin at 4 s."""

import asyncio
from collections.abc import Callable
from typing import TypeAlias

from okx_async.simulator import Path
from tests.simulator.conftest import Line

Play: TypeAlias = Callable[..., Line]


def test_a_window_lets_no_more_than_so_many_bytes_be_under_way(play: Play) -> None:
    async def script(line: Line) -> None:
        for _ in range(3):
            line.client.transport.write(b"12345678")

    line = play(script, inward=Path(1.0, window=10))
    assert line.server.seen == [(5, b"12345678"), (6, b"12345678"), (7, b"12345678")]


def test_a_receiver_that_does_not_read_closes_the_window(play: Play) -> None:
    async def script(line: Line) -> None:
        line.server.transport.hold("deaf")
        for _ in range(3):
            line.client.transport.write(b"12345678")
        await asyncio.sleep(10)
        assert line.server.transport.unread == 8
        line.server.transport.release("deaf")

    line = play(script, inward=Path(1.0, window=10))
    assert line.server.seen == [(14, b"12345678"), (15, b"12345678"), (16, b"12345678")]


def test_a_write_is_cut_at_any_byte_and_arrives_whole_and_in_order(play: Play) -> None:
    text = bytes(range(256))

    async def script(line: Line) -> None:
        for _ in range(50):
            line.client.transport.write(text)

    line = play(script, inward=Path(0.5, 0.5, cuts=0.8, spikes=0.1, spike=3.0))
    assert line.server.data == 50 * text
    assert len(line.server.seen) > 80
    assert len({at for at, _ in line.server.seen}) >= 5


def test_nothing_departs_while_the_link_is_stalled(play: Play) -> None:
    async def script(line: Line) -> None:
        line.wire.stall(3.0, outward=False)
        line.wire.stall(5.0, outward=False)
        line.client.transport.write(b"in")
        line.server.transport.write(b"out")

    line = play(script)
    assert line.server.seen == [(10, b"in")]
    assert line.client.seen == [(6, b"out")]


def test_a_write_goes_twice_in_one_piece_where_that_is_asked_for(play: Play) -> None:
    async def script(line: Line) -> None:
        line.wire.far.outbound.double(2)
        for text in (b"one", b"two", b"three"):
            line.server.transport.write(text)

    line = play(script, outward=Path(2.0))
    assert line.client.seen == [(6, b"oneone"), (6, b"twotwo"), (6, b"three")]
    whole = play(script, outward=Path(2.0, cuts=1.0))
    assert [item for _, item in whole.client.seen[:2]] == [b"oneone", b"twotwo"]
    assert whole.client.data == b"oneonetwotwothree"
