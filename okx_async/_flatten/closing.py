"""The closes of one client: plain or confirmed, joined or each on its own."""

import asyncio
from collections.abc import Awaitable
from functools import partial
from math import inf
from typing import Final

from okx_async._calls.caller import Caller
from okx_async._calls.joined import JoinedCloses
from okx_async._calls.on_wire import CloseTurn
from okx_async._flatten.confirm import close_and_confirm, confirm_accepted
from okx_async._flatten.shared_readings import SharedReadings
from okx_async._models import ClosedPosition, ClosePosition
from okx_async._quota import Priority
from okx_async._rest import records, requests

CONFIRM_TIMEOUT: Final = 30.0


class Closer:
    """Makes the closes of one client; `join`: whether they are joined if a call does not say so."""

    def __init__(self, calls: Caller, *, join: bool) -> None:
        self._calls = calls
        self._join = join
        self._joined = JoinedCloses(calls.on_wire)
        self._readings = SharedReadings()

    def close(
        self, request: ClosePosition, priority: Priority, max_wait: float | None, *, join: bool | None = None
    ) -> Awaitable[ClosedPosition]:
        """Return once the exchange has accepted a close; the arguments are those of `Client.close_position`."""
        if self._join if join is None else join:
            requests.close_position(request)  # checks it
            return self._joined.close(request, priority, max_wait, partial(self._send, request, priority))
        return self._send(request, priority, CloseTurn(self._calls.on_wire, request), max_wait)

    async def confirm(
        self,
        request: ClosePosition,
        priority: Priority,
        max_wait: float | None,
        confirm_timeout: float,
        *,
        join: bool | None = None,
    ) -> ClosedPosition:
        """Return once the position is proven gone."""
        requests.close_position(request)  # checks it
        send = partial(self._send_and_confirm, request, priority, confirm_timeout)
        if self._join if join is None else join:
            return await self._joined.close(request, priority, max_wait, send, confirm=True)
        return await send(CloseTurn(self._calls.on_wire, request), max_wait, None)

    async def _send(
        self,
        request: ClosePosition,
        priority: Priority,
        turn: CloseTurn,
        left: float | None,
        _accepted: ClosedPosition | None = None,
    ) -> ClosedPosition:
        permit = None
        if self._calls.on_wire.guarded:
            permit, turn.patience = turn.permit, asyncio.get_running_loop().time() + (inf if left is None else left)
        job = requests.close_position(request)
        answer, attempts = await self._calls.call(job, priority, left, request, permit=permit, turn=turn)
        return records.closed_position(answer, request, attempts)

    async def _send_and_confirm(  # noqa: PLR0917 - the last three come from the joined close
        self,
        request: ClosePosition,
        priority: Priority,
        confirm_timeout: float,
        turn: CloseTurn,
        left: float | None,
        accepted: ClosedPosition | None,
    ) -> ClosedPosition:
        if accepted is not None:
            turn.was_written = True
            return await confirm_accepted(self._calls, request, priority, accepted, confirm_timeout, self._readings)
        return await close_and_confirm(
            self._calls, request, priority, left, confirm_timeout, readings=self._readings, whole=turn
        )
