import os
from collections.abc import Iterator
from typing import Any

import pytest

from okx_async import InvalidRequestError, Quota
from okx_async.stores._redis.address import read_address
from okx_async.stores._redis.link import SCRIPT, Link, UnreachableError
from okx_async.stores._redis.messages import Seen, Visit, tag_of, told_name
from okx_async.stores._redis.neighbours import names_in
from okx_async.stores._redis.store import REMEMBERED, RedisStore
from okx_async.stores.clocks import shared_clock
from okx_async.stores.lease import Terms
from okx_async.stores.line import Ask
from okx_async.stores.store import BusyError, StoreError
from tests.stores.histories import CLOCK
from tests.stores.proxies import Proxy
from tests.stores.servers import Server

TERMS = Terms(lease=2.0, doubt_grace=1.0)
STEPPED = SCRIPT.replace("local now = clock[1]", "local now = 7000000 + clock[1]")
"""The script of a server whose clock was set forward by 7 s."""


class Scene:
    def __init__(self, server: Server) -> None:
        self.server = server
        self.prefix = os.urandom(6).hex()
        self.number = 0
        self.made: list[RedisStore] = []

    def store(self, url: str = "", terms: Terms = TERMS, **options: Any) -> RedisStore:
        address = read_address(url or self.server.url)
        self.made.append(RedisStore(address, terms, self.prefix, clock=shared_clock, **options))
        return self.made[-1]

    def ask(self, store: RedisStore, key: str = "key") -> Seen:
        self.number += 1
        visit = Visit((key,), Quota(3, 2.0), asks=[Ask(f"w{self.number}", f"t{self.number}", stays=False)], serve=True)
        seen: list[Seen] = store.transact(lambda found: found.visit([visit], "me", shared_clock()), 0.0)
        return seen[0]


@pytest.fixture
def scene(redis_server: Server) -> Iterator[Scene]:
    made = Scene(redis_server)
    yield made
    for store in made.made:
        store.close()


def vouch(store: RedisStore) -> None:
    store.transact(lambda found: found.vouch(), 0.0)


def granted(seen: Seen) -> bool:
    return seen.answers[0].at is not None


def test_a_store_that_is_new_grants_nothing_until_it_is_vouched_for(scene: Scene) -> None:
    store = scene.store()
    seen = scene.ask(store)
    assert not granted(seen)
    assert 4.9 < seen.pause < 5.1  # lease, doubt_grace, per
    vouch(store)
    assert granted(scene.ask(store))


def test_a_store_that_was_flushed_pauses_again(scene: Scene) -> None:
    store = scene.store()
    vouch(store)
    assert granted(scene.ask(store))
    [link] = store.nodes.links
    [names] = link.commands([("KEYS", f"{scene.prefix}*")])
    link.commands([("DEL", *names)])
    assert not granted(scene.ask(store))


def test_a_restarted_server_pauses_again_though_it_kept_its_memory(scene: Scene) -> None:
    store, other = scene.store(), scene.store()
    vouch(store)
    assert granted(scene.ask(other))
    other.nodes.links[0].run = "another"
    assert not granted(scene.ask(other))


def test_other_terms_are_refused_by_name(scene: Scene) -> None:
    vouch(scene.store())
    with pytest.raises(
        InvalidRequestError, match=r"lease=3 here, 2 there; guard.* --vouch; OKX_LIMITS=process okx-async flatten"
    ):
        scene.ask(scene.store(terms=Terms(3.0, 1.0, 0.004)))


def test_a_record_of_another_program_is_said(scene: Scene) -> None:
    store = scene.store()
    vouch(store)
    [link] = store.nodes.links
    [names] = link.commands([("KEYS", f"{scene.prefix}*epoch")])
    link.commands([("SET", name, "x") for name in names])
    with pytest.raises(StoreError, match="of another program, or damaged"):
        scene.ask(store)


def test_a_clock_that_was_set_forward_is_a_loss_of_memory(scene: Scene) -> None:
    store = scene.store()
    vouch(store)
    assert granted(scene.ask(store))
    store.close()
    store.nodes._script = STEPPED
    assert not granted(scene.ask(store))
    assert CLOCK in STEPPED


def test_a_clock_that_was_set_back_keeps_no_token_until_it_has_caught_up(scene: Scene) -> None:
    """It was 7 s ahead; with hours, as of a clock that was set to local time, no exit was possible for hours."""
    store = scene.store(script=STEPPED)
    vouch(store)
    began = shared_clock()
    assert granted(scene.ask(store))
    store.close()
    store.nodes._script = SCRIPT
    seen = scene.ask(store)
    back = max(token.free_at for token in seen.bucket.tokens.values())
    assert began + TERMS.hold(Quota(3, 2.0)) < back < shared_clock() + TERMS.hold(Quota(3, 2.0)) + 0.1
    assert not seen.pause


