"""The closes of one client: plain or confirmed, joined or each on its own."""

from typing import Final

from okx_async._calls.caller import Caller
from okx_async._calls.joined import JoinedCloses
from okx_async._calls.on_wire import CloseTurn
from okx_async._flatten.confirm import close_and_confirm, confirm_accepted
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

    async def close(
        self, request: ClosePosition, priority: Priority, max_wait: float | None, *, join: bool | None = None
    ) -> ClosedPosition:
        """Return once the exchange has accepted a close; the arguments are those of `Client.close_position`."""
        job = requests.close_position(request)
        calls = self._calls

        async def send(turn: CloseTurn, left: float | None, _accepted: ClosedPosition | None) -> ClosedPosition:
            permit = turn.permit if calls.on_wire.guarded else None
            answer, attempts = await calls.call(job, priority, left, request, permit=permit, turn=turn)
            return records.closed_position(answer, request, attempts)

        if self._join if join is None else join:
            return await self._joined.close(request, priority, max_wait, send)
        return await send(CloseTurn(calls.on_wire, request), max_wait, None)

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
        calls = self._calls

        async def send(turn: CloseTurn, left: float | None, accepted: ClosedPosition | None) -> ClosedPosition:
            if accepted is not None:
                turn.was_written = True
                return await confirm_accepted(calls, request, priority, accepted, confirm_timeout)
            return await close_and_confirm(calls, request, priority, left, confirm_timeout, whole=turn)

        if self._join if join is None else join:
            return await self._joined.close(request, priority, max_wait, send, confirm=True)
        return await send(CloseTurn(calls.on_wire, request), max_wait, None)
