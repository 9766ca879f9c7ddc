"""What the gateway counts under which key, against which limit, and what it refuses then."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.simulator.conftest import CLOSE, Desk

TRADE = "/api/v5/trade/"
GOOD = b'{"instId":"BTC-USDT-SWAP","mgnMode":"cross"}'


@pytest.mark.parametrize(
    ("request_of", "limit", "key"),
    [
        (("POST", CLOSE, GOOD), 20, ("uid", "BTC-USDT-SWAP")),
        (("POST", CLOSE, b'{"instId":"BTC-USD-260327-60000-C","mgnMode":"cross"}'), 20, ("uid", "BTC-USD")),
        (("GET", "/api/v5/account/positions", b""), 10, ("uid", "account/positions")),
        (("GET", "/api/v5/account/config", b""), 5, ("uid", "account/config")),
        (("GET", "/api/v5/trade/orders-pending", b""), 60, ("uid", "trade/orders-pending")),
        (("GET", "/api/v5/trade/orders-algo-pending?ordType=oco", b""), 20, ("uid", "trade/orders-algo-pending")),
        (("POST", f"{TRADE}cancel-batch-orders", b'[{"instId":"X-SWAP"}]'), 60, ("uid", "trade/cancel-order/X-SWAP")),
        (("POST", f"{TRADE}batch-orders", b'[{"instId":"X-SWAP"}]'), 60, ("uid", "trade/order/X-SWAP")),
        (("GET", "/api/v5/public/time", b""), 10, ("192.0.2.1", "public/time")),
        (("GET", "/api/v5/public/instruments?instType=SWAP", b""), 20, ("192.0.2.1", "public/instruments/SWAP")),
        (("GET", "/api/v5/public/instruments?instType=%00", b""), 20, ("192.0.2.1", "public/instruments/")),
    ],
)
@pytest.mark.parametrize("window", ["sliding", "fixed"])
def test_limits(
    open_desk: Callable[..., Desk], window: str, request_of: tuple[str, str, bytes], limit: int, key: tuple[str, str]
) -> None:
    desk = open_desk(window=window)
    method, raw_path, body = request_of

    def ask() -> Any:
        if method == "POST":
            return desk.post(body, raw_path).code
        return desk.get(raw_path.removeprefix("/api/v5/")).code

    codes = [ask() for _ in range(limit + 2)]
    assert codes[limit:] == ["50011", "50011"]
    assert "50011" not in codes[:limit]
    expected = (desk.exchange.user_id if key[0] == "uid" else key[0], key[1])
    assert {row.key for row in desk.exchange.journal} == {expected}
    assert desk.exchange.worst_window(expected) == limit + 2
    assert len(desk.exchange.rejections) == 2
    assert desk.close("ETH-USDT-SWAP").code == "51023"  # counted by itself
    desk.advance(2.0)
    assert ask() != "50011"


def test_refusals_for_rate_come_in_two_forms_by_turns(desk: Desk) -> None:
    replies = [desk.close() for _ in range(24)][20:]
    bare = (429, {"msg": "Too Many Requests", "code": "50011"})
    full = (200, {"code": "50011", "data": [], "msg": "Too Many Requests"})
    assert [(reply.status, reply.body) for reply in replies] == [bare, full, bare, full]


def test_options_of_a_family_share_a_key_and_accounts_do_not(desk: Desk) -> None:
    ids = [f"BTC-USD-260327-{strike}-C" for strike in range(50001, 50022)]
    assert [desk.close(inst_id).code for inst_id in ids] == 20 * ["51001"] + ["50011"]
    desk.credentials = desk.exchange.add_key()
    assert desk.close(ids[0]).code == "50011"
    assert desk.close("ETH-USD-260327-2400-C").code != "50011"
    desk.credentials = desk.exchange.add_account().credentials
    assert desk.close(ids[0]).code == "51001"


def test_refused_requests_need_not_count(open_desk: Callable[..., Desk]) -> None:
    for count_rejected, code in ((True, "50011"), (False, "51023")):
        desk = open_desk(count_rejected=count_rejected)
        for _ in range(20):
            desk.close()
        desk.advance(1.5)
        for _ in range(20):
            desk.close()
        desk.advance(1.0)
        assert desk.close().code == code
        assert desk.exchange.worst_window() == 40


@pytest.mark.share(2)
@pytest.mark.parametrize("window", ["sliding", "fixed"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(gaps=st.lists(st.integers(0, 400), min_size=30, max_size=90))
def test_the_journal_recounted(open_desk: Callable[..., Desk], window: str, gaps: list[int]) -> None:
    desk = open_desk(window=window, count_rejected=False)
    for gap in gaps:
        desk.advance(gap / 1000)
        desk.close()
    start = desk.wall - desk.now
    taken = [row.at for row in desk.exchange.journal if row.code != "50011"]
    if window == "sliding":
        most = max(sum(0 <= at - first < 2 for at in taken) for first in taken)
    else:
        buckets = [int((start + at) * 1000) // 2000 for at in taken]
        most = max(buckets.count(bucket) for bucket in buckets)
    assert most <= 20
    assert len(taken) + len(desk.exchange.rejections) == len(gaps)
