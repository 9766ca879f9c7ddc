"""What the programs of one store tell each other of an API key, and by which names they count meanwhile."""

import asyncio
import logging
from typing import Self

import orjson
import pytest

from okx_async import Limiter, NotSentError
from okx_async._calls.identity import Identity
from okx_async._calls.published import ANSWERS, FIRST, HEARS, Published, published

pytestmark = pytest.mark.virtual

SWAP = "BTC-USDT-SWAP"
LEASE, LINGER = 8.0, 12.0
UNHEARD = HEARS + LEASE + LINGER
"""Seconds after which no request of a program that had not heard can count."""


class Store:
    """What programs share: what was told, by name; it may be away, silent, or lose what it is told."""

    linger, lease, goes_on_alone = LINGER, LEASE, False

    def __init__(self) -> None:
        self.told: dict[str, str] = {}
        self.tellings = self.questions = 0
        self.away = self.loses = False
        self.slept = self.unnoticed = 0.0
        self.delay = 0.0

    def clocks(self) -> tuple[float, float]:
        now = asyncio.get_running_loop().time() + self.slept
        return now, now + self.unnoticed

    async def recall(self, name: str) -> str | None:
        self.questions += 1
        await asyncio.sleep(self.delay)
        if self.away:
            raise NotSentError("the limits cannot be kept")
        return self.told.get(name)

    def remember(self, name: str, value: str) -> None:
        self.tellings += 1
        if not (self.away or self.loses):
            self.told[name] = value


class Program:
    """A program of one API key, while it listens."""

    def __init__(
        self, store: Store, *, api_key: str = "a", environment: str = "live", given: str | None = None
    ) -> None:
        self.identity = Identity(environment, api_key, given)
        self.published = Published(store, self.identity)
        self.learnt = 0

    def _note(self) -> None:
        self.learnt += 1

    async def __aenter__(self) -> Self:
        self.published.begin()
        self._task = asyncio.create_task(self.published.listen(self._note))
        await asyncio.sleep(0.01)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})

    def told(self, user_id: str) -> None:
        self.identity.learn(user_id)
        self.published.tell(user_id)

    async def knows_that_all_know(self, user_id: str) -> None:
        """Be told it, and wait until its requests count by it alone."""
        self.told(user_id)
        await asyncio.sleep(UNHEARD + 1.0)
        self.names()  # after a time without requests the store is asked again
        await asyncio.sleep(0.01)
        assert self.names() == [user_id]

    def names(self) -> list[str]:
        """Return the names of which a request takes a slot, and has them checked."""
        now = asyncio.get_running_loop().time()
        names = self.identity.begin(self.identity.key(SWAP), now)
        try:
            names.check()
        finally:
            names.end(now)
        return ["key" if name == self.identity.fallback else name for _, name, _ in names.keys]


async def test_what_one_was_told_the_others_hear() -> None:
    store = Store()
    async with Program(store) as first, Program(store) as second:
        assert not second.identity.confirmed
        first.told("123")
        await asyncio.sleep(1.0)
        assert (second.identity.confirmed, second.identity.user_id, second.learnt) == (True, "123", 1)
    assert store.tellings == 1


async def test_those_who_count_by_the_api_key_meanwhile_are_counted_by_all() -> None:
    store = Store()
    async with Program(store) as first:
        assert first.names() == ["key"]
        first.told("123")
        await asyncio.sleep(0.2)
        assert first.names() == ["123", "key"]
        async with Program(store) as second:
            assert second.names() == ["123", "key"]
            await asyncio.sleep(UNHEARD - 0.5)
            assert first.names() == ["123", "key"]
            await asyncio.sleep(0.5)
            first.names(), second.names()  # after a time without requests the store is asked again
            await asyncio.sleep(0.01)
            assert (first.names(), second.names()) == (["123"], ["123"])
    assert store.tellings == 1


async def test_without_requests_the_store_is_not_asked() -> None:
    store = Store()
    async with Program(store) as one:
        one.told("123")
        await asyncio.sleep(UNHEARD + 100.0)
        asked = store.questions
        assert asked < 5
        assert one.names() == ["123", "key"]
        await asyncio.sleep(0.01)
        for _ in range(100):
            assert one.names() == ["123"]
            await asyncio.sleep(0.2)
        assert store.questions - asked == 20.0 // (LEASE / 2)


async def test_what_was_not_taken_by_the_store_is_told_again_and_counts_for_nothing_until_then() -> None:
    store = Store()
    store.loses = True
    async with Program(store) as one:
        one.told("123")
        await asyncio.sleep(UNHEARD + 1.0)
        assert one.names() == ["123", "key"]
        store.loses = False
        await asyncio.sleep(2.0)
        assert store.told
        await asyncio.sleep(UNHEARD)
        one.names()
        await asyncio.sleep(0.01)
        assert one.names() == ["123"]


async def test_what_the_store_has_lost_is_told_again_and_the_others_are_counted_anew() -> None:
    store = Store()
    async with Program(store) as one:
        await one.knows_that_all_know("123")
        before = dict(store.told)
        store.told.clear()
        for _ in range(int(LEASE / 0.5) + 1):
            await asyncio.sleep(0.5)
            one.names()
        assert (one.names(), len(store.told)) == (["123", "key"], 1)
        assert store.told != before  # else one that has not looked meanwhile would take it for the same


