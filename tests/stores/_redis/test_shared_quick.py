"""The quick way of the script: histories on which it must give way, and one on which it must not."""

import pytest

from okx_async.stores._redis.address import read_address
from okx_async.stores._redis.link import Link
from tests.stores.histories import SET_CLOCK, Step, World
from tests.stores.servers import Server

SLOW = "  if not usual then\n"
ONLY_QUICK = SET_CLOCK.replace(SLOW, "if not usual then return {'slow', now} end\nif false then\n")
ASK, PANIC, PAIR = ((False, True),), ((True, True),), ((False, True), (False, True))
FULL = Step(0, "A", (*PAIR, *ASK))  # all three tokens, but the one that is kept for PANIC with quota 1
WINDOW = 64 * 2 + 3  # 64ths of a second, rather more than a token needs to come back


@pytest.fixture(scope="module")
def link(redis_server: Server) -> Link:
    return Link(read_address(redis_server.url), SET_CLOCK)


@pytest.mark.parametrize(
    "history",
    [
        pytest.param([FULL, Step(1, "B", ASK)], id="too few tokens"),
        pytest.param(
            [FULL, Step(9, "A", leaves=True, notes=(("settle", 0, 1),)), Step(2, "B", ASK), Step(WINDOW - 3, "A", ASK)],
            id="others in line",
        ),
        pytest.param([Step(0, "A", PAIR, quota=1), Step(1, "B", ASK, quota=1)], id="a token kept for PANIC"),
        pytest.param([Step(0, "A", PAIR, quota=1), Step(1, "B", PANIC, quota=1)], id="PANIC takes it"),
        pytest.param([Step(0, "A", ASK), Step(1, "A", ASK, late=-1)], id="too late"),
        pytest.param([Step(0, "A", ASK), Step(1, "A", ASK, world="flushed")], id="a pause after a loss"),
        pytest.param([Step(0, "A", ASK), Step(1, "A", ASK, world="restarted")], id="a pause after a restart"),
        pytest.param([Step(0, "A", ASK), Step(1, "A", repeats=True)], id="a repeated ask"),
        pytest.param(
            [Step(0, "A", ASK), Step(9, "A", notes=(("settle", 0, 1),)), Step(1, "A", repeats=True)], id="twice"
        ),
        pytest.param([Step(0, "A", ASK), Step(1, "A", ASK, quota=2)], id="another limit"),
        pytest.param([Step(0, "A", ASK), Step(1, "A", ASK, quota=3)], id="another time"),
        pytest.param([Step(0, "A", ASK, quota=1), Step(1, "A", ASK)], id="another reserve"),
        pytest.param([Step(0, "A", ASK), Step(1, "A", ASK, adopts=1)], id="tokens that were forgotten"),
        pytest.param([Step(0, "A", notes=(("block", 0, 0),)), Step(1, "B", ASK)], id="a block"),
        pytest.param(
            [
                Step(0, "A", notes=(("refuse", 0, 0),)),
                Step(WINDOW, "A", notes=(("refuse", 0, 0),)),
                Step(70, "B", (*PAIR, *ASK)),
            ],
            id="less of the limit after refusals",
        ),
        pytest.param(
            [Step(0, "A", ASK), *(Step(30, "A", notes=((kind, 0, 0),)) for kind in ("refund", "settle")), FULL],
            id="a refund",
        ),
        pytest.param(
            [Step(0, "A", ASK), Step(30, "A", notes=(("doubt", 0, 5),)), Step(WINDOW, "A", (*PAIR, *ASK))], id="a doubt"
        ),
        pytest.param(
            [
                Step(0, "A", PAIR),
                *(Step(pause, "A", notes=(("settle", n, age),)) for n, (pause, age) in enumerate(((100, 1), (1, 90)))),
                Step(109, "B", FULL.asks),
            ],
            id="an older end is told later",
        ),
        pytest.param(
            [Step(0, "A", PAIR), Step(40, "A", notes=(("settle", 1, 1), ("settle", 0, 30))), Step(90, "B", PAIR)],
            id="both in one message",
        ),
        pytest.param(
            [Step(0, "A", ASK), Step(9, "A", notes=(("settle", 5, 0),)), Step(1, "A", ASK, back=100)], id="back"
        ),
        pytest.param([Step(0, "A", ASK), Step(0, "A", ASK, back=300), Step(WINDOW, "B", FULL.asks)], id="far back"),
        pytest.param([Step(0, "A", ASK), Step(330, "B", ASK)], id="a lease that is over"),
        pytest.param(
            [Step(0, "A", ASK), Step(1, "B", ASK), Step(1, "A", ASK), Step(9, "B", ASK)], id="several holders"
        ),
        pytest.param([FULL, Step(2, "A", leaves=True), Step(1, "B", leaves=True)], id="none that asks"),
    ],
)
def test_where_it_gives_way_every_reply_is_that_of_the_rule(
    link: Link, history: list[Step], request: pytest.FixtureRequest
) -> None:
    World(link, f"{{{request.node.name}}}").play(history)


def test_what_is_usual_takes_the_quick_way_alone(redis_server: Server) -> None:
    assert ONLY_QUICK.count("'slow'") == 1
    link = Link(read_address(redis_server.url), ONLY_QUICK)
    ends_and_asks = [Step(70, holder, ASK, leaves=True, notes=(("settle", 0, 1),)) for holder in "AABBAB"]
    two_and_their_ends = [
        Step(64 * 9, "A", PAIR, leaves=True),
        Step(8, "A", leaves=True, notes=(("settle", 1, 2), ("settle", 0, 1))),
        Step(WINDOW, "B", FULL.asks, leaves=True),
        Step(64 * 30, "B", FULL.asks, leaves=True),  # as if it had crashed
    ]
    World(link, "{usual}").play([Step(0, "A", ASK), *ends_and_asks, *two_and_their_ends])
