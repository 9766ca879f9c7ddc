"""okx_async itself: limiter, signature, validation and classification on, as shipped."""

from __future__ import annotations

import importlib
from asyncio import AbstractEventLoop
from collections.abc import Sequence
from typing import Any

from benchmarks.clients import KEYS, OURS, Subject
from okx_async import Client, ClosedPosition, ClosePosition, Credentials


class Ours(Client):
    """A client that knows its user id."""

    def __init__(self, base_url: str) -> None:
        super().__init__(Credentials(*KEYS), user_id="1", base_url=base_url)

    async def close(self, inst_id: str) -> object:
        """Close one position."""
        return await self.close_position(inst_id, "cross")

    async def batch(self, inst_ids: Sequence[str]) -> object:
        """Close all of them at once."""
        return await self.close_positions([ClosePosition(inst_id, "cross") for inst_id in inst_ids])


def accepted(answer: object) -> bool:
    """Whether the exchange took the close."""
    return isinstance(answer, ClosedPosition)


def on_uvloop() -> AbstractEventLoop:
    """Return a loop of uvloop's, which the plain subject does not import."""
    uvloop: Any = importlib.import_module("uvloop")
    loop: AbstractEventLoop = uvloop.new_event_loop()
    return loop


SUBJECTS = (
    Subject(OURS, "okx-async", "Client(user_id=…), everything on", Ours, accepted),
    Subject("okx_async on uvloop", "uvloop", "the same on uvloop", Ours, accepted, loop=on_uvloop),
)
