import pytest

from okx_async import Quota
from okx_async.stores.lease import MARGIN, PPM, Lease, Place, SharedBucket, Terms, Token

QUOTA = Quota(2, 2.0)
TERMS = Terms(lease=8.0, doubt_grace=5.0, guard=0.003)
COOL = 2.003
HOLD = 13.0 * (1 + PPM) + 2.003


def made(quota: Quota = QUOTA, terms: Terms = TERMS) -> SharedBucket:
    return SharedBucket(quota, terms)


def test_a_token_comes_back_by_itself_as_if_its_holder_died_at_the_end_of_its_lease() -> None:
    bucket = made()
    assert bucket.take(100.0, "a", "h") == 100.0
    assert bucket.tokens["a"] == Token("h", 100.0, 100.0 + HOLD)
    bucket.drop(100.0 + HOLD - 1e-6)
    assert list(bucket.tokens) == ["a"]
    bucket.drop(100.0 + HOLD)
    assert not bucket.tokens


def test_a_repeated_take_is_answered_with_the_first_ones_time_and_changes_nothing() -> None:
    bucket = made()
    bucket.take(100.0, "a", "h")
    assert bucket.take(103.0, "a", "h") == 100.0
    assert bucket.tokens["a"].free_at == 100.0 + HOLD
    assert bucket.granted == 1


def test_a_take_that_is_carried_out_too_late_gets_nothing() -> None:
    bucket = made()
    assert bucket.take(100.001, "a", "h", not_after=100.0) is None
    assert not bucket.tokens
    assert bucket.take(100.0, "b", "h", not_after=100.0) == 100.0


def test_a_settled_token_comes_back_a_window_after_the_answer_whenever_the_message_arrives() -> None:
    for late in (0.0, 1.5, 60.0):
        bucket = made()
        bucket.take(100.0, "a", "h")
        bucket.settle(100.4 + late, "a", "h", age=late)
        assert bucket.tokens["a"].free_at == pytest.approx(100.4 + late * PPM + COOL)
        assert bucket.tokens["a"].cooling


def test_a_token_in_doubt_waits_for_the_grace_too() -> None:
    bucket = made()
    bucket.take(100.0, "a", "h")
    bucket.settle(101.0, "a", "h", age=0.0, doubt=True)
    assert bucket.tokens["a"].free_at == pytest.approx(101.0 + 5.0 * (1 + PPM) + COOL)


def test_a_repeated_message_may_only_bring_a_token_back_earlier() -> None:
    bucket = made()
    bucket.take(100.0, "a", "h")
    bucket.settle(101.0, "a", "h", age=0.5)
    before = bucket.tokens["a"].free_at
    bucket.settle(103.0, "a", "h", age=2.0)  # delivered late, its age not kept up
    assert bucket.tokens["a"].free_at == before
    bucket.settle(103.0, "a", "h", age=2.6)
    assert bucket.tokens["a"].free_at < before


def test_a_settled_token_that_the_store_has_forgotten_is_written_anew() -> None:
    bucket = made()
    bucket.settle(101.0, "a", "h", age=0.5)
    assert bucket.tokens["a"].free_at == pytest.approx(100.5 + 0.5 * PPM + COOL)
    bucket.settle(110.0, "b", "h", age=9.0)  # long over
    assert list(bucket.tokens) == ["a"]


def test_a_refund_gives_back_what_was_not_sent_and_nothing_else() -> None:
    bucket = made()
    bucket.take(100.0, "a", "h")
    bucket.take(100.0, "b", "h")
    bucket.settle(100.1, "b", "h", age=0.0)
    for ident in ("a", "b", "c"):
        bucket.refund(ident)
    assert list(bucket.tokens) == ["b"]


