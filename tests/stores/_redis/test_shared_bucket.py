"""The script on a real server against the Python rule."""

from itertools import count

import pytest
from hypothesis import HealthCheck, example, given, settings

from okx_async.stores._redis.address import read_address
from okx_async.stores._redis.link import Link
from tests.stores.histories import CLOCK, SET_CLOCK, Step, World, histories
from tests.stores.servers import Server

NUMBERS = count()


@pytest.fixture(scope="module")
def link(redis_server: Server) -> Link:
    assert CLOCK not in SET_CLOCK
    return Link(read_address(redis_server.url), SET_CLOCK)


@given(history=histories)
@example([Step(1, "A", ((False, True),)), Step(8, "A", repeats=True)])  # a granted ask is repeated
@settings(deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_every_reply_is_that_of_the_rule(link: Link, history: list[Step]) -> None:
    World(link, f"{{{next(NUMBERS)}}}").play(history)


@pytest.mark.long
@pytest.mark.timeout(600)
@given(history=histories)
@settings(max_examples=5000, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_reply_is_that_of_the_rule_in_many_histories(link: Link, history: list[Step]) -> None:
    World(link, f"{{{next(NUMBERS)}}}").play(history)
