import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from okx_async import AuthenticationError, NotSentError, OkxError, OutcomeUnknownError, Priority, SlotTimeoutError
from okx_async._calls.caller import Caller
from okx_async._flatten.guard import Reading
from okx_async._flatten.leg import READ_PAUSES
from okx_async._flatten.readings import CLOSE_WAIT, PositionReader, read_positions
from okx_async._rest.requests import MAX_POSITIONS_IDS, ApiRequest
from okx_async._rest.responses import Answer

pytestmark = pytest.mark.virtual

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"


def now() -> float:
    return asyncio.get_running_loop().time()


class Exchange:
    """In place of the client's calls: each takes 1 s, and meets the next failure if there is one."""

    def __init__(self, *failures: Exception | None) -> None:
        self.failures = list(failures)
        self.asked: list[tuple[float, str]] = []
        self.in_flight = self.most = 0
        self.closing = False
        self.books: list[dict[str, str]] = []

    def exchange_time(self) -> float:
        return 1000.0

    async def call(
        self,
        job: ApiRequest,
        priority: Priority,
        _max_wait: float | None,
        *,
        once: bool,
        permit: Callable[[], Awaitable[float | None]],
    ) -> tuple[Answer, tuple[()]]:
        assert priority is Priority.PANIC
        assert once
        assert await permit() is not None
        self.asked.append((now(), job.path.partition("?")[2]))
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        try:
            await asyncio.sleep(1.0)
        finally:
            self.in_flight -= 1
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        return Answer(200, "0", data=list(self.books), listed=True, envelope=True), ()


def readings(
    exchange: Exchange, inst_ids: list[str] | None = None, delivered: list[Reading] | None = None
) -> PositionReader:
    on_reading: Any = (delivered if delivered is not None else []).append
    return PositionReader(cast("Caller", exchange), inst_ids, Priority.PANIC, on_reading)


async def test_one_reading_serves_all_waiting_tasks_and_is_delivered_before_they_go_on() -> None:
    exchange, delivered = Exchange(), list[Any]()
    subject = readings(exchange, delivered=delivered)
    async with asyncio.timeout(10):
        assert await asyncio.gather(*(subject.read_since(0.0, 9.0) for _ in range(50))) == [True] * 50
    assert [at for at, _ in exchange.asked] == [0.0]
    assert [reading.started for reading in delivered] == [0.0]
    assert await subject.read_since(0.0, 9.0)
    assert len(exchange.asked) == 1


async def test_who_watches_sees_each_reading_from_then_on() -> None:
    delivered, seen = list[Any](), list[Any]()
    subject = readings(Exchange(), delivered=delivered)
    await subject.read_since(0.0, 9.0)
    subject.watch(seen.append)
    await subject.read_since(now(), 9.0)
    assert len(delivered) == 2
    assert seen == delivered[1:]


async def test_a_task_that_asks_while_a_reading_is_on_its_way_gets_the_next() -> None:
    exchange = Exchange()
    subject = readings(exchange)
    first = asyncio.create_task(subject.read_since(0.0, 9.0))
    await asyncio.sleep(0.5)
    assert await subject.read_since(now(), 9.0)
    assert await first
    assert [at for at, _ in exchange.asked] == pytest.approx([0.0, 1.0])
    assert exchange.most == 1


async def test_tasks_that_begin_at_once_share_a_reading_all_the_same() -> None:
    """An eager task runs within create_task, before the other tasks that wait for the reading are known."""

    class Eager(asyncio.Task[Any]):
        def __init__(self, coro: Any, **options: Any) -> None:
            if coro.__name__ == "_read":
                coro.send(None)  # to its first wait, which is a bare turn of the loop
            super().__init__(coro, **options)

    exchange = Exchange()
    subject = readings(exchange)
    asyncio.get_running_loop().set_task_factory(lambda loop, coro, **options: Eager(coro, loop=loop, **options))
    await asyncio.gather(subject.read_since(0.0, 9.0, ETH), subject.read_since(0.0, 9.0, BTC))
    assert [query for _, query in exchange.asked] == [f"instId={BTC},{ETH}"]


async def test_few_instruments_are_asked_for_by_name_unless_a_task_needs_all() -> None:
    exchange = Exchange()
    subject = readings(exchange)
    await asyncio.gather(subject.read_since(0.0, 9.0, ETH), subject.read_since(0.0, 9.0, BTC))
    await asyncio.gather(subject.read_since(now(), 9.0, ETH), subject.read_since(now(), 9.0))
    moment = now()
    await asyncio.gather(*(subject.read_since(moment, 9.0, f"S{number}-USDT-SWAP") for number in range(11)))
    assert [query for _, query in exchange.asked] == [f"instId={BTC},{ETH}", "", ""]


async def test_a_reading_of_one_instrument_says_nothing_of_others() -> None:
    exchange = Exchange()
    subject = readings(exchange)
    assert await subject.read_since(0.0, 9.0, BTC)
    assert await subject.read_since(0.0, 9.0, BTC)
    assert await subject.read_since(0.0, 9.0, ETH)
    assert await subject.read_since(0.0, 9.0)
    assert [query for _, query in exchange.asked] == [f"instId={BTC}", f"instId={ETH}", ""]


async def test_the_filter_is_asked_for_where_one_call_holds_it() -> None:
    exchange = Exchange()
    subject = readings(exchange, [BTC, ETH])
    assert await subject.read_since(0.0, 9.0, BTC)
    assert await subject.read_since(0.0, 9.0)
    assert [query for _, query in exchange.asked] == [f"instId={BTC},{ETH}"]
    exchange = Exchange()
    assert await readings(exchange, [f"S{number}-USDT-SWAP" for number in range(11)]).read_since(0.0, 9.0)
    assert [query for _, query in exchange.asked] == [""]