def test_a_floor_brings_settled_tokens_back_earlier_and_no_others() -> None:
    bucket = made(terms=Terms(rtt_floor=0.5))
    bucket.take(100.0, "a", "h")
    assert bucket.tokens["a"].free_at == pytest.approx(100.0 + HOLD)
    bucket.settle(101.0, "a", "h", age=0.0)
    assert bucket.tokens["a"].free_at == pytest.approx(101.0 + COOL - 0.5)


def test_of_two_quotas_the_stricter_holds_in_each_respect() -> None:
    bucket = made(Quota(20, 2.0, 1))
    bucket.take(100.0, "a", "h")
    assert not bucket.agree(Quota(20, 2.0, 1))
    assert bucket.agree(Quota(10, 4.0, 3))
    assert bucket.quota == Quota(10, 4.0, 3)
    assert bucket.tokens["a"].free_at == pytest.approx(100.0 + HOLD + 2.0 * (1 + PPM), abs=1e-5)
    assert bucket.agree(Quota(30, 1.0))
    assert bucket.quota == Quota(10, 4.0, 3)


def test_a_reserve_leaves_one_token_at_least_of_a_smaller_limit() -> None:
    bucket = made(Quota(20, 2.0, 15))
    bucket.agree(Quota(3, 2.0))
    assert bucket.quota == Quota(3, 2.0, 2)


def test_the_reserve_is_for_panic() -> None:
    bucket = made(Quota(3, 2.0, 1))
    assert [bucket.free(0.0, panic=panic) for panic in (True, False)] == [3, 2]


def test_a_block_only_moves_later() -> None:
    bucket = made()
    bucket.block(100.0, 5.0)
    bucket.block(100.0, 2.0)
    assert bucket.blocked_until == 105.0
    bucket.block(110.0, 5.0, age=4.0)
    assert bucket.blocked_until == pytest.approx(111.0, abs=0.01)


def test_refusals_in_consecutive_windows_halve_what_is_used_and_clean_ones_give_it_back() -> None:
    bucket = made(Quota(20, 2.0))
    bucket.refuse(100.0, 2.0)
    assert bucket.unused(100.0) == 0
    bucket.refuse(102.5, 2.0)
    assert bucket.unused(102.5) == 10
    assert [bucket.unused(at) for at in (104.4, 106.5, 108.5, 124.5)] == [10, 9, 8, 0]
    assert bucket.blocked_until == 104.5


def test_a_repeated_refusal_halves_nothing_twice() -> None:
    bucket = made(Quota(20, 2.0))
    bucket.refuse(100.0, 2.0)
    bucket.refuse(103.0, 2.0)
    for late in (0.5, 3.0, 8.0):
        bucket.refuse(103.0 + late, 2.0, age=late)
    assert bucket.given_up == 10
    assert bucket.blocked_until == pytest.approx(105.0, abs=0.01)


def test_the_earliest_time_counts_those_ahead_and_tokens_in_flight() -> None:
    bucket = made()
    assert bucket.earliest(100.0, 1, panic=False) == 100.0
    assert bucket.earliest(100.0, 2, panic=False) == 100.0 + COOL
    bucket.take(100.0, "a", "h")
    bucket.take(100.0, "b", "h")
    bucket.settle(100.5, "a", "h", age=0.0)
    assert bucket.earliest(101.0, 0, panic=False) == 100.5 + COOL
    assert bucket.earliest(101.0, 1, panic=False) == 101.0 + COOL
    assert bucket.earliest(101.0, 2, panic=False) == 100.5 + 2 * COOL
    assert bucket.earliest(101.0, 0, panic=False, not_before=110.0) == 110.0


def test_the_earliest_time_knows_of_the_reserve_and_of_tokens_given_back() -> None:
    bucket = made(Quota(2, 2.0, 1))
    bucket.take(100.0, "a", "h")
    assert bucket.earliest(100.0, 0, panic=True) == 100.0
    assert bucket.earliest(100.0, 0, panic=False) == 100.0 + COOL
    bucket = made()
    bucket.refuse(90.0, 2.0)
    bucket.refuse(92.0, 0.0)
    bucket.take(93.0, "a", "h")
    assert bucket.free(93.0, panic=True) == 0
    assert bucket.earliest(93.0, 0, panic=True) == 94.0


