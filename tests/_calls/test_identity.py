import pytest

from okx_async import InvalidRequestError, Limiter
from okx_async._calls.identity import Identity, identity_of

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
    use = identity.begin(old)
    assert use is not None
    identity.learn("123")
    new = identity.key(SWAP)
    assert identity.begin(new) is None
    assert identity.keys(new, now=100.0) == (old, new)  # for as long as it waits or is on its way
    identity.end(use, until=107.0)
    assert identity.keys(new, now=106.9) == (old, new)
    assert identity.keys(new, now=107.0) == (new,)
    assert identity.keys(new, now=0.0) == (new,)  # and then it is forgotten


def test_under_the_fallback_it_takes_one_slot_of_it_though_another_waits(identity: Identity) -> None:
    key = identity.key(SWAP)
    identity.begin(key)
    assert identity.keys(key, now=0.0) == (key,)


def test_the_keys_that_are_kept_are_bounded(identity: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("okx_async._calls.identity._MOST_KEYS", 10)
    for number in range(40):
        assert identity.key(f"S{number}-USDT-SWAP")[2] == f"S{number}-USDT-SWAP"
        assert len(identity._keys) <= 12


def test_the_longest_of_several_counts(identity: Identity) -> None:
    uses = [use for _ in range(3) if (use := identity.begin(identity.key(SWAP)))]
    identity.learn("123")
    new = identity.key(SWAP)
    identity.end(uses[0], until=9.0)
    identity.end(uses[1], until=7.0)
    assert len(identity.keys(new, now=50.0)) == 2
    identity.end(uses[2], until=0.0)
    assert len(identity.keys(new, now=8.9)) == 2
    assert len(identity.keys(new, now=9.0)) == 1


def test_other_scopes_are_not_bound(identity: Identity) -> None:
    identity.begin(identity.key(SWAP))
    identity.learn("123")
    other = identity.key("ETH-USDT-SWAP")
    assert identity.keys(other, now=0.0) == (other,)


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
    use = other.begin(other.key(SWAP))
    assert use is not None
    other.learn("123")  # the given one was wrong: what went out under it binds still
    assert other.keys(other.key(SWAP), now=0.0) == (("live", "987", SWAP), ("live", "123", SWAP))
    assert given.user_id == "987"


def test_what_went_out_before_an_id_was_given_binds_the_client_that_was_given_it() -> None:
    limiter = Limiter()
    early = one_of(limiter)
    fallback = early.key(SWAP)
    use = early.begin(fallback)
    assert use is not None
    given = one_of(limiter, user_id="987")
    assert given.keys(given.key(SWAP), now=0.0) == (fallback, ("live", "987", SWAP))
    early.end(use, until=5.0)
    assert given.keys(given.key(SWAP), now=5.0) == (("live", "987", SWAP),)


def test_two_keys_of_one_user_id_bind_each_other_once_that_is_known() -> None:
    limiter = Limiter()
    first, second, third = one_of(limiter, "a"), one_of(limiter, "b"), one_of(limiter, "c", user_id="123")
    names = sorted([first.key(SWAP), second.key(SWAP)])
    first.begin(first.key(SWAP))
    second.begin(second.key(SWAP))
    first.learn("123")
    second.learn("123")
    for each in (first, second, third):
        assert each.keys(each.key(SWAP), now=0.0) == (*names, ("live", "123", SWAP))


def test_what_is_known_outlives_the_client_and_ends_with_the_limiter() -> None:
    limiter = Limiter()
    gone = one_of(limiter)
    fallback = gone.key(SWAP)
    use = gone.begin(fallback)
    assert use is not None
    gone.end(use, until=65.0)
    del gone
    later = one_of(limiter)
    later.learn("123")
    assert later.keys(later.key(SWAP), now=60.0) == (fallback, ("live", "123", SWAP))


@pytest.mark.parametrize("wrong", ["", "1 2", 123])
def test_a_user_id_is_a_text(wrong: str) -> None:
    with pytest.raises(InvalidRequestError, match="user_id must be"):
        one_of(Limiter(), user_id=wrong)
