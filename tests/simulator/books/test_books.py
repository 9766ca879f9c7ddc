import math
from decimal import Decimal

import pytest

from okx_async.simulator.books.books import Books
from okx_async.simulator.books.instruments import describe
from okx_async.simulator.books.positions import Holding, Position

MS = 1768519600000
DAY = 24 * 3600 * 1000
UID = "1"


def opened(
    books: Books, pos: str, ms: int = MS, inst_id: str = "BTC-USDT-SWAP", *, now: float = 0.0, **where: str
) -> Holding:
    instrument = describe(inst_id)
    assert instrument is not None
    place = {"mgn_mode": "cross", "pos_side": "net", "ccy": "USDT", **where}
    position = books.position_at(UID, instrument, now=now, ms=ms, **place)
    return books.move(position, Decimal(pos), now, ms, "hand")


def the_position(books: Books, inst_id: str = "BTC-USDT-SWAP") -> Position:
    position = books.find(UID, inst_id, "cross", "net")
    assert position is not None
    return position


def test_pos_id_names_the_address_and_c_time_the_holding_period() -> None:
    books = Books()
    first = opened(books, "3")
    more = opened(books, "5", MS + 10)
    flat = opened(books, "0", MS + 20)
    again = opened(books, "2", MS + 30)
    assert {h.pos_id for h in (first, more, flat, again)} == {first.pos_id}
    assert [h.c_time for h in (first, more, flat, again)] == [MS, MS, MS, MS + 30]
    assert [h.u_time for h in (first, more, flat, again)] == [MS, MS + 10, MS + 20, MS + 30]


def test_c_time_is_new_and_u_time_moves_within_one_millisecond() -> None:
    books = Books()
    first = opened(books, "3")
    opened(books, "0")
    again = opened(books, "3")
    assert again.c_time > first.c_time
    assert again.u_time > first.u_time


def test_a_flip_is_a_new_holding_period_at_the_same_address() -> None:
    books = Books()
    long, short = opened(books, "3"), opened(books, "-3", MS + 5)
    assert (short.pos_id, short.c_time) == (long.pos_id, MS + 5)


def test_positions_at_different_addresses_are_apart() -> None:
    books = Books()
    holdings = [
        opened(books, "1"),
        opened(books, "1", mgn_mode="isolated"),
        opened(books, "1", pos_side="long"),
        opened(books, "-1", pos_side="short"),
        opened(books, "1", inst_id="ETH-USDT-SWAP"),
        opened(books, "1", inst_id="BTC-USDT", ccy="USDT"),
        opened(books, "1", inst_id="BTC-USDT", ccy="BTC"),
    ]
    assert len({holding.pos_id for holding in holdings}) == len(books.holdings(0.0)) == len(holdings)


def test_a_pair_without_ccy_is_the_open_position() -> None:
    books = Books()
    opened(books, "0", inst_id="BTC-USDT", ccy="USDT")
    open_one = opened(books, "1", inst_id="BTC-USDT", ccy="BTC")
    assert the_position(books, "BTC-USDT").pos_id == open_one.pos_id
    assert books.find(UID, "BTC-USDT", "cross", "net", "USDC") is None


def test_a_pos_id_is_dropped_30_days_after_the_last_full_close() -> None:
    books = Books()
    old = opened(books, "3")
    opened(books, "0", MS + 1)
    assert books.shown(UID, 0.0, MS + 1 + 30 * DAY)
    assert opened(books, "3", MS + 1 + 30 * DAY).pos_id == old.pos_id
    opened(books, "0", MS + 2 + 30 * DAY)
    assert not books.shown(UID, 0.0, MS + 3 + 60 * DAY)
    assert opened(books, "3", MS + 3 + 60 * DAY).pos_id != old.pos_id


def test_a_close_fills_when_it_is_due_and_not_before() -> None:
    books = Books()
    opened(books, "-3", now=100.0)
    books.close(the_position(books), 100.0, MS, 0.5)
    assert [(h.pos, h.closing) for h in books.holdings(100.499)] == [(Decimal(-3), True)]
    assert books.holdings(100.5) == ()
    ((position, state),) = books.shown(UID, 200.0, MS + 100_000)
    assert (state.u_time, state.c_time, position.running) == (MS + 500, MS, 0)
    assert not state.pos


def test_a_close_without_delay_fills_at_once() -> None:
    books = Books()
    opened(books, "3")
    books.close(the_position(books), 0.0, MS, 0.0)
    assert books.holdings(0.0) == ()


