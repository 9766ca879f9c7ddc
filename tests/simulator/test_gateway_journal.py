"""The journal of requests, and listeners."""

from collections.abc import Callable

import orjson

from tests.simulator.conftest import Desk

GOOD = b'{"instId":"BTC-USDT-SWAP","mgnMode":"cross"}'


def test_the_journal_may_be_bounded(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(journal_cap=3)
    for _ in range(5):
        desk.close()
    assert len(desk.exchange.journal) == 3


def test_the_journal_knows_a_close_by_its_own_name(desk: Desk) -> None:
    desk.exchange.open_position("BTC-USDT-SWAP", 1)
    desk.close(clOrdId="mine1")
    desk.close(clOrdId=7)
    desk.close()
    assert [(row.cl_ord_id, row.executed) for row in desk.exchange.journal] == [
        ("mine1", True),
        ("", False),
        ("", False),
    ]


def test_a_listener_is_given_each_request_and_answer_byte_for_byte(desk: Desk) -> None:
    heard: list[tuple[bytes, bytes, str]] = []
    desk.exchange.listen(lambda request, answer, row: heard.append((request.body, answer.body, row.code)))
    reply = desk.post(GOOD)
    assert [(body, code) for body, _, code in heard] == [(GOOD, "51023")]
    assert orjson.loads(heard[0][1]) == reply.body
