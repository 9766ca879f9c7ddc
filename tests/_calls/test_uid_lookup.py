import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable

import pytest

from okx_async import AuthenticationError, InvalidRequestError, NotSentError, OutcomeUnknownError
from okx_async._calls.identity import Identity
from okx_async._calls.published import Published
from okx_async._calls.uid_lookup import UidLookup

pytestmark = pytest.mark.virtual

REFUSED = AuthenticationError("50113 on account/config: Invalid Sign", code="50113", status=401)


class Config:
    """Answers the question for the user id, each time with the next of `answers` after its delay."""

    def __init__(self, *answers: tuple[float, str | Exception]) -> None:
        self.answers = deque(answers)
        self.asked: list[float] = []

    async def __call__(self) -> str:
        loop = asyncio.get_running_loop()
        self.asked.append(loop.time())
        delay, answer = self.answers.popleft()
        await asyncio.sleep(delay)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
async def discover() -> AsyncIterator[Callable[[Config], UidLookup]]:
    made: list[UidLookup] = []

    def make(config: Config, given: str | None = None) -> UidLookup:
        made.append(UidLookup(Identity("live", "a", given), config))
        return made[-1]

    yield make
    for discovery in made:
        await discovery.aclose()


async def known(discovery: UidLookup, max_wait: float | None = None) -> tuple[float, str | None]:
    await discovery.known(max_wait)
    return asyncio.get_running_loop().time(), discovery._identity.user_id


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


class Others:
    """What other programs were told, from a moment on."""

    linger, lease, goes_on_alone = 12.0, 8.0, True

    def __init__(self, user_id: str, at: float, *, fails: Exception | None = None) -> None:
        self.user_id, self.at, self.fails = user_id, at, fails
        self.delay = 0.0
        self.asked: list[float] = []
        self.told: list[str] = []

    async def recall(self, _: str) -> str | None:
        now = asyncio.get_running_loop().time()
        self.asked.append(now)
        await asyncio.sleep(self.delay)
        if self.fails is not None:
            raise self.fails
        return self.told[-1] if self.told else f'["{self.user_id}", ""]' if now >= self.at else None

    def remember(self, _: str, value: str) -> None:
        self.told.append(value)


async def beside(config: Config, others: Others, given: str | None = None) -> tuple[float, str | None]:
    """Return when the user id was known beside other programs, and which one; after ten more seconds it is over."""
    identity = Identity("live", "a", given)
    discovery = UidLookup(identity, config, Published(others, identity))
    try:
        return await known(discovery)
    finally:
        await asyncio.sleep(10.0)
        await discovery.aclose()
        listened = discovery._listening
        assert listened is None or listened.cancelled() or listened.exception() is None  # none that no one retrieves
        assert [task for task in asyncio.all_tasks() if "user id" in task.get_name()] == []


async def test_what_another_program_was_told_ends_the_wait_and_the_own_question_goes_on() -> None:
    others, config = Others("123", 0.0), Config((3.0, "123"))
    assert await beside(config, others) == (0.0, "123")
    assert (others.asked, config.asked, others.told) == ([0.0, 3.0], [0.0], [])


async def test_another_program_that_is_told_meanwhile_is_heard() -> None:
    others = Others("123", 0.2)
    at, user_id = await beside(Config((3.0, "123")), others)
    assert (round(at, 6), user_id) == (0.35, "123")
    assert others.asked == pytest.approx([0.0, 0.05, 0.15, 0.35, 3.0])


async def test_what_it_is_told_itself_is_told_the_others() -> None:
    others = Others("123", 60.0)
    assert await beside(Config((0.3, "456")), others) == (0.3, "456")
    assert [value.split(",")[0] for value in others.told] == ['["456"']
    assert others.asked == pytest.approx([0.0, 0.05, 0.15, 0.3, 0.35])  # and then not without requests


@pytest.mark.parametrize("fails", [InvalidRequestError("other terms"), KeyError("a bug")])
async def test_a_store_that_must_not_be_asked_is_not_asked_again(fails: Exception) -> None:
    others = Others("123", 0.0, fails=fails)
    assert await beside(Config((0.3, "456")), others) == (0.3, "456")
    assert others.asked == [0.0]


async def test_a_store_that_is_away_is_asked_again_until_it_is_back() -> None:
    others = Others("123", 0.0, fails=NotSentError("away"))
    asyncio.get_running_loop().call_later(0.5, setattr, others, "fails", None)
    at, user_id = await beside(Config((3.0, "123")), others)
    assert (round(at, 6), user_id) == (0.75, "123")


async def test_who_was_given_the_user_id_asks_no_other_program_and_tells_them() -> None:
    others = Others("123", 0.0)
    assert await beside(Config((0.3, "123")), others, given="123") == (0.0, "123")
    assert (others.asked, others.told) == ([0.3], [])  # they know
    silent = Others("123", 60.0)
    assert await beside(Config((0.3, "123")), silent, given="123") == (10.0, "123")
    assert len(silent.told) == 1


@pytest.mark.parametrize("given", [None, "123"])
async def test_who_was_not_given_the_user_id_takes_slots_for_those_who_are_not_told_yet(given: str | None) -> None:
    identity = Identity("live", "a", given)
    discovery = UidLookup(identity, Config((0.3, "123")), Published(Others("123", 1e9), identity))
    await known(discovery)
    await asyncio.sleep(0.5)
    await discovery.aclose()
    key = identity.key("BTC-USDT-SWAP")
    assert len(identity.keys(key, asyncio.get_running_loop().time())) == (2 if given is None else 1)


async def test_without_an_answer_others_are_asked_more_and_more_seldom() -> None:
    others = Others("123", 1e9)
    assert await beside(Config(*[(0.1, NotSentError("no network"))] * 9), others) == (0.1, None)
    assert others.asked == pytest.approx([0.0, 0.05, 0.15, 0.35, 0.75, *(1.55 + each for each in range(9))])


async def test_closed_while_it_listens_it_leaves_no_task() -> None:
    identity = Identity("live", "a", None)
    discovery = UidLookup(identity, Config((60.0, "123")), Published(Others("123", 1e9), identity))
    waiting = asyncio.ensure_future(discovery.known(None))
    await asyncio.sleep(0.1)
    await discovery.aclose()
    await waiting
    assert [task for task in asyncio.all_tasks() if "user id" in task.get_name()] == []


async def test_the_question_and_a_request_without_time_wait_for_the_first_answer_of_the_store() -> None:
    """Else they would go out by a name under which they must not be sent."""
    others, config = Others("123", 0.0), Config((3.0, "123"))
    others.delay = 0.1
    identity = Identity("live", "a", None)
    discovery = UidLookup(identity, config, Published(others, identity))
    assert await known(discovery, 0.0) == (0.1, "123")
    await asyncio.sleep(0.1)
    assert config.asked == [0.1]
    await discovery.aclose()
