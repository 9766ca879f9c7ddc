from dataclasses import replace

import pytest

from okx_async.torture import Plan


@pytest.mark.parametrize(("stall", "spare"), [(20.0, 0.98), (0.1, 0.68)])
def test_a_proxy_may_hold_a_request_for_what_the_grace_leaves(calm: Plan, stall: float, spare: float) -> None:
    assert replace(calm, stall=stall).spare == pytest.approx(spare)
