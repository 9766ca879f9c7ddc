"""The lookup of the user id beside other programs that share the limits."""

import asyncio

import pytest

from okx_async import InvalidRequestError, NotSentError
from okx_async._calls.identity import Identity
from okx_async._calls.published import Published
from okx_async._calls.uid_lookup import UidLookup
from tests._calls.questions import Config, known

pytestmark = pytest.mark.virtual


class Others:
    """What other programs were told, from a moment on."""

    linger, lease, goes_on_alone = 12.0, 8.0, True

    def __init__(self, user_id: str, at: float, *, fails: Exception | None = None) -> None:
        self.user_id, self.at, self.fails = user_id, at, fails
        self.delay = 0.0
        self.asked: list[float] = []
        self.told: list[str] = []

    def clocks(self) -> tuple[float, float]:
        now = asyncio.get_running_loop().time()
        return now, now

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


async def test_who_was_given_the_user_id_listens_to_the_others_and_tells_them() -> None:
    others = Others("123", 0.0)
    assert await beside(Config((0.3, "123")), others, given="123") == (0.0, "123")
    assert others.told == []  # they know
    silent = Others("123", 60.0)
    await beside(Config((0.3, "123")), silent, given="123")
    assert len(silent.told) == 1


@pytest.mark.parametrize("max_wait", [None, 0.0, 5.0])
async def test_who_was_given_the_user_id_waits_for_no_answer_but_the_first_of_the_store(max_wait: float | None) -> None:
    others = Others("123", 0.0)
    others.delay = 0.1
    identity = Identity("live", "a", "123")
    discovery = UidLookup(identity, Config((3.0, "123")), Published(others, identity))
    waiting = asyncio.ensure_future(known(discovery, max_wait))
    await asyncio.sleep(0.05)
    assert not discovery.over  # or others would go past what it waits for
    assert await waiting == (0.1, "123")
    assert discovery.over
    await discovery.aclose()


async def test_another_user_id_than_the_given_one_is_told_of_once_by_any_program(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert await beside(Config(*[(0.1, NotSentError("no network"))] * 9), Others("123", 0.2), "456") == (0.0, "456")
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == [
        "user_id='456' was given, but the exchange counts this key under '123', and so does this client from now on"
    ]
    caplog.clear()
    await beside(Config((0.1, "123")), Others("123", 0.0), "456")
    assert caplog.text.count("was given, but") == 1


@pytest.mark.parametrize("given", [None, "123"])
async def test_a_program_takes_slots_for_those_who_are_not_told_yet(given: str | None) -> None:
    identity = Identity("live", "a", given)
    discovery = UidLookup(identity, Config((0.3, "123")), Published(Others("123", 1e9), identity))
    await known(discovery)
    await asyncio.sleep(0.5)
    await discovery.aclose()
    key = identity.key("BTC-USDT-SWAP")
    assert len(identity.keys(key, asyncio.get_running_loop().time())) == 2


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
