import asyncio
from decimal import Decimal
from typing import Any, cast

import pytest

from okx_async import OutcomeUnknownError, Priority, RejectedError, UnavailableError
from okx_async._calls.caller import Caller
from okx_async._flatten.open_orders import MOST_NAMED, open_orders, read_lists
from okx_async._rest.records import orders
from okx_async._rest.requests import ORDER_LISTS, ApiRequest
from okx_async._rest.requests import ORDERS_PAGE as PAGE
from okx_async._rest.responses import Answer

pytestmark = pytest.mark.virtual


def listing(*records: dict[str, Any]) -> Answer:
    return Answer(200, "0", data=list(records), listed=True, envelope=True)


class Lists:
    """In place of the client's calls: so many orders in each list, a page a call; each takes 0.1 s."""

    def __init__(self, ordinary: int = 0, algo: int = 0, failure: Exception | None = None) -> None:
        self.ordinary, self.algo, self.failure = ordinary, algo, failure
        self.asked: list[str] = []

    async def call(self, job: ApiRequest, _priority: Priority, _max_wait: float | None) -> tuple[Answer, tuple[()]]:
        self.asked.append(job.path)
        await asyncio.sleep(0.1)
        if self.failure is not None and "algo" in job.path:
            raise self.failure
        field, total = ("algoId", self.algo) if "algo" in job.path else ("ordId", self.ordinary)
        after = int(job.path.partition("after=")[2] or total + 1)
        ids = [number for number in range(total, 0, -1) if number < after][:PAGE]
        return listing(*({"instId": "BTC-USDT-SWAP", field: str(number)} for number in ids)), ()


async def read(lists: Lists, inst_ids: list[str] | None = None, by: float = 10.0) -> tuple[Any, ...] | None:
    by += asyncio.get_running_loop().time()
    listed = await open_orders(cast("Caller", lists), inst_ids, Priority.PANIC, by)
    return None if listed.unread else tuple(listed.orders)


async def test_each_list_is_read_to_its_end() -> None:
    lists = Lists(ordinary=PAGE + 30, algo=2)
    found = await read(lists)
    assert found is not None
    assert len(found) == PAGE + 30 + 7 * 2
    assert len({(order.ord_id, order.algo_id, number) for number, order in enumerate(found)}) == len(found)
    assert lists.asked[0] == "/api/v5/trade/orders-pending"
    assert f"/api/v5/trade/orders-pending?after={31}" in lists.asked
    assert "/api/v5/trade/orders-algo-pending?ordType=conditional,oco" in lists.asked


async def test_few_instruments_are_asked_for_by_name_and_many_not() -> None:
    lists = Lists()
    assert await read(lists, ["BTC-USDT-SWAP", "ETH-USDT-SWAP"]) == ()
    assert len(lists.asked) == 16
    assert "/api/v5/trade/orders-algo-pending?ordType=trigger&instId=ETH-USDT-SWAP" in lists.asked
    lists = Lists()
    await read(lists, [f"S{number}-USDT-SWAP" for number in range(MOST_NAMED + 1)])
    assert len(lists.asked) == 8


@pytest.mark.parametrize("lists", [Lists(failure=UnavailableError("no")), Lists(ordinary=100_000)])
async def test_a_list_that_cannot_be_read_in_full_is_not_returned_in_part(lists: Lists) -> None:
    assert await read(lists) is None


async def test_lists_that_cannot_be_read_are_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert await read(Lists(failure=UnavailableError("no"))) is None
    [text] = [record.message for record in caplog.records if record.levelname == "WARNING"]
    label = "trade/orders-algo-pending (ordType=conditional,oco)"
    assert text == f"pending orders: {label} could not be read: no (6 more lists were not read)"


async def test_a_record_that_cannot_be_read_loses_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    odd: list[Any] = [None, {"instId": "BTC-USDT-SWAP"}, {"instId": "ETH-USDT-SWAP", "ordId": [5]}, {"ordId": "x!"}]
    lists = Lists(ordinary=PAGE + 30)
    call = lists.call

    async def with_odd_ones(job: ApiRequest, *args: Any) -> tuple[Answer, tuple[()]]:
        answer, attempts = await call(job, *args)
        if "orders-pending" in job.path:
            answer.data += [one for one in odd if one is not None]
            answer.others, answer.listed = [None], False
        return answer, attempts

    monkeypatch.setattr(lists, "call", with_odd_ones)
    found = await read(lists)
    assert found is not None
    assert len(found) == PAGE + 30 + len(odd)
    assert [order.raw for order in found if not (order.inst_id and order.ord_id)] == [*odd[1:], {"record": None}]


