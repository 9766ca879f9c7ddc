import re
from pathlib import Path

from okx_async.simulator.api.endpoints import ROUTES


def test_only_what_changes_something_needs_the_trade_permission() -> None:
    assert {route.method for route in ROUTES.values() if not route.permission} == {"GET"}
    assert {route.permission for route in ROUTES.values() if route.method == "POST"} == {"trade"}


def test_the_reference_lists_every_endpoint_with_its_limit() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "simulator.md").read_text()
    rows = re.findall(r"^\| `(GET|POST) (/\S+)` \| (\d+) (?:orders )?in (\d) s \|", page, re.MULTILINE)
    assert sorted(rows) == sorted(
        (route.method, route.path, str(route.limit), f"{route.per:g}") for route in ROUTES.values()
    )
