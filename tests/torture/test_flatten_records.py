import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

import okx_async as okx
from okx_async.torture.calls import CANCELLED
from okx_async.torture.flatten_records import (
    FLAT,
    GONE_BEFORE,
    NOTHING,
    REFUSED,
    REPORT,
    SUPERSEDED,
    UNKNOWN,
    CloseAttempt,
    FlattenRecord,
    FlattenScope,
)
from okx_async.torture.watched_limiter import CURRENT_CALL
from okx_async.torture.witness import Address

RECORD = {
    "instId": "F0-USDT-SWAP",
    "mgnMode": "cross",
    "posSide": "net",
    "ccy": "USDT",
    "pos": "-3",
    "posCcy": "",
    "posId": "7",
    "cTime": "1000",
    "uTime": "1001",
}
REQUEST = okx.ClosePosition("F0-USDT-SWAP", "cross")


class Client:
    """Ends every call as it is told, and keeps whose it was."""

    def __init__(self, ending: Any) -> None:
        self.ending = ending
        self.name = ""
        self._caller = SimpleNamespace(clock_offset=-0.5)

    async def flatten(self, *_: Any, on_progress: Any, **__: Any) -> Any:
        self.name = CURRENT_CALL.get()
        on_progress(SimpleNamespace(before=SimpleNamespace(raw=RECORD)))
        on_progress(SimpleNamespace(before=SimpleNamespace(raw=RECORD)))
        on_progress(SimpleNamespace(before=None))
        return await self.close_position()

    async def close_position(self, *_: Any, **__: Any) -> Any:
        if isinstance(self.ending, BaseException):
            raise self.ending
        return self.ending


def flatten_record() -> FlattenRecord:
    return FlattenRecord("e1", 0, "123", "key", FlattenScope(), 1000.0, 3.0, 5.0)


def test_what_is_wanted() -> None:
    assert FlattenScope().includes(RECORD)
    assert not FlattenScope().includes({**RECORD, "pos": "0"})
    assert not FlattenScope(("F1-USDT-SWAP",)).includes(RECORD)
    assert FlattenScope(side="short", mgn_mode="cross").includes(RECORD)
    assert not FlattenScope(side="long").includes(RECORD)
    assert not FlattenScope(mgn_mode="isolated").includes(RECORD)
    assert FlattenScope(("F1-USDT-SWAP",)).where(SimpleNamespace(raw=RECORD))  # type: ignore[arg-type]  # all that it looks at


async def test_a_flatten_is_known_by_its_name_and_by_what_it_took_up() -> None:
    one = flatten_record()
    one.clock_error = lambda: 2.0
    client: Any = Client(SimpleNamespace(rows=(), flat=True))
    await one.flatten(client, auto_cxl=True, priority=okx.Priority.PANIC)
    assert (client.name, CURRENT_CALL.get()) == ("e1", "")
    assert (one.told, one.taken_up, one.ended is not None) == (REPORT, [RECORD], True)
    assert one.clock_errors == [1.5]
    assert [address.inst_id for address in one.targets] == ["F0-USDT-SWAP"]


@pytest.mark.parametrize(
    ("ending", "told"),
    [
        (SimpleNamespace(flat=True), FLAT),
        (SimpleNamespace(flat=False), NOTHING),
        (okx.NotSentError("x"), NOTHING),
        (okx.NothingToCloseError("x"), GONE_BEFORE),
        (okx.RejectedError("superseded: x"), SUPERSEDED),
        (okx.RejectedError("x"), REFUSED),
        (okx.OutcomeUnknownError("x"), UNKNOWN),
        (okx.OkxError("x"), "something else: OkxError('x')"),
    ],
)
async def test_what_a_confirmed_close_says_became_of_the_position(ending: Any, told: str) -> None:
    one = flatten_record()
    client: Any = Client(ending)
    await one.confirm(client, REQUEST, okx.Priority.NORMAL)
    assert one.told == told
    assert one.request == REQUEST


@pytest.mark.parametrize("noted", [True, False])
async def test_a_cancellation_goes_on_and_its_note_is_kept(*, noted: bool) -> None:
    cancelled = asyncio.CancelledError()
    if noted:
        cancelled.add_note("already sent")
    one = flatten_record()
    client: Any = Client(cancelled)
    with pytest.raises(asyncio.CancelledError):
        await one.flatten(client, auto_cxl=True, priority=okx.Priority.PANIC)
    assert (one.told, one.warned) == (CANCELLED, noted)


@pytest.mark.parametrize(
    ("sent", "token", "written"), [(1.0, "settled", True), (1.0, "refunded", False), (None, "", False)]
)
def test_attempts_are_kept_by_address(sent: float | None, token: str, *, written: bool) -> None:
    one = flatten_record()
    attempt: Any = SimpleNamespace(request=REQUEST, token=token)  # all that is looked at
    one.attempt(attempt, sent, 2.0)
    made = CloseAttempt(attempt, sent, 2.0)
    assert one.closes == {Address("F0-USDT-SWAP", "cross", "net", ""): [made]}
    assert made.written is written