async def test_a_page_of_records_that_cannot_be_read_is_not_read_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    lists = Lists()

    async def odd_ones(_job: ApiRequest, *_: Any) -> tuple[Answer, tuple[()]]:
        return listing(*({"instId": str(number)} for number in range(PAGE))), ()

    monkeypatch.setattr(lists, "call", odd_ones)
    assert await read(lists) is None


async def test_lists_that_take_too_long_are_not_returned_in_part() -> None:
    assert await read(Lists(ordinary=1000), by=0.5) is None


@pytest.mark.parametrize(
    ("lists", "by", "known"), [(Lists(ordinary=1000), 0.45, 4 * PAGE), (Lists(ordinary=100_000), 99.0, 50 * PAGE)]
)
async def test_of_a_list_that_is_not_read_to_its_end_the_first_pages_are_known(
    lists: Lists, by: float, known: int
) -> None:
    by += asyncio.get_running_loop().time()
    listed = await read_lists(cast("Caller", lists), ORDER_LISTS[:1], None, Priority.PANIC, by)
    assert len(listed.orders) == known
    assert len(listed.unread) == 1


async def test_a_name_that_is_refused_has_the_orders_of_all_read(monkeypatch: pytest.MonkeyPatch) -> None:
    lists = Lists(ordinary=3)
    call = lists.call

    async def refused_by_name(job: ApiRequest, *args: Any) -> tuple[Answer, tuple[()]]:
        if "instId" in job.path:
            raise RejectedError("no such instrument", code="51001")
        return await call(job, *args)

    monkeypatch.setattr(lists, "call", refused_by_name)
    found = await read(lists, ["BTC-USD-260101"])
    assert found is not None
    assert len(found) == 3


@pytest.mark.parametrize("number", [5, 590908157585625111, 1 << 62])
def test_an_id_that_is_a_number_names_the_order_too(number: int) -> None:
    [ordinary, algo] = orders(listing({"instId": "X", "ordId": number}, {"instId": "X", "algoId": number}))
    assert (ordinary.ord_id, algo.algo_id) == (str(number), str(number))


@pytest.mark.parametrize("value", [0, -1, True, 5.5, None])
def test_what_is_no_id_names_no_order(value: object) -> None:
    [order] = orders(listing({"instId": "X", "ordId": value, "algoId": value}))
    assert (order.ord_id, order.algo_id) == ("", "")


def test_an_order_as_it_is_listed() -> None:
    record = {"instId": "BTC-USDT-SWAP", "ordId": "1", "clOrdId": "mine", "ordType": "limit", "side": "sell"}
    record |= {"posSide": "long", "sz": "1.5", "reduceOnly": "true", "state": "live"}
    [order] = orders(listing(record))
    assert (order.ord_id, order.algo_id, order.cl_ord_id, order.sz) == ("1", "", "mine", Decimal("1.5"))
    assert (order.ord_type, order.side, order.pos_side, order.state) == ("limit", "sell", "long", "live")
    assert order.reduce_only


def test_an_algo_order_as_it_is_listed() -> None:
    record = {"instId": "BTC-USDT-SWAP", "algoId": "2", "ordId": "", "algoClOrdId": "", "ordType": "oco", "sz": ""}
    [order] = orders(listing(record))
    assert (order.ord_id, order.algo_id, order.cl_ord_id, order.sz) == ("", "2", "", None)
    assert (order.reduce_only, order.pos_side) == (False, "net")


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, "0", data=[], listed=False, envelope=True),
        Answer(200, "50026", data=[], listed=True, envelope=True),
    ],
)
def test_an_answer_that_cannot_be_understood_is_no_empty_list(answer: Answer) -> None:
    with pytest.raises(OutcomeUnknownError):
        orders(answer)


@pytest.mark.parametrize(("field", "fits"), [("x" * 1000, 700), ([{}] * 200, 60)])
async def test_orders_that_take_too_much_memory_are_not_returned(
    monkeypatch: pytest.MonkeyPatch, field: object, fits: int
) -> None:
    async def call(self: Lists, job: ApiRequest, *_: Any) -> tuple[Answer, tuple[()]]:
        count = self.ordinary if "orders-pending" in job.path else 0
        records = [{"instId": "BTC-USDT-SWAP", "ordId": str(n), "x": field} for n in range(count)]
        return listing(*records), ()

    monkeypatch.setattr(Lists, "call", call)
    monkeypatch.setattr("okx_async._flatten.open_orders.MOST_KEPT", 1_000_000)
    monkeypatch.setattr("okx_async._flatten.open_orders.ORDERS_PAGE", 10_000)
    found = await read(Lists(ordinary=fits))
    assert found is not None
    assert len(found) == fits
    assert await read(Lists(ordinary=2 * fits)) is None