async def test_a_failure_reaches_the_tasks_that_waited_for_it_and_the_next_reading_comes_after_a_pause() -> None:
    exchange = Exchange(OutcomeUnknownError("x"), OutcomeUnknownError("x"), None, OutcomeUnknownError("x"))
    subject = readings(exchange)
    early = asyncio.create_task(subject.read_since(0.0, 99.0))
    await asyncio.sleep(0.5)
    late = asyncio.create_task(subject.read_since(now(), 99.0))  # waits for the next, which fails too
    assert [await early, await late] == [False, False]
    assert isinstance(subject.failure, OkxError)
    assert await subject.read_since(now(), 99.0)
    assert subject.failure is None
    assert not await subject.read_since(now(), 99.0)
    assert [at for at, _ in exchange.asked] == pytest.approx(
        [0.0, 1.0 + READ_PAUSES[0], 2.0 + READ_PAUSES[0] + READ_PAUSES[1], 3.0 + READ_PAUSES[0] + READ_PAUSES[1]],
        abs=0.01,
    )


async def test_a_task_waits_no_longer_than_it_said() -> None:
    subject = readings(Exchange())
    assert not await subject.read_since(0.0, 0.4)
    assert now() == pytest.approx(0.4)
    assert not await subject.read_since(0.0, 0.4)
    await subject.aclose()


async def test_closes_on_the_wire_are_awaited_for_a_moment() -> None:
    exchange = Exchange()
    subject = readings(exchange)
    subject.close_started()
    subject.close_started()
    task = asyncio.create_task(subject.read_since(0.0, 9.0))
    await asyncio.sleep(CLOSE_WAIT / 4)
    subject.close_ended()
    await asyncio.sleep(CLOSE_WAIT / 4)
    subject.close_ended()
    assert await task
    subject.close_started()
    assert await subject.read_since(now(), 9.0)  # no longer than that
    assert [at for at, _ in exchange.asked] == pytest.approx([CLOSE_WAIT / 2, 1.0 + CLOSE_WAIT / 2 + CLOSE_WAIT])


async def test_a_cancelled_waiter_leaves_the_reading_to_the_others() -> None:
    exchange = Exchange()
    subject = readings(exchange)
    tasks = [asyncio.create_task(subject.read_since(0.0, 9.0)) for _ in range(3)]
    await asyncio.sleep(0.5)
    tasks[0].cancel()
    await asyncio.wait(tasks)
    assert tasks[0].cancelled()
    assert [task.result() for task in tasks[1:]] == [True, True]


async def test_closing_ends_the_reading() -> None:
    subject = readings(Exchange())
    await subject.aclose()
    task = asyncio.create_task(subject.read_since(0.0, 0.2))
    await asyncio.sleep(0.1)
    await subject.aclose()
    assert not await asyncio.wait_for(task, 5.0)


@pytest.mark.parametrize(
    ("failure", "closing", "level"),
    [
        (OutcomeUnknownError("HTTP 502"), False, "WARNING"),
        (SlotTimeoutError("no slot"), False, "DEBUG"),
        (NotSentError("the client is closed"), True, "DEBUG"),
    ],
)
async def test_a_reading_without_a_slot_or_at_a_closed_client_warns_of_nothing(
    *, failure: OkxError, closing: bool, level: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    exchange = Exchange(failure)
    exchange.closing = closing
    assert not await readings(exchange).read_since(0.0, 9.0)
    [record] = [record for record in caplog.records if "could not be read" in record.message]
    assert record.levelname == level


@pytest.mark.parametrize(("u_time", "known"), [("1060000", True), ("1060001", False), ("1000000000", False)])
async def test_a_change_that_is_dated_in_the_future_has_no_known_time(u_time: str, *, known: bool) -> None:
    """Else one such record, in another unit say, would make all later ones look older than it."""
    exchange, delivered = Exchange(), list[Reading]()
    exchange.books = [{"instId": BTC, "mgnMode": "cross", "pos": "1", "cTime": "2000000", "uTime": u_time}]
    assert await readings(exchange, delivered=delivered).read_since(0.0, 9.0)
    [position] = delivered[0].positions
    assert position.u_time == (int(u_time) if known else 0)
    assert position.c_time == 2_000_000


async def test_misuse_is_raised_in_the_waiting_task() -> None:
    with pytest.raises(RuntimeError, match="closed"):
        await readings(Exchange(RuntimeError("this limiter is closed"))).read_since(0.0, 9.0)


async def test_a_refused_key_is_kept_as_the_failure() -> None:
    subject = readings(Exchange(AuthenticationError("50119")))
    assert not await subject.read_since(0.0, 9.0)
    assert isinstance(subject.failure, AuthenticationError)


async def test_any_number_of_instruments_is_read_by_pages_and_what_holds_nothing_is_left_out() -> None:
    asked: list[str] = []

    class Pages:
        async def call(self, job: ApiRequest, *_: object) -> tuple[Answer, tuple[()]]:
            asked.append(job.path)
            last = job.path.rpartition("=")[2].split(",")[-1]
            record = {"instType": "SWAP", "instId": last, "mgnMode": "cross", "posSide": "net"}
            listed: list[Any] = [{**record, "pos": pos} for pos in ("3", "0")]
            return Answer(200, "0", data=listed, listed=True, envelope=True), ()

    names = [f"S{number}-USDT-SWAP" for number in range(MAX_POSITIONS_IDS + 1)]
    found = await read_positions(cast("Caller", Pages()), names)
    assert [(position.inst_id, str(position.pos)) for position in found] == [(names[-2], "3"), (names[-1], "3")]
    assert [names[-2] in path for path in asked] == [True, False]
    assert [names[-1] in path for path in asked] == [False, True]