@pytest.mark.parametrize(
    ("delay", "late"),
    [
        pytest.param(0.1, 1, id="one"),
        # Of a machine whose cores are busy: all programs were kept from sending for the time of a loss of memory.
        pytest.param(0.04, 6, id="one after another"),
        # Of a server that halted, to fork for a snapshot for instance: all of them stood still for 15 s.
        pytest.param(0.7, 1, id="one after a halt"),
    ],
)
def test_messages_that_were_late_are_no_step_of_the_clock(scene: Scene, delay: float, late: int) -> None:
    proxy = Proxy(scene.server.port)
    store = scene.store(proxy.url)
    vouch(store)
    assert granted(scene.ask(store))
    proxy.delay_asks, proxy.late = delay, late
    assert granted(scene.ask(store))
    assert not proxy.late
    proxy.close()


def test_a_way_that_is_longer_from_now_on_costs_one_pause(scene: Scene) -> None:
    proxy = Proxy(scene.server.port)
    store = scene.store(proxy.url)
    vouch(store)
    proxy.delay_asks, proxy.late = 0.05, 1000
    assert scene.ask(store).pause > 4.0
    pause = scene.ask(store).pause
    assert scene.ask(store).pause < pause
    proxy.close()


def test_an_answer_that_was_lost_leaves_one_token_out_at_most(scene: Scene) -> None:
    proxy = Proxy(scene.server.port)
    store = scene.store(proxy.url)
    vouch(store)
    proxy.drops = 2  # that of another connection, too
    with pytest.raises(UnreachableError):
        scene.ask(store)
    with pytest.raises(UnreachableError):  # it is left alone for a moment
        scene.ask(store)
    store.nodes._failed.clear()
    assert len(scene.ask(store).bucket.tokens) == 2
    proxy.close()


def test_a_connection_that_the_server_ended_is_no_server_out_of_reach(scene: Scene) -> None:
    store = scene.store()
    vouch(store)
    [link] = store.nodes.links
    [ident] = link.commands([("CLIENT", "ID")])
    assert scene.server.said("CLIENT", "KILL", "ID", str(ident)) == b":1"
    assert granted(scene.ask(store))


def test_what_programs_tell_each_other_survives_a_connection_that_the_server_ended(scene: Scene) -> None:
    store = scene.store()
    vouch(store)
    store.remember("who", "me")
    [link] = store.nodes.links
    [ident] = link.commands([("CLIENT", "ID")])
    assert scene.server.said("CLIENT", "KILL", "ID", str(ident)) == b":1"
    assert store.recall("who") == "me"


def test_a_message_that_ended_with_its_connection_is_said_once_more_and_counts_once(scene: Scene) -> None:
    proxy = Proxy(scene.server.port)
    store = scene.store(proxy.url)
    vouch(store)
    proxy.drops = 1
    seen = scene.ask(store)
    assert granted(seen)
    assert len(seen.bucket.tokens) == 1
    proxy.close()


def test_a_server_that_ends_each_connection_at_the_first_call_is_out_of_reach(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Proxy(scene.server.port)
    made: list[Link] = []

    class Counted(Link):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            made.append(self)
            proxy.drops = 1

    monkeypatch.setattr("okx_async.stores._redis.nodes.Link", Counted)
    with pytest.raises(UnreachableError):
        scene.ask(scene.store(proxy.url))
    assert len(made) == 1
    proxy.close()


def test_before_a_fork_nothing_is_begun(scene: Scene) -> None:
    store = scene.store()
    store.yields = True
    with pytest.raises(BusyError):
        scene.ask(store)


def test_what_programs_tell_each_other_stands_for_a_month_after_the_last_look_and_among_no_limits(scene: Scene) -> None:
    store, other = scene.store(), scene.store()
    assert store.transact(lambda found: found.recall("who"), 0.0) is None
    store.transact(lambda found: found.remember("who", "me"), 0.0)
    assert other.transact(lambda found: found.recall("who"), 0.0) == "me"
    name = told_name(scene.prefix, tag_of(("who",)), "who")
    month = REMEMBERED * 1000
    assert month - 60_000 < int(scene.server.said("PTTL", name)[1:]) <= month
    assert scene.server.said("EXPIRE", name, "60") == b":1"
    assert other.recall("who") == "me"
    assert month - 60_000 < int(scene.server.said("PTTL", name)[1:]) <= month
    assert name not in names_in(store.nodes.links[0])


def test_an_answer_that_comes_twice_is_not_what_another_name_stands_for(scene: Scene) -> None:
    proxy = Proxy(scene.server.port)
    store = scene.store(proxy.url)
    vouch(store)
    for name, value in (("one", "1"), ("two", "2")):
        store.remember(name, value)
    proxy.doubles = 1
    assert store.recall("one") == "1"
    with pytest.raises(UnreachableError, match="it gave the answer to another question"):
        store.recall("two")
    proxy.close()


def test_who_may_not_look_is_not_told_that_there_is_nothing(scene: Scene) -> None:
    words = f"~{scene.prefix}:* +evalsha +eval +info +set +time +mget -@pubsub"
    assert scene.server.said("ACL", "SETUSER", "blind", "on", ">pass", *words.split()) == b"+OK"
    store = scene.store(f"redis://blind:pass@127.0.0.1:{scene.server.port}")
    vouch(store)
    store.remember("who", "me")
    assert store.recall("who") == "me"
    assert scene.server.said("ACL", "SETUSER", "blind", "-mget") == b"+OK"
    with pytest.raises(StoreError, match="no permissions"):
        store.recall("who")
    assert scene.server.said("ACL", "DELUSER", "blind") == b":1"
