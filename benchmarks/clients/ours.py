"""okx_async itself: limiter, signature, validation and classification on, as shipped."""

import importlib
from asyncio import AbstractEventLoop
from collections.abc import Sequence
from typing import Any

from benchmarks.clients import KEYS, OURS, Subject
from okx_async import Client, ClosedPosition, ClosePosition, Credentials


class _Ours(Client):
    def __init__(self, base_url: str) -> None:
        super().__init__(Credentials(*KEYS), user_id="1", base_url=base_url)

    async def close(self, inst_id: str) -> object:
        return await self.close_position(inst_id, "cross")

    async def batch(self, inst_ids: Sequence[str]) -> object:
        return await self.close_positions([ClosePosition(inst_id, "cross") for inst_id in inst_ids])


def _accepted(answer: object) -> bool:
    return isinstance(answer, ClosedPosition)


def _uvloop() -> AbstractEventLoop:
    uvloop: Any = importlib.import_module("uvloop")  # which the plain subject does not import
    loop: AbstractEventLoop = uvloop.new_event_loop()
    return loop


SUBJECTS = (
    Subject(OURS, "okx-async", "Client(user_id=…), everything on", _Ours, _accepted),
    Subject("okx_async on uvloop", "uvloop", "the same on uvloop", _Ours, _accepted, loop=_uvloop),
)
