import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

import okx_async as okx
from okx_async.torture.calls import ACCEPTED, CANCELLED, NOT_SENT, REFUSED, UNKNOWN, Call, Calls

NORMAL = okx.Priority.NORMAL


class Client:
    """Answers every close as it is told."""

    def __init__(self, *endings: BaseException | None) -> None:
        self.endings = list(endings)

    async def close_position(self, *_: Any, **__: Any) -> okx.ClosedPosition:
        ending = self.endings.pop(0)
        if ending is not None:
            raise ending
        return okx.ClosedPosition("S0-USDT-SWAP", "net", "c9", "")

    async def close_positions(self, requests: list[okx.ClosePosition], *, on_result: Any, **_: Any) -> None:
        for request in requests:
            ending = self.endings.pop(0)
            if isinstance(ending, okx.OkxError):
                on_result(okx.CloseResult(request, error=ending))
            elif ending is None:
                on_result(okx.CloseResult(request, closed=okx.ClosedPosition(request.inst_id, "net", "", "")))
            else:
                raise ending


def begin(calls: Calls, name: str = "c1") -> Call:
    return calls.begin(okx.ClosePosition("S0-USDT-SWAP", "cross", cl_ord_id=name), 0, None, NORMAL)


@pytest.mark.parametrize(
    ("ending", "told"),
    [
        (None, ACCEPTED),
        (okx.NothingToCloseError("x"), REFUSED),
        (okx.RejectedError("x"), REFUSED),
        (okx.SlotTimeoutError("x"), NOT_SENT),
        (okx.NotSentError("x"), NOT_SENT),
        (okx.InvalidRequestError("x"), NOT_SENT),
        (RuntimeError("this client is closed"), NOT_SENT),
        (okx.OutcomeUnknownError("x"), UNKNOWN),
        (okx.OkxError("x"), "something else: OkxError('x')"),
    ],
)
async def test_what_a_caller_is_told(ending: BaseException | None, told: str) -> None:
    calls = Calls(lambda: 7.0)
    call = begin(calls)
    client: Any = Client(ending)
    await calls.close(client, call)
    assert (call.told, call.ended, call.warned) == (told, 7.0, False)
    assert bool(call.words) is (ending is not None)
    assert call.carried == ("c9" if told == ACCEPTED else "")


@pytest.mark.parametrize("noted", [True, False])
async def test_a_cancellation_goes_on_and_its_note_is_kept(*, noted: bool) -> None:
    cancelled = asyncio.CancelledError()
    if noted:
        cancelled.add_note("already sent")
    calls = Calls(lambda: 7.0)
    call = begin(calls)
    client: Any = Client(cancelled)
    with pytest.raises(asyncio.CancelledError):
        await calls.close(client, call)
    assert (call.told, call.warned) == (CANCELLED, noted)


async def test_the_legs_of_a_batch_are_told_one_by_one() -> None:
    calls = Calls(lambda: 7.0)
    legs = [begin(calls, f"c{number}") for number in range(4)]
    cancelled = asyncio.CancelledError()
    cancelled.add_note("S0-USDT-SWAP: already sent, outcome unknown")
    client: Any = Client(None, okx.OutcomeUnknownError("x"), cancelled)
    with pytest.raises(asyncio.CancelledError):
        await calls.close_all(client, legs)
    assert [leg.told for leg in legs] == [ACCEPTED, UNKNOWN, CANCELLED, CANCELLED]
    assert [leg.warned for leg in legs] == [False, False, True, True]


async def test_a_batch_of_a_closed_client_was_not_sent() -> None:
    calls = Calls(lambda: 7.0)
    legs = [begin(calls, f"c{number}") for number in range(2)]
    client: Any = Client(RuntimeError("this client is closed"))
    await calls.close_all(client, legs)
    assert [leg.told for leg in legs] == [NOT_SENT, NOT_SENT]


def test_the_longest_attempt_is_kept() -> None:
    calls = Calls(lambda: 7.0)
    call = begin(calls)
    mine: Any = SimpleNamespace(outcome=okx.Outcome.RATE, key="k", token="settled")
    other: Any = SimpleNamespace(outcome=okx.Outcome.ACCEPTED, key="k")
    call.attempt(mine, 5.0, 6.5)
    call.attempt(other, None, 9.0)
    assert call.attempts == [mine, other]
    assert call.longest == 1.5
    assert call.refused == [("k", 6.5)]
