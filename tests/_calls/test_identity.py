import threading

import pytest

from okx_async import InvalidRequestError, Limiter, NotSentError
from okx_async._calls.accounts import MOST_SCOPES
from okx_async._calls.identity import Identity, identity_of
from okx_async._calls.others import Moment, Others

SWAP = "BTC-USDT-SWAP"


@pytest.fixture
def identity() -> Identity:
    return Identity("live", "0af1c5d2", None)


def test_a_name_made_from_the_api_key_stands_in() -> None:
    one, same, other = Identity("live", "a", None), Identity("demo", "a", None), Identity("live", "b", None)
    assert one.fallback == same.fallback != other.fallback
    assert one.key(SWAP) == ("live", one.fallback, SWAP)
    assert one.fallback.startswith("key:")
    assert "0af1c5d2" not in Identity("live", "0af1c5d2", None).fallback


def test_the_user_id_takes_its_place(identity: Identity) -> None:
    identity.learn("123")
    assert identity.key(SWAP) == ("live", "123", SWAP)
    assert identity.key("BTC-USD-260327-60000-C") == ("live", "123", "BTC-USD")
    assert identity.key("account/positions", endpoint=True) == ("live", "123", "account/positions")
    assert repr(identity) == "<Identity live 123>"
    with pytest.raises(InvalidRequestError):
        identity.key("account/positions")  # no instrument id


def test_a_request_under_the_fallback_binds_those_after_it_to_both(identity: Identity) -> None:
    old = identity.key(SWAP)
    assert identity.keys(old, now=0.0) == (old,)
    names = identity.begin(old, now=0.0)
    assert names.keys == (old,)
    identity.learn("123")
    new = identity.key(SWAP)
    assert identity.begin(new, now=100.0).keys == (new, old)  # for as long as it waits or is on its way
    names.check()  # what is sent under the one name is seen under both
    names.end(until=107.0)
    assert identity.keys(new, now=106.9) == (new, old)
    assert identity.keys(new, now=107.0) == (new,)
    assert identity.keys(new, now=0.0) == (new,)  # and then it is forgotten


class Watched(Others):
    """What the store says, the time, and how often it was asked anew."""

    def __init__(self, identity: Identity) -> None:
        self.time, self.looks = 0.0, 0
        super().__init__(lambda: Moment(self.time, self.time), self._note)
        identity.others = self

    def _note(self) -> None:
        self.looks += 1


def test_while_other_programs_may_count_by_the_api_key_every_instrument_takes_a_slot_of_it(identity: Identity) -> None:
    watched = Watched(identity)
    identity.learn("123")
    for scope in (SWAP, "ETH-USDT-SWAP"):
        watched.time = 0.0
        key = identity.key(scope)
        watched.may_not_know()
        watched.still_know(Moment(0.0, 0.0), 20.0)
        assert identity.keys(key, now=0.0) == (key, ("live", identity.fallback, scope))
        watched.begin_to_know(10.0)
        assert identity.keys(key, now=0.0) == (key, ("live", identity.fallback, scope))
        watched.time = 10.0
        assert identity.keys(key, now=0.0) == (key,)
        watched.time = 20.1
        assert identity.keys(key, now=0.0) == (key, ("live", identity.fallback, scope))


def test_what_waits_under_the_user_id_alone_is_sent_only_while_that_is_enough(identity: Identity) -> None:
    watched = Watched(identity)
    identity.learn("123")
    watched.begin_to_know(0.0)
    watched.still_know(Moment(0.0, 0.0), 20.0)
    names = identity.begin(identity.key(SWAP), 0.0)
    watched.time = 20.0
    names.check()
    watched.time = 20.1
    with pytest.raises(NotSentError, match="another program may not know"):
        names.check()
    names.end(0.0)


def test_what_waits_under_the_api_key_alone_is_sent_only_while_that_is_enough(identity: Identity) -> None:
    watched = Watched(identity)
    watched.none_is_told(Moment(0.0, 0.0), 2.0)
    names = identity.begin(identity.key(SWAP), 0.0)
    watched.time = 2.0
    names.check()
    watched.time = 2.1
    with pytest.raises(NotSentError, match="is not known; nothing was sent"):
        names.check()
    names.end(0.0)


