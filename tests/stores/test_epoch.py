from dataclasses import replace
from math import inf

import pytest

from okx_async import InvalidRequestError, Quota
from okx_async.stores.epoch import VERSION, Epoch, check_terms, enter, lives
from okx_async.stores.lease import PPM, SharedBucket, Terms, Token

TERMS = Terms(lease=8.0, doubt_grace=5.0)
QUOTA = Quota(20, 2.0)
NOW = 100.0
OLD = Epoch("run 1", 50.0, TERMS)


def test_an_epoch_that_the_store_remembers_goes_on() -> None:
    assert enter(OLD, "run 1", NOW, TERMS) is OLD
    assert OLD.opens(QUOTA) == -inf


@pytest.mark.parametrize("stored", [None, OLD])
def test_after_a_loss_of_memory_nothing_is_granted_until_no_unknown_holder_can_matter(stored: Epoch | None) -> None:
    epoch = enter(stored, "run 2", NOW, TERMS)
    assert (epoch.run, epoch.since) == ("run 2", NOW)
    assert epoch.opens(QUOTA) == pytest.approx(NOW + TERMS.hold(QUOTA))
    assert epoch.opens(Quota(5, 10.0)) > epoch.opens(QUOTA) + 8.0


def test_holders_that_are_known_to_be_gone_shorten_the_pause() -> None:
    epoch = enter(None, "run 2", NOW, TERMS, gone_by=0.0)
    assert epoch.opens(QUOTA) == pytest.approx(5.0 * (1 + PPM) + 2.003)


def test_a_clock_that_jumped_ahead_is_a_loss_of_memory_too() -> None:
    assert enter(OLD, "run 1", NOW, TERMS, estimate=NOW - 0.01) is OLD
    assert enter(OLD, "run 1", NOW, TERMS, estimate=NOW + 5.0) is OLD
    assert enter(OLD, "run 1", NOW, TERMS, estimate=NOW - 0.03).opens(QUOTA) > NOW


def test_the_pause_does_not_wait_until_a_clock_that_was_set_back_has_caught_up() -> None:
    paused = enter(None, "run 2", NOW + 3600.0, TERMS)
    later = enter(paused, "run 2", NOW, TERMS)
    assert (later.run, later.since) == ("run 2", NOW)
    assert later.opens(QUOTA) == pytest.approx(NOW + TERMS.hold(QUOTA))
    assert enter(replace(paused, unknown_until=None), "run 2", NOW, TERMS).unknown_until is None


def test_a_store_of_a_newer_version_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match=f"format {VERSION + 1}, this one knows {VERSION}"):
        enter(replace(OLD, version=VERSION + 1), "run 1", NOW, TERMS)


def test_other_terms_are_refused_by_name() -> None:
    check_terms(OLD, TERMS)
    with pytest.raises(InvalidRequestError) as raised:
        check_terms(OLD, Terms(lease=9.0, doubt_grace=30.0))
    assert str(raised.value) == (
        "programs that share limits must agree on their terms: lease=9 here, 8 there; doubt_grace=30 here, 5 there; a "
        "program or command that has its limits from OKX_LIMITS is told so by ?lease=8&doubt_grace=5 at its end; "
        "OKX_LIMITS=process okx-async flatten exits with limits of its own"
    )


def test_what_another_boot_id_wrote_is_of_this_run_of_the_host_if_its_clock_says_so() -> None:
    epoch = Epoch("boot-1:7", 100.0, TERMS)

    def bucket(at: float | None = None, refused: float | None = None) -> SharedBucket:
        tokens = {} if at is None else {"a": Token("me", at, at + 15.0)}
        return SharedBucket(Quota(), TERMS, tokens, blocked_until=999.0, refused_at=refused)

    assert lives(epoch, [bucket(50.0), bucket(107.0)], 108.0)
    assert lives(epoch, [bucket(refused=107.0)], 108.0)
    assert lives(replace(epoch, unknown_until=108.0), [], 108.0), "a pause goes on"
    assert not lives(epoch, [bucket(50.0), bucket(107.0)], 106.0), "the clock began anew"
    assert not lives(replace(epoch, unknown_until=108.0), [], 99.0)
    assert not lives(epoch, [], 108.0)
    assert not lives(epoch, [bucket()], 108.0), "a block alone says nothing of when it began"
