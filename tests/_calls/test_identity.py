from __future__ import annotations

import gc

import pytest

from okx_async import InvalidRequestError
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
    identity.user_id = "123"
    assert identity.key(SWAP) == ("live", "123", SWAP)
    assert identity.key("BTC-USD-260327-60000-C") == ("live", "123", "BTC-USD")
    assert identity.key("account/positions", endpoint=True) == ("live", "123", "account/positions")
    assert repr(identity) == "<Identity live 123>"
    with pytest.raises(InvalidRequestError):
        identity.key("account/positions")  # no instrument id


def test_a_request_under_the_fallback_binds_those_after_it_to_both(identity: Identity) -> None:
    (old,) = keys = identity.keys(identity.key(SWAP), now=0.0)
    identity.begin(keys)
    identity.user_id = "123"
    new = identity.key(SWAP)
    assert identity.keys(new, now=100.0) == (old, new)  # for as long as it is in line or on its way
    identity.end(keys, until=107.0)
    assert identity.keys(new, now=106.9) == (old, new)
    assert identity.keys(new, now=107.0) == (new,)
    assert identity.keys(new, now=0.0) == (new,)  # and then it is forgotten


def test_the_longest_of_several_counts(identity: Identity) -> None:
    keys = identity.keys(identity.key(SWAP), now=0.0)
    for _ in range(3):
        identity.begin(keys)
    identity.user_id = "123"
    new = identity.key(SWAP)
    identity.end(keys, until=9.0)
    identity.end(keys, until=7.0)
    assert len(identity.keys(new, now=50.0)) == 2
    identity.end(keys, until=0.0)
    assert len(identity.keys(new, now=8.9)) == 2
    assert len(identity.keys(new, now=9.0)) == 1


def test_other_scopes_are_not_bound(identity: Identity) -> None:
    identity.begin(identity.keys(identity.key(SWAP), now=0.0))
    identity.user_id = "123"
    other = identity.key("ETH-USDT-SWAP")
    assert identity.keys(other, now=0.0) == (other,)


def test_requests_under_both_prolong_nothing(identity: Identity) -> None:
    keys = identity.keys(identity.key(SWAP), now=0.0)
    identity.begin(keys)
    identity.end(keys, until=5.0)
    identity.user_id = "123"
    both = identity.keys(identity.key(SWAP), now=4.0)
    assert len(both) == 2
    identity.begin(both)
    identity.end(both, until=11.0)
    assert identity.keys(identity.key(SWAP), now=5.0) == (identity.key(SWAP),)


def test_clients_of_one_key_learn_from_each_other() -> None:
    one, two = identity_of("live", "shared", None), identity_of("live", "shared", None)
    assert one is two
    assert identity_of("demo", "shared", None) is not one
    assert identity_of("live", "other", None) is not one


def test_one_that_is_given_is_nobody_elses() -> None:
    learning = identity_of("live", "given", None)
    given = identity_of("live", "given", "987")
    assert given is not learning
    assert (learning.user_id, given.user_id) == (None, "987")


@pytest.mark.parametrize("wrong", ["", "1 2", 123])
def test_a_user_id_is_a_text(wrong: str) -> None:
    with pytest.raises(InvalidRequestError, match="user_id must be"):
        identity_of("live", "key", wrong)


def test_the_last_client_takes_it_along() -> None:
    identity_of("live", "forgotten", None).user_id = "1"
    gc.collect()
    assert identity_of("live", "forgotten", None).user_id is None