@pytest.mark.parametrize(
    ("start", "meanwhile", "left"),
    [
        ("3", "5", "2"),  # another program added: the close takes what it was sent for
        ("3", "1", None),  # another program reduced: it never turns a position
        ("3", "0", None),
        ("3", "-2", "-2"),  # turned round: nothing left to reduce
        ("-3", "-5", "-2"),
    ],
)
def test_a_close_on_its_way_only_reduces(start: str, meanwhile: str, left: str | None) -> None:
    books = Books()
    opened(books, start)
    books.close(the_position(books), 0.0, MS, 1.0)
    opened(books, meanwhile, MS + 1, now=0.5)
    assert [holding.pos for holding in books.holdings(1.0)] == ([Decimal(left)] if left else [])


@pytest.mark.parametrize(("part", "left"), [("0", "-4"), ("0.25", "-3"), ("1", None)])
def test_a_close_may_fill_in_part(part: str, left: str | None) -> None:
    books = Books()
    opened(books, "-4")
    books.close(the_position(books), 0.0, MS, 1.0, part=Decimal(part))
    (holding,) = books.holdings(1.0) or (None,)
    assert (holding and (holding.pos, holding.closing, holding.c_time)) == (left and (Decimal(left), False, MS))


def test_fills_happen_in_the_order_they_are_due() -> None:
    books = Books()
    ids = ("BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP")
    for inst_id, delay in zip(ids, (0.3, 0.1, 0.2), strict=True):
        opened(books, "1", inst_id=inst_id)
        books.close(the_position(books, inst_id), 0.0, MS, delay)
    left = [{h.inst_id for h in books.holdings(at)} for at in (0.0, 0.1, 0.2, 0.3)]
    assert left == [set(ids), {ids[0], ids[2]}, {ids[0]}, set()]


@pytest.mark.parametrize(("pos", "inst_id", "left"), [("7", "BTC-USD-SWAP", 4), ("-1", "BTC-USDT-SWAP", "-0.51")])
def test_a_part_is_filled_in_whole_lots(pos: str, inst_id: str, left: int | str) -> None:
    books = Books()
    opened(books, pos, inst_id=inst_id)
    books.close(the_position(books, inst_id), 0.0, MS, 0.0, part=Decimal("0.499"))
    assert [holding.pos for holding in books.holdings(0.0)] == [Decimal(left)]


def test_a_close_that_never_ends() -> None:
    books = Books()
    opened(books, "3")
    books.close(the_position(books), 0.0, MS, math.inf)
    assert [(holding.pos, holding.closing) for holding in books.holdings(1e9)] == [(Decimal(3), True)]


def test_a_reading_lags_behind_what_is_so() -> None:
    lags = iter((0.5, 2.0, 0.1))
    books = Books(lambda: next(lags))

    def seen(*times: float) -> list[tuple[int, int]]:
        states = [books.shown(UID, now, MS)[0][1] for now in times]
        return [(int(state.pos), state.c_time - MS) for state in states]

    opened(books, "3")  # has no past: shown at once
    books.close(the_position(books), 1.0, MS, 0.0)
    assert seen(1.0, 1.49, 1.5) == [(3, 0), (3, 0), (0, 0)]
    opened(books, "5", MS + 1000, now=2.0)
    assert seen(2.0, 2.99) == [(0, 0), (0, 0)]
    opened(books, "7", MS + 2000, now=3.0)
    assert seen(3.0, 3.99, 4.0) == [(0, 0), (0, 0), (7, 1000)]  # never before what was so earlier
    assert the_position(books).pos == 7


def test_every_change_is_noted_with_its_cause() -> None:
    books = Books()
    opened(books, "3")
    books.close(the_position(books), 1.0, MS, 0.5, part=Decimal("0.5"))
    books.settle(2.0)
    assert [(trade.at, trade.before.pos, trade.after.pos, trade.cause, trade.asked) for trade in books.trades] == [
        (0.0, Decimal(0), Decimal(3), "hand", None),
        (1.5, Decimal(3), Decimal("1.5"), "close", 1.0),
    ]


def test_the_notes_may_be_bounded() -> None:
    books = Books(trades_cap=3)
    for pos in range(9):
        opened(books, str(pos))
    assert [trade.after.pos for trade in books.trades] == [6, 7, 8]


def test_what_waits_for_a_close_counts_those_of_its_user_and_instrument() -> None:
    books = Books()
    done: list[tuple[float, int]] = []
    books.watch(UID, "BTC-USDT-SWAP", 2, 0.5, lambda at, ms: done.append((at, ms)))
    for user_id, inst_id in ((UID, "BTC-USDT-SWAP"), (UID, "ETH-USDT-SWAP"), ("2", "BTC-USDT-SWAP")):
        books.count_close(user_id, inst_id, 1.0, MS)
    books.settle(5.0)
    assert done == []
    books.count_close(UID, "BTC-USDT-SWAP", 6.0, MS)
    books.count_close(UID, "BTC-USDT-SWAP", 6.1, MS)
    books.settle(6.49)
    assert done == []
    books.settle(9.0)
    assert done == [(6.5, MS + 500)]
