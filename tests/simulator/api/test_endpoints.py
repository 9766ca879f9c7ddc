from __future__ import annotations

import re
from pathlib import Path

import pytest

from okx_async.simulator.api.endpoints import ROUTES
from tests.simulator.conftest import Desk


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        ("account/positions", 10),
        ("account/config", 5),
        ("public/time", 10),
        ("public/instruments?instType=SWAP", 20),
        ("trade/orders-pending", 60),
        ("trade/orders-algo-pending?ordType=oco", 20),
    ],
)
def test_each_endpoint_has_a_limit_of_its_own(desk: Desk, path: str, limit: int) -> None:
    codes = [desk.get(path).code for _ in range(limit + 1)]
    assert codes == ["0"] * limit + ["50011"]
    assert desk.close().code == "51023"  # counted by itself


def test_only_what_changes_something_needs_the_trade_permission() -> None:
    assert {route.method for route in ROUTES.values() if not route.permission} == {"GET"}
    assert {route.permission for route in ROUTES.values() if route.method == "POST"} == {"trade"}


def test_the_reference_lists_every_endpoint_with_its_limit() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "simulator.md").read_text()
    rows = re.findall(r"^\| `(GET|POST) (/\S+)` \| (\d+) (?:orders )?in (\d) s \|", page, re.MULTILINE)
    assert sorted(rows) == sorted(
        (route.method, route.path, str(route.limit), f"{route.per:g}") for route in ROUTES.values()
    )
