"""okx_async itself: limiter, signature, validation and classification on, as shipped."""

from __future__ import annotations

import importlib
from asyncio import AbstractEventLoop
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from benchmarks.clients import KEYS, PASSPHRASE, SECRET, Subject
from okx_async import Client, ClosedPosition, ClosePosition, Credentials


class Ours(Client):
    """Our client."""

    async def close(self, inst_id: str) -> object:
        """Close one position."""
        return await self.close_position(inst_id, "cross")

    async def batch(self, inst_ids: Sequence[str]) -> object:
        """Close many."""
        return await self.close_positions([ClosePosition(inst_id, "cross") for inst_id in inst_ids])


def ours(base_url: str) -> Ours:
    """Return a client that knows its user id."""
    return Ours(Credentials(KEYS, SECRET, PASSPHRASE), user_id="1", base_url=base_url)


def accepted(answer: object) -> bool:
    """Whether it was taken."""
    return isinstance(answer, ClosedPosition)


def on_uvloop() -> AbstractEventLoop:
    """Return a loop of uvloop's, which the plain subject does not import."""
    uvloop: Any = importlib.import_module("uvloop")
    loop: AbstractEventLoop = uvloop.new_event_loop()
    return loop


SUBJECTS: tuple[Subject, ...] = (Subject("okx_async", "okx-async", "Client(user_id=…), everything on", ours, accepted),)
if find_spec("uvloop"):
    SUBJECTS += (Subject("okx_async on uvloop", "uvloop", "the same on uvloop", ours, accepted, loop=on_uvloop),)
