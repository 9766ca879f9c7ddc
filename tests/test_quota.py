from typing import Any

import pytest

from okx_async._errors import InvalidRequestError
from okx_async._quota import Quota
from tests.odd_values import NoRepr


def test_the_quota_of_the_endpoint() -> None:
    assert Quota() == Quota(limit=20, per=2.0, reserve=0)
    assert Quota(1, 1, 0).per == 1


def test_a_number_of_another_library_is_kept_as_pythons_own() -> None:
    class Float64(float):
        """As numpy's."""

    assert type(Quota(1, Float64(2.5)).per) is float
    assert type(Quota(1, 2).per) is int


@pytest.mark.parametrize("limit", [0, -1, 2.0, "20", True, None])
def test_a_wrong_limit_is_refused(limit: Any) -> None:
    with pytest.raises(InvalidRequestError, match=f"limit must be an integer of at least 1, got {limit!r}"):
        Quota(limit)


@pytest.mark.parametrize(
    "per", [0, -1.0, float("inf"), float("nan"), True, "2", None, pytest.param(10**400, id="too large for a float")]
)
def test_a_wrong_period_is_refused(per: Any) -> None:
    with pytest.raises(InvalidRequestError, match=f"per must be a positive number of seconds, got {per!r}"):
        Quota(20, per)


@pytest.mark.parametrize("reserve", [-1, 20, 21, 1.0, True, "1", None])
def test_a_wrong_reserve_is_refused(reserve: Any) -> None:
    with pytest.raises(InvalidRequestError, match=rf"from 0 to limit - 1 \(19\), got {reserve!r}"):
        Quota(20, 2.0, reserve)


@pytest.mark.parametrize("name", ["limit", "per", "reserve"])
def test_a_value_that_cannot_be_shown_is_refused_by_name(name: str) -> None:
    wrong: dict[str, Any] = {name: NoRepr()}
    with pytest.raises(InvalidRequestError, match=f"^{name} must be .*, got <NoRepr>"):
        Quota(**wrong)
