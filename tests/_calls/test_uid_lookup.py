import asyncio
import logging
from collections.abc import AsyncIterator, Callable

import pytest

from okx_async import AuthenticationError, NotSentError, OutcomeUnknownError
from okx_async._calls.identity import Identity
from okx_async._calls.uid_lookup import UidLookup
from tests._calls.questions import Config, known

pytestmark = pytest.mark.virtual

REFUSED = AuthenticationError("50113 on account/config: Invalid Sign", code="50113", status=401)


@pytest.fixture
async def discover() -> AsyncIterator[Callable[[Config], UidLookup]]:
    made: list[UidLookup] = []

    def make(config: Config, given: str | None = None) -> UidLookup:
        made.append(UidLookup(Identity("live", "a", given), config))
        return made[-1]

    yield make
    for discovery in made:
        await discovery.aclose()


async def test_many_ask_once(discover: Callable[..., UidLookup]) -> None:
    config = Config((0.3, "123"))
    discovery = discover(config)
    assert await asyncio.gather(*(known(discovery) for _ in range(100))) == [(0.3, "123")] * 100
    assert await known(discovery) == (0.3, "123")  # from now on without waiting
    assert config.asked == [0.0]


async def test_one_second_is_all_that_anybody_waits(discover: Callable[..., UidLookup]) -> None:
    discovery = discover(Config((3.0, "123")))
    assert await known(discovery) == (1.0, None)
    assert await known(discovery) == (1.0, None)  # nor does the next one wait again
    await asyncio.sleep(2.0)
    assert await known(discovery) == (3.0, "123")


@pytest.mark.parametrize("max_wait", [0.0, 0.4])
async def test_nor_longer_than_the_caller_allows(
    discover: Callable[..., UidLookup], max_wait: float, caplog: pytest.LogCaptureFixture
) -> None:
    discovery = discover(Config((3.0, "123")))
    with caplog.at_level("DEBUG", logger="okx_async"):
        assert await known(discovery, max_wait) == (max_wait, None)
    assert f"closes are counted by API key ({discovery._identity.fallback})" in caplog.text
    assert [record.levelname for record in caplog.records if "closes" in record.message] == [
        "WARNING" if max_wait else "DEBUG"
    ]


