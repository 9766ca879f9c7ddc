"""What the programs of one store tell each other of an API key."""

import logging

import orjson
import pytest

from okx_async import Limiter
from okx_async._calls.identity import Identity
from okx_async._calls.published import RECENT, Published, published

SWAP = "BTC-USDT-SWAP"
NOW = 1_768_519_672.0


class Store:
    """What programs share: what was told, by name."""

    linger = 12.0

    def __init__(self) -> None:
        self.told: dict[str, str] = {}
        self.tellings = 0

    async def recall(self, name: str) -> str | None:
        return self.told.get(name)

    def remember(self, name: str, value: str) -> None:
        self.told[name] = value
        self.tellings += 1


def program(
    store: Store, wall: float = NOW, *, api_key: str = "a", environment: str = "live"
) -> tuple[Identity, Published]:
    identity = Identity(environment, api_key, None)
    return identity, Published(store, identity, lambda: wall)


def keys(identity: Identity, now: float) -> list[str]:
    """Return the names of which a request takes a slot."""
    names = identity.begin(identity.key(SWAP), now)
    names.end(now)
    return [name for _, name, _ in names.keys]


async def test_what_one_was_told_the_others_hear() -> None:
    store = Store()
    first, tells = program(store)
    second, hears = program(store)
    assert not await hears.heard(5.0)
    assert second.user_id is None
    first.learn("123")
    tells.tell("123", 5.0)
    assert await hears.heard(5.0)
    assert second.confirmed
    assert second.user_id == "123"


async def test_those_who_count_by_the_api_key_meanwhile_are_counted_by_all() -> None:
    store = Store()
    first, tells = program(store)
    second, hears = program(store, NOW + RECENT - 1)
    late, hears_late = program(store, NOW + RECENT + 1)
    first.learn("123")
    assert keys(first, 0.0) == ["123"]
    tells.tell("123", 5.0)
    assert keys(first, 5.0) == [first.fallback, "123"]
    assert keys(first, 18.9) == [first.fallback, "123"]
    assert keys(first, 19.0) == ["123"]
    assert await hears.heard(100.0)
    assert keys(second, 113.9) == [first.fallback, "123"]
    assert keys(second, 114.0) == ["123"]
    assert await hears_late.heard(100.0)
    assert keys(late, 100.0) == ["123"]


async def test_who_was_given_the_user_id_tells_it_and_goes_on_as_before() -> None:
    store = Store()
    one, tells = program(store)
    one.learn("123")
    tells.tell("123", 5.0, given=True)
    assert (keys(one, 5.0), store.tellings) == (["123"], 1)


async def test_what_all_know_is_not_told_again_and_what_changed_is() -> None:
    store = Store()
    _, tells = program(store)
    _, hears = program(store)
    tells.tell("123", 5.0)
    assert await hears.heard(5.0)
    hears.tell("123", 5.0)
    assert store.tellings == 1
    hears.tell("456", 5.0)
    assert store.tellings == 2


async def test_other_keys_and_other_exchanges_have_names_of_their_own() -> None:
    store = Store()
    _, tells = program(store)
    tells.tell("123", 5.0)
    for other in ({"api_key": "b"}, {"environment": "demo"}):
        assert not await program(store, **other)[1].heard(5.0)  # type: ignore[arg-type]
    assert all("key:" in name and "123" not in name for name in store.told)


@pytest.mark.parametrize(
    "record", ["", "{", "null", "[]", '["123"]', "[123, 1.0]", '["", 1.0]', '["1:2\\n", 1.0]', '["123", "x"]', '"12"']
)
async def test_a_record_that_cannot_be_one_is_not_used(record: str, caplog: pytest.LogCaptureFixture) -> None:
    store = Store()
    identity, hears = program(store)
    store.remember(f"user id of {identity.fallback} at live", record)
    with caplog.at_level(logging.WARNING):
        assert not await hears.heard(5.0)
    assert identity.user_id is None
    assert len(caplog.records) == 1


async def test_its_record_says_since_when() -> None:
    store = Store()
    _, tells = program(store)
    tells.tell("123", 5.0)
    assert [orjson.loads(record) for record in store.told.values()] == [["123", NOW]]


def test_a_limiter_of_one_program_has_no_one_to_tell() -> None:
    assert published(Limiter(), Identity("live", "a", None)) is None