def test_more_tokens_out_than_a_smaller_quota_has_delay_the_next_one() -> None:
    bucket = made(Quota(3, 2.0))
    for at, ident in ((100.0, "a"), (100.1, "b"), (100.2, "c")):
        bucket.take(at, ident, "h")
        bucket.settle(at, ident, "h", age=0.0)
    bucket.agree(Quota(2, 2.0))
    assert bucket.free(101.0, panic=False) == -1
    assert bucket.earliest(101.0, 0, panic=False) == pytest.approx(100.1 + COOL)


def test_a_key_is_forgotten_when_nothing_of_it_matters_any_more() -> None:
    bucket = made()
    assert bucket.expires() == MARGIN
    bucket.take(100.0, "a", "h")
    assert bucket.expires() == 100.0 + HOLD + MARGIN
    bucket.block(100.0, 50.0)
    assert bucket.expires() == 150.0 + MARGIN
    bucket.line["w"] = Place("h", panic=False, since=100.0, until=155.0)
    assert bucket.expires() == 155.0 + MARGIN
    bucket.refuse(160.0, 2.0)
    bucket.refuse(163.0, 2.0)
    assert bucket.expires() == 165.0 + 2.0 + MARGIN


def test_a_token_that_only_its_holder_knows_is_entered_once() -> None:
    bucket = made()
    token = Token("h", 1.0, 20.0)
    bucket.adopt("a", token)
    bucket.adopt("a", Token("h", 1.0, 5.0))
    assert bucket.tokens["a"] is token


def test_a_lease_ends_by_the_holders_own_clocks() -> None:
    lease = Lease(10.0, 1_000_000.0, 8.0)
    assert lease.left(12.5, 1_000_002.5) == 5.5
    assert lease.left(18.5, 1_000_007.9) == -0.5
    # The clock stood still while the machine did.
    assert lease.left(10.5, 1_000_009.0) == 0.0
    assert lease.left(10.5, 999_990.0) == 0.0


def test_a_clock_that_was_set_back_keeps_nothing_until_it_has_caught_up() -> None:
    bucket = SharedBucket(QUOTA, TERMS)
    ahead = 100.0 + 3600.0
    bucket.take(ahead, "settled", "h")
    bucket.settle(ahead + 0.5, "settled", "h", 0.0)
    bucket.line["w"] = Place("h", False, ahead + 0.25, ahead + 1.25)  # noqa: FBT003
    bucket.block(ahead, 60.0)
    bucket.take(ahead + 0.5, "out", "h")
    bucket.set_back(101.0)  # half a second later, or more
    assert bucket.tokens["out"].at == 101.0
    assert bucket.tokens["out"].free_at == pytest.approx(101.0 + HOLD)
    assert bucket.tokens["settled"].free_at == pytest.approx(101.0 + TERMS.rule(QUOTA).cool)
    assert bucket.line["w"].since == pytest.approx(100.75)
    assert bucket.line["w"].until == pytest.approx(101.75)
    assert bucket.blocked_until == pytest.approx(160.5)
    bucket.set_back(101.0)
    bucket.set_back(102.0)
    assert bucket.tokens["out"].at == 101.0


def test_a_refusal_shows_too_that_the_clock_was_set_back() -> None:
    bucket = SharedBucket(QUOTA, TERMS)
    bucket.refuse(3700.0, 2.0)
    bucket.set_back(100.0)
    assert (bucket.refused_at, bucket.blocked_until) == (100.0, 102.0)
    idle = SharedBucket(QUOTA, TERMS)
    idle.set_back(-5.0)
    assert idle == SharedBucket(QUOTA, TERMS)