async def test_while_what_was_lost_cannot_be_told_again_the_others_are_counted() -> None:
    store = Store()
    async with Program(store) as one:
        await one.knows_that_all_know("123")
        store.told.clear()
        store.loses = True
        await asyncio.sleep(LEASE / 2)
        one.names()
        await asyncio.sleep(0.01)
        assert one.names() == ["123", "key"]


async def test_a_record_that_was_written_anew_tells_of_a_loss_in_between() -> None:
    store = Store()
    async with Program(store) as one:
        await one.knows_that_all_know("123")
        store.told = dict.fromkeys(store.told, '["123", "another"]')
        await asyncio.sleep(LEASE / 2)
        one.names()
        await asyncio.sleep(0.01)
        assert one.names() == ["123", "key"]


async def test_nothing_counts_by_the_api_key_alone_unless_the_store_has_just_said_that_it_may() -> None:
    store = Store()
    store.away = True
    async with Program(store) as one:
        with pytest.raises(NotSentError, match="not known; nothing was sent"):
            one.names()
        store.away = False
        await asyncio.sleep(HEARS)
        assert one.names() == ["key"]
        store.away = True
        await asyncio.sleep(HEARS / 2 - 0.1)
        assert one.names() == ["key"]
        await asyncio.sleep(HEARS)
        with pytest.raises(NotSentError):
            one.names()


@pytest.mark.parametrize("clock", ["slept", "unnoticed"])
async def test_after_a_sleep_of_the_host_what_the_store_said_before_holds_no_more(clock: str) -> None:
    store = Store()
    async with Program(store) as one:
        assert one.names() == ["key"]
        setattr(store, clock, HEARS + 0.1)
        with pytest.raises(NotSentError, match="not known; nothing was sent"):
            one.names()
        await one.knows_that_all_know("123")
        setattr(store, clock, HEARS + 0.1 + LEASE)
        assert one.names() == ["123", "key"]
        await asyncio.sleep(0.01)
        assert one.names() == ["123"]


@pytest.mark.parametrize("silent", [True, False])
async def test_where_an_exit_goes_on_without_the_store_it_waits_for_no_answer(*, silent: bool) -> None:
    store = Store()
    store.goes_on_alone, store.away, store.delay = True, not silent, 60.0 * silent
    async with Program(store) as one:
        await asyncio.sleep(ANSWERS)
        assert one.names() == ["key"]


async def test_what_waited_under_the_api_key_alone_asks_anew_once_the_user_id_is_known() -> None:
    store = Store()
    async with Program(store) as one:
        waiting = one.identity.begin(one.identity.key(SWAP), 0.0)
        waiting.check()
        one.told("123")
        with pytest.raises(NotSentError, match="became known while it waited"):
            waiting.check()
        waiting.end(0.0)


async def test_a_request_without_time_waits_for_the_first_answer_as_long_as_for_a_slot() -> None:
    store, loop = Store(), asyncio.get_running_loop()
    for delay in (0.1, 60.0):
        store.delay = delay
        begun = loop.time()
        one = Program(store)
        await one.published.asked()
        assert loop.time() == begun
        async with one:
            await one.published.asked()
        assert loop.time() - begun == pytest.approx(min(delay, FIRST + 0.01))
        one.published.end()
        assert one.names() == ["key"]


async def test_who_was_given_the_user_id_is_counted_by_those_who_were_not() -> None:
    store = Store()
    async with Program(store) as one, Program(store, given="123") as given:
        assert (one.names(), given.names()) == (["key"], ["123", "key"])
        given.told("123")
        await asyncio.sleep(0.2)
        assert given.names() == ["123", "key"]
        await asyncio.sleep(UNHEARD)
        given.names()
        await asyncio.sleep(0.01)
        assert given.names() == ["123"]


async def test_who_was_given_another_user_id_counts_by_the_one_that_the_exchange_told_a_program() -> None:
    store = Store()
    async with Program(store) as one, Program(store, given="456") as given:
        assert given.names() == ["456", "key"]
        one.told("123")
        await asyncio.sleep(1.0)
        assert given.names() == ["123", "key"]


async def test_the_exchange_itself_is_believed_before_what_another_program_says() -> None:
    store = Store()
    async with Program(store) as one:
        store.told = {one.published._name: '["456", ""]'}
        await asyncio.sleep(0.5)
        assert one.identity.user_id == "456"
        one.told("123")
        await asyncio.sleep(0.5)
        assert [orjson.loads(record)[0] for record in store.told.values()] == ["123"]
        async with Program(store) as other:
            assert other.identity.user_id == "123"


async def test_other_keys_and_other_exchanges_have_names_of_their_own() -> None:
    store = Store()
    async with Program(store) as one:
        one.told("123")
        await asyncio.sleep(0.5)
        async with Program(store, api_key="b") as two, Program(store, environment="demo") as three:
            assert [other.identity.user_id for other in (two, three)] == [None, None]
    assert all("key:" in name and "123" not in name for name in store.told)


@pytest.mark.parametrize(
    "record", ["", "{", "null", "[]", '["123"]', "[123, 1.0]", '["", 1.0]', '["1:2\\n", 1.0]', '["123", 1, 2]', '"12"']
)
async def test_a_record_that_cannot_be_one_is_not_used(record: str, caplog: pytest.LogCaptureFixture) -> None:
    store = Store()
    one = Program(store)
    store.told = {one.published._name: record}
    with caplog.at_level(logging.WARNING):
        async with one:
            assert one.identity.user_id is None
    assert len(caplog.records) == 1


def test_a_limiter_of_one_program_has_no_one_to_tell() -> None:
    assert published(Limiter(), Identity("live", "a", None)) is None
