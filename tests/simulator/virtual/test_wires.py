"""One wire at a time, at literal times: inward takes 1 s, outward 2 s, and scripts begin at 4 s."""

import asyncio
from collections.abc import Callable
from typing import TypeAlias

from tests.simulator.conftest import Line

Play: TypeAlias = Callable[..., Line]


def test_bytes_take_the_time_of_their_way(play: Play) -> None:
    async def script(line: Line) -> None:
        line.client.transport.write(b"ask")
        await asyncio.sleep(1)
        line.server.transport.writelines([b"ans", b"wer"])

    line = play(script)
    assert line.server.seen == [(5, b"ask")]
    assert line.client.seen == [(7, b"answer")]


def test_a_reset_in_the_middle_tells_each_end_in_its_time(play: Play) -> None:
    async def script(line: Line) -> None:
        line.client.transport.write(b"gone")
        line.wire.reset()

    line = play(script)
    assert line.server.seen == [(5, b"gone"), (5, "ConnectionResetError")]
    assert line.client.seen == [(6, "ConnectionResetError")]
    assert not line.network.wires


def test_half_open_reports_nothing(play: Play) -> None:
    async def script(line: Line) -> None:
        line.wire.vanish()
        line.client.transport.write(b"unheard")
        line.server.transport.write(b"as well")
        line.server.transport.close()

    line = play(script)
    assert line.client.seen == []
    assert line.server.seen == [(4, "lost")]
