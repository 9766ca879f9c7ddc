import asyncio
from functools import partial
from math import inf

import pytest

from okx_async import InvalidRequestError, NotSentError, Quota
from okx_async.stores._agent.waiters import LocalKey, Note, Waiter, closed, deliver, refusal, too_late, unanswered
from okx_async.stores.lease import SharedBucket, Terms

KEY = ("k",)
QUOTA = Quota(2, 2.0)


def waiter(name: str, deadline: float = inf, *, panic: bool = False) -> Waiter:
    loop = asyncio.get_running_loop()
    return Waiter(name, KEY, QUOTA, panic, deadline, stays=True, loop=loop, future=loop.create_future())


def line(*waiters: Waiter) -> LocalKey:
    local = LocalKey(KEY, QUOTA)
    for one in waiters:
        local.waiters[one.panic][one.ident] = one
    return local


async def test_the_first_waiters_are_named_panic_before_normal() -> None:
    local = line(waiter("a"), waiter("b"), waiter("p", panic=True), waiter("c"))
    assert [w.ident for w in local.named()] == ["p", "a"]
    assert local.waiting() == 4


async def test_waiters_far_back_that_have_no_chance_end_at_once() -> None:
    local = line(waiter("a", 0.0), waiter("b", 0.0), waiter("c", 101.0), waiter("d", 103.0), waiter("e"))
    assert local.hopeless(100.0) == []
    local.seen = lambda: SharedBucket(QUOTA, Terms())
    [(ended, earliest)] = local.hopeless(100.0)
    assert (ended.ident, earliest) == ("c", 100.0 + 2.003)
    assert local.next_deadline() == 103.0
    assert local.hopeless(102.0) == []
    assert [w.ident for w, _ in local.hopeless(103.5)] == ["d"]
    assert [w.ident for w in local.in_order()] == ["a", "b", "e"]


async def test_a_key_with_anything_to_do_is_not_idle() -> None:
    local = line()
    assert local.idle(100.0)
    local.notes.append(Note("refund", "t", 100.0))
    assert not local.idle(100.0)
    assert not line(waiter("a")).idle(100.0)
    local = line()
    local.expires = 120.0
    assert [local.idle(at) for at in (101.0, 120.0)] == [False, True]


def test_a_note_says_how_old_it_is_whenever_it_is_delivered() -> None:
    bucket = SharedBucket(QUOTA, Terms())
    for ident in ("a", "b", "c"):
        bucket.take(100.0, ident, "h")
    Note("settle", "a", 100.5).apply(bucket, 102.0, "h")
    Note("doubt", "b", 100.5).apply(bucket, 102.0, "h")
    Note("refund", "c", 100.5).apply(bucket, 102.0, "h")
    assert bucket.tokens["a"].free_at == pytest.approx(102.503, abs=0.001)
    assert bucket.tokens["b"].free_at == pytest.approx(107.503, abs=0.004)
    assert list(bucket.tokens) == ["a", "b"]
    Note("block", "", 101.0, 9.0).apply(bucket, 102.0, "h")
    assert bucket.blocked_until == pytest.approx(110.0, abs=0.001)
    assert bucket.refusals == 0
    Note("refuse", "", 101.0, 19.0).apply(bucket, 102.0, "h")
    assert bucket.blocked_until == pytest.approx(120.0, abs=0.001)
    assert bucket.refusals == 1


async def test_each_wait_ends_in_an_error_of_its_own() -> None:
    one, other = waiter("a"), waiter("b")
    reason = InvalidRequestError("the reason")
    errors = refusal(one, reason), refusal(other, reason)
    assert errors[0] is not errors[1]
    assert isinstance(errors[0], InvalidRequestError)
    assert "the reason; nothing was sent" in str(errors[0])
    error = refusal(one, RuntimeError("the disk is full"))
    assert isinstance(error, NotSentError)
    assert "the disk is full" in str(error)


async def test_a_wait_that_was_cancelled_is_left_alone() -> None:
    one, other = waiter("a"), waiter("b")
    one.future.cancel()
    deliver([(one, None), (other, None)])
    assert other.future.result() is None


async def test_an_error_names_the_key_as_the_command_line_shows_it() -> None:
    one = waiter("a")
    one.key = ("live", "123", "BTC-USDT-SWAP")
    reason = RuntimeError("the disk is full")
    for error in (too_late(one, 1.25), unanswered(one), closed(one), refusal(one, reason)):
        assert str(error).startswith("live 123 BTC-USDT-SWAP: ")
        assert error.key == one.key
    assert "no slot within max_wait, which ends before the earliest possible one, 1.250 s from now" in str(
        too_late(one, 1.25)
    )


def test_of_two_connections_the_later_look_counts_and_of_two_epochs_the_one_that_is_heard_of_later() -> None:
    local = LocalKey(("k",), Quota(1, 2.0))
    for at, shown in (((5, 10.0), 10.0), ((5, 9.0), 10.0), ((5, 11.0), 11.0), ((3, 4.0), 4.0)):
        bucket = SharedBucket(Quota(1, 2.0), Terms(), granted=int(at[1]))
        local.look(at, partial(lambda seen: seen, bucket), at[1])
        assert local.seen is not None
        assert (local.seen().granted, local.expires) == (shown, shown)
