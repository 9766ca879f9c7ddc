"""What a flatten would close, for programs that show it first: positions, and records that cannot be read."""

from collections.abc import Sequence
from typing import NamedTuple

from okx_async._calls.caller import Caller
from okx_async._flatten.readings import list_positions
from okx_async._models import Position
from okx_async._quota import Priority
from okx_async._rest.records import Unreadable


class Survey(NamedTuple):
    """What is open, by one look."""

    positions: list[Position]
    unreadable: list[Unreadable]


async def survey(calls: Caller, inst_ids: Sequence[str] | None, priority: Priority = Priority.NORMAL) -> Survey:
    """Return what is open, on all instruments (None) or on named ones; raises OkxError if it cannot be read."""
    return Survey(*await list_positions(calls, inst_ids, priority))