def test_the_store_is_asked_anew_by_a_request_that_begins_or_is_written_late(identity: Identity) -> None:
    watched = Watched(identity)
    identity.learn("123")
    watched.begin_to_know(0.0)
    watched.still_know(Moment(0.0, 0.0), 20.0)
    names = identity.begin(identity.key(SWAP), 0.0)
    names.check()
    assert watched.looks == 0
    watched.time = 10.0
    names.check()
    assert watched.looks == 1
    watched.still_know(Moment(5.0, 5.0), 10.0)
    identity.begin(identity.key(SWAP), 0.0).end(0.0)
    assert watched.looks == 2
    names.end(0.0)


def test_under_the_fallback_it_takes_one_slot_of_it_though_another_waits(identity: Identity) -> None:
    key = identity.key(SWAP)
    identity.begin(key, now=0.0)
    assert identity.keys(key, now=0.0) == (key,)


def test_the_keys_that_are_kept_are_bounded(identity: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("okx_async._calls.identity._MOST_KEYS", 10)
    for number in range(40):
        assert identity.key(f"S{number}-USDT-SWAP")[2] == f"S{number}-USDT-SWAP"
        assert len(identity._keys) <= 12


def test_the_longest_of_several_counts(identity: Identity) -> None:
    uses = [identity.begin(identity.key(SWAP), now=0.0) for _ in range(3)]
    identity.learn("123")
    new = identity.key(SWAP)
    uses[0].end(until=9.0)
    uses[1].end(until=7.0)
    assert len(identity.keys(new, now=50.0)) == 2
    uses[2].end(until=0.0)
    assert len(identity.keys(new, now=8.9)) == 2
    assert len(identity.keys(new, now=9.0)) == 1


def test_other_scopes_are_not_bound(identity: Identity) -> None:
    identity.begin(identity.key(SWAP), now=0.0)
    identity.learn("123")
    other = identity.key("ETH-USDT-SWAP")
    assert identity.keys(other, now=0.0) == (other,)
    identity.begin(other, now=0.0).check()


def test_of_very_many_scopes_each_one_is_bound(identity: Identity) -> None:
    other = "ETH-USDT-SWAP"
    for number in range(MOST_SCOPES + 1):
        assert identity._api_key.names(other, 0.0) == []
        identity.begin(identity.key(f"C{number}-USDT-SWAP"), now=0.0).end(until=60.0)
    identity.learn("123")
    known = identity.key(other)
    assert identity.keys(known, now=59.0) == (known, ("live", identity.fallback, other))
    assert identity.keys(known, now=60.0) == (known,)
    assert not identity._api_key.uses


def one_of(limiter: Limiter, api_key: str = "a", user_id: str | None = None, environment: str = "live") -> Identity:
    return identity_of(environment, api_key, user_id, limiter)


def test_clients_of_one_key_and_limiter_learn_from_each_other() -> None:
    limiter = Limiter()
    one, two = one_of(limiter), one_of(limiter)
    one.learn("123")
    assert (two.user_id, two.confirmed) == ("123", True)
    strangers = [one_of(limiter, environment="demo"), one_of(limiter, "b"), one_of(Limiter())]
    assert [other.user_id for other in strangers] == [None] * 3


def test_a_given_user_id_stands_in_for_clients_of_the_same_key() -> None:
    limiter = Limiter()
    given, other = one_of(limiter, user_id="987"), one_of(limiter)
    assert (other.user_id, other.confirmed) == ("987", False)
    other.begin(other.key(SWAP), now=0.0)
    other.learn("123")  # the given one was wrong: what went out under it binds still
    for each in (given, other):
        assert each.keys(each.key(SWAP), now=0.0) == (("live", "123", SWAP), ("live", "987", SWAP))
        assert (each.user_id, each.confirmed) == ("123", True)


def test_a_given_user_id_that_is_wrong_moves_none_of_its_own_user() -> None:
    limiter = Limiter()
    user, early = one_of(limiter, "b"), one_of(limiter, "a")
    user.learn("987")
    early.begin(early.key(SWAP), now=0.0)
    wrong = one_of(limiter, "a", user_id="987")
    wrong.begin(wrong.key(SWAP), now=0.0)
    assert len(user.keys(user.key(SWAP), now=0.0)) == 2
    wrong.learn("123")
    assert (user.user_id, wrong.user_id) == ("987", "123")
    assert user.keys(user.key(SWAP), now=0.0) == (("live", "987", SWAP),)


def test_two_given_ids_of_one_key_bind_each_other_until_the_exchange_tells() -> None:
    limiter = Limiter()
    first = one_of(limiter, user_id="1")
    names = first.begin(first.key(SWAP), now=0.0)
    second, other = one_of(limiter, user_id="2"), one_of(limiter, "b")
    other.learn("2")
    both = (("live", "1", SWAP), ("live", "2", SWAP))
    assert other.keys(other.key(SWAP), now=0.0) == both  # whichever of the two is right
    names.end(until=0.0)
    assert other.keys(other.key(SWAP), now=0.0) == both[1:]
    for each in (second, first, one_of(limiter)):
        assert each.keys(each.key(SWAP), now=0.0) == both
    second.learn("2")
    assert first.key(SWAP) == second.key(SWAP) == both[1]
    assert first.keys(both[1], now=0.0) == both[1:]


def test_what_went_out_before_an_id_was_given_binds_the_client_that_was_given_it() -> None:
    limiter = Limiter()
    early = one_of(limiter)
    fallback = early.key(SWAP)
    names = early.begin(fallback, now=0.0)
    given = one_of(limiter, user_id="987")
    assert given.keys(given.key(SWAP), now=0.0) == (("live", "987", SWAP), fallback)
    names.end(until=5.0)
    assert given.keys(given.key(SWAP), now=5.0) == (("live", "987", SWAP),)


def test_what_waits_while_another_key_of_its_user_becomes_known_asks_anew() -> None:
    limiter = Limiter()
    first, second, stranger = one_of(limiter, "a"), one_of(limiter, "b"), one_of(limiter, "c")
    second.learn("123")
    stranger.learn("456")
    waiting = [each.begin(each.key(SWAP), now=0.0) for each in (first, second, stranger)]
    for names in waiting:
        names.check(5.0)
    first.learn("123")
    waiting[0].check()  # the next ones take a slot under its name too
    with pytest.raises(NotSentError, match="another API key of its user id became known"):
        waiting[1].check()
    waiting[2].check()
    again = second.begin(second.key(SWAP), now=0.0)
    assert again.keys == (("live", "123", SWAP), ("live", first.fallback, SWAP))
    again.check()


def test_two_unknown_keys_of_one_user_that_wait_both_ask_anew() -> None:
    limiter = Limiter()
    each = [one_of(limiter, "a"), one_of(limiter, "b")]
    waiting = [one.begin(one.key(SWAP), now=0.0) for one in each]
    for one in each:
        one.learn("123")
    for names in waiting:
        with pytest.raises(NotSentError):
            names.check()
    ordered = sorted(("live", one.fallback, SWAP) for one in each)
    assert each[0].begin(each[0].key(SWAP), now=0.0).keys == (("live", "123", SWAP), *ordered)


def test_requests_that_begin_at_once_in_two_threads_see_one_another() -> None:
    limiter = Limiter()
    each = [one_of(limiter, user_id="1"), one_of(limiter, user_id="2")]
    barrier = threading.Barrier(2)
    found: list[list[set[str]]] = [[], []]

    def begin(number: int) -> None:
        for scope in range(200):
            barrier.wait(10)
            keys = each[number].begin(each[number].key(f"C{scope}-USDT-SWAP"), now=0.0).keys
            found[number].append({name for _, name, _ in keys})

    threads = [threading.Thread(target=begin, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all({"1", "2"} in pair for pair in zip(*found, strict=True))


def test_two_keys_of_one_user_id_bind_each_other_once_that_is_known() -> None:
    limiter = Limiter()
    first, second, third = one_of(limiter, "a"), one_of(limiter, "b"), one_of(limiter, "c", user_id="123")
    names = sorted([first.key(SWAP), second.key(SWAP)])
    first.begin(first.key(SWAP), now=0.0)
    second.begin(second.key(SWAP), now=0.0)
    first.learn("123")
    second.learn("123")
    for each in (first, second, third):
        assert each.keys(each.key(SWAP), now=0.0) == (("live", "123", SWAP), *names)


def test_what_is_known_outlives_the_client_and_ends_with_the_limiter() -> None:
    limiter = Limiter()
    gone = one_of(limiter)
    fallback = gone.key(SWAP)
    gone.begin(fallback, now=0.0).end(until=65.0)
    del gone
    later = one_of(limiter)
    later.learn("123")
    assert later.keys(later.key(SWAP), now=60.0) == (("live", "123", SWAP), fallback)


@pytest.mark.parametrize("wrong", ["", "1 2", 123])
def test_a_user_id_is_a_text(wrong: str) -> None:
    with pytest.raises(InvalidRequestError, match="user_id must be"):
        one_of(Limiter(), user_id=wrong)
