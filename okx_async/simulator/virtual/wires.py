"""A connection in memory: a transport at each end, a link in each direction, and the faults of both."""

import asyncio
from collections.abc import Callable
from random import Random

from okx_async.simulator.virtual.jumping_loop import JumpingLoop
from okx_async.simulator.virtual.links import Control, Link, Path
from okx_async.simulator.virtual.transport import HeldSocket, MemoryTransport


class Wire:
    """One connection: `near` is the client's end, `far` the server's. Made by the network.

    Args:
        loop: The loop of the network.
        number: Its number on the network, from 1 on.
        sock: The client's socket.
        inward: How the direction to the server behaves.
        outward: How the direction to the client behaves.
        rng: Source of its delays and cuts.
        trace: Takes (time, text) of what happens, if given.
        on_ended: Called with the wire when both ends are lost.
        on_data: Called with the bytes that the client's protocol is about to be given.
    """

    def __init__(
        self,
        loop: JumpingLoop,
        number: int,
        sock: HeldSocket,
        *,
        inward: Path,
        outward: Path,
        rng: Random,
        trace: list[tuple[float, str]] | None,
        on_ended: Callable[["Wire"], object],
        on_data: Callable[[bytes], object] | None = None,
    ) -> None:
        self.number = number
        self._on_ended = on_ended
        self.near = near = MemoryTransport(loop, f"client {number}", self._look, sock=sock, on_data=on_data)
        peername = ("127.0.0.1", 49152 + number % 16384)
        self.far = far = MemoryTransport(loop, f"server {number}", self._look, peername=peername)
        near.outbound = far.inbound = Link(loop, near, far, path=inward, rng=rng, trace=trace)
        far.outbound = near.inbound = Link(loop, far, near, path=outward, rng=rng, trace=trace)

    @property
    def ended(self) -> bool:
        """Whether both ends are lost."""
        return self.near.lost and (self.far.lost or not self.far.made)

    def open(self, protocol: asyncio.Protocol, accept: Callable[[], asyncio.Protocol | None]) -> None:
        """Connect: the client at once, the server when the first segment arrives.

        Args:
            protocol: The client's.
            accept: Makes the server's protocol; None: it was closed meanwhile.
        """
        self.far.accept = accept
        self.near.make(protocol)
        self.near.outbound.put(Control.OPEN)

    def reset(self) -> None:
        """Cut it in the middle: a reset goes to each end and takes the time of its link."""
        for end in (self.near, self.far):
            end.outbound.put_reset()

    def vanish(self) -> None:
        """Deliver nothing any more, in either direction and without a report: half-open."""
        for end in (self.near, self.far):
            end.outbound.dead = True

    def stall(self, seconds: float, *, inward: bool = True, outward: bool = True) -> None:
        """Let nothing depart for `seconds`.

        Args:
            seconds: Seconds from now.
            inward: Whether the direction to the server is stalled.
            outward: Whether the direction to the client is stalled.
        """
        if inward:
            self.near.outbound.stall(seconds)
        if outward:
            self.far.outbound.stall(seconds)

    def _look(self) -> None:
        if self.ended:
            self._on_ended(self)