@pytest.mark.parametrize(
    "failure", [OutcomeUnknownError("page"), NotSentError("refused"), RuntimeError("another loop"), KeyError("uid")]
)
async def test_a_failure_lets_the_close_go_and_is_asked_again(
    discover: Callable[..., UidLookup], failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    config = Config(*[(0.1, failure)] * 7, (0.1, "123"))
    discovery = discover(config)
    assert await known(discovery) == (0.1, None)
    await asyncio.sleep(200)
    pauses = [round(later - earlier - 0.1, 6) for earlier, later in zip(config.asked, config.asked[1:], strict=False)]
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert discovery._identity.user_id == "123"
    assert caplog.text.count("asking again in") == 7


async def test_a_refused_key_is_told_to_each_caller_and_asked_anew_by_the_next(
    discover: Callable[..., UidLookup],
) -> None:
    config = Config((0.1, REFUSED), (0.1, "123"))
    discovery = discover(config)
    ends = await asyncio.gather(*(known(discovery) for _ in range(3)), return_exceptions=True)
    assert [str(end) for end in ends] == [str(REFUSED)] * 3
    assert len({*map(id, ends), id(REFUSED)}) == 4
    assert await known(discovery) == (0.2, "123")


async def test_a_caller_that_tries_again_at_once_disturbs_no_other(discover: Callable[..., UidLookup]) -> None:
    """The first to hear of the refusal asks anew before the second has heard: nobody goes on unanswered."""
    config = Config((0.1, REFUSED), (0.1, REFUSED), (0.1, "123"))
    discovery = discover(config)

    async def persistent() -> str:
        with pytest.raises(AuthenticationError):
            await discovery.known(None)
        with pytest.raises(AuthenticationError):
            await discovery.known(None)
        return "refused twice"

    ends = await asyncio.gather(*(persistent() for _ in range(3)))
    assert ends == ["refused twice"] * 3
    assert config.asked == [0.0, 0.1]


async def test_a_key_that_may_not_read_may_trade(discover: Callable[..., UidLookup]) -> None:
    config = Config((0.1, AuthenticationError("50120", code="50120")), (0.1, "123"))
    assert await known(discover(config)) == (0.1, None)


async def test_one_that_is_given_is_compared_behind_the_close(
    discover: Callable[..., UidLookup], caplog: pytest.LogCaptureFixture
) -> None:
    discovery = discover(Config((2.0, "123")), "123")
    assert await known(discovery) == (0.0, "123")
    await asyncio.sleep(5)
    assert [record for record in caplog.records if record.levelno > logging.DEBUG] == []


async def test_of_a_mismatch_is_told_and_the_exchange_is_believed(
    discover: Callable[..., UidLookup], caplog: pytest.LogCaptureFixture
) -> None:
    discovery = discover(Config((0.1, "123")), "987")
    assert await known(discovery) == (0.0, "987")
    await asyncio.sleep(5)
    (record,) = caplog.records
    assert (record.levelname, "'987'" in record.message, "'123'" in record.message) == ("ERROR", True, True)
    assert discovery._identity.user_id == "123"


async def test_one_that_is_given_is_taken_on_trust_in_the_end(discover: Callable[..., UidLookup]) -> None:
    config = Config(*[(0.0, NotSentError("refused"))] * 9)
    await known(discover(config, "123"))
    await asyncio.sleep(100)
    assert config.asked == [0.0, 1.0, 3.0, 7.0]


async def test_a_refused_key_with_a_user_id_given_stops_no_close(discover: Callable[..., UidLookup]) -> None:
    discovery = discover(Config((0.1, REFUSED)), "123")
    await asyncio.sleep(1)
    assert await known(discovery) == (1.0, "123")


async def test_the_check_of_one_that_is_given_can_be_awaited(discover: Callable[..., UidLookup]) -> None:
    config = Config((0.3, "123"), (0.2, REFUSED), (3.0, "123"))
    loop = asyncio.get_running_loop()
    await discover(config, "123").known(None, checked=True)
    assert loop.time() == 0.3
    with pytest.raises(AuthenticationError):
        await discover(config, "123").known(None, checked=True)
    assert loop.time() == 0.5
    await discover(config, "123").known(None, checked=True)
    assert loop.time() == 1.5  # no longer than for one that is not given


async def test_callers_cancelled_leave_the_question_alone(discover: Callable[..., UidLookup]) -> None:
    config = Config((0.5, "123"))
    discovery = discover(config)
    first = asyncio.ensure_future(discovery.known(None))
    await asyncio.sleep(0.1)
    first.cancel()
    assert await known(discovery) == (0.5, "123")
    assert config.asked == [0.0]


async def test_the_end_leaves_no_task(discover: Callable[..., UidLookup]) -> None:
    discovery = discover(Config((1000.0, "123")))
    await known(discovery)
    await discovery.aclose()
    await discovery.aclose()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("error", [NotSentError("closed"), AuthenticationError("50120", code="50120", status=401)])
async def test_the_end_needs_no_cancellation_that_arrives(error: Exception) -> None:
    class Deaf(Config):
        async def __call__(self) -> str:
            try:
                return await super().__call__()
            except asyncio.CancelledError:
                raise error from None

    config = Deaf((5.0, "123"), (5.0, "123"))
    discovery = UidLookup(Identity("live", "a", None), config)
    await discovery.known(0.1)
    await asyncio.wait_for(discovery.aclose(), 1.0)
    assert len(config.asked) == 1


async def test_its_end_ends_the_waits_for_it(discover: Callable[[Config], UidLookup]) -> None:
    discovery = discover(Config((30.0, "u")))
    waits = asyncio.ensure_future(discovery.known(None, checked=True))
    await asyncio.sleep(0.25)
    await discovery.aclose()
    await waits
    assert asyncio.get_running_loop().time() == pytest.approx(0.25)
