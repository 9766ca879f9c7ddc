from struct import pack, unpack_from
from typing import Any

import pytest

from okx_async import Quota
from okx_async.stores._agent.waiters import Note
from okx_async.stores._redis.messages import (
    NEVER,
    TAGS,
    Frame,
    Visit,
    bucket_name,
    epoch_name,
    micro,
    read_seen,
    tag_of,
    terms_of,
    write_visit,
)
from okx_async.stores.lease import Terms, Token
from okx_async.stores.line import Ask

KEY = ("live", "1", "BTC-USDT-SWAP")


def test_a_duration_is_rounded_up_but_not_by_the_noise_of_floats() -> None:
    assert [micro(2.003), micro(0.1 + 0.2), micro(0.0000011), micro(0.0)] == [2003000, 300000, 2, 0]


def test_the_bucket_of_a_key_and_its_epoch_have_one_hash_tag() -> None:
    tag = f"{{p-{tag_of(KEY)}}}"
    assert 0 <= tag_of(KEY) < TAGS
    assert tag in epoch_name("p", tag_of(KEY))
    assert tag in bucket_name("p", KEY)
    assert epoch_name("p", 1) != epoch_name("q", 1)


def test_ages_count_until_the_moment_of_the_message() -> None:
    visit = Visit(
        KEY,
        Quota(3, 2.0),
        [Note("settle", "t", 9.5), Note("settle", "t", 10.5)],
        [Ask("w", "u", panic=True)],
        held={"a": Token("me", 8.0, 12.0), "gone": Token("me", 1.0, 10.0)},
    )
    frame = Frame("r", NEVER, terms_of(Terms()), "me", 7)
    message = write_visit(visit, 10.0, 9.75, frame)
    what, _, serve, notes, held, asks, expected, *terms, not_after, limit, per, reserve = unpack_from(
        "<BBBHHHdddddddd", message
    )
    assert (what, serve, notes, held, asks) == (3, 0, 2, 1, 1)
    assert (expected, terms, not_after) == (-1, [8_000_000, 5_000_000, 3_000], 7)
    assert (limit, per, reserve) == (3, 2_000_000, 0)
    head = b"\1\0r\2\0me"
    settled = pack("<B24sdd", 0, b"t", 500_000, 0) + pack("<B24sdd", 0, b"t", 0, 0)
    own = pack("<24sddB", b"a", 2_000_000, 2_000_000, 0)
    assert message[73:] == head + settled + own + pack("<24sdBBH", b"u", 250_000, 1, 1, 1) + b"w"


def reply(*, ident: bytes = b"mine", limit: int = 3) -> list[Any]:
    """Return what the script answers to two asks."""
    head = pack("<4s7d6I", b"okxb", 9_000_000, 0, 2_000_000, 6_000_000, -1, 2, 7, limit, 1, 0, 9, 1, 1)
    tokens = pack("<24sIdd", b"", 4, 3_000_000, 5_250_000) + pack("<24sIdd", ident, 1, 4_000_000, 8_000_000)
    answers = pack("<ddd", 5_000_000, 0, 0) + pack("<ddd", -1, 5_500_000, 6_500_000)
    told = pack("<ddIIBB", -1, 9_000_000, 1, len(answers), 0, 1)
    return [b"ok", 5_000_000, 1, told + answers + head + b"me\0other\0" + tokens]


def test_times_of_a_reply_count_from_its_arrival() -> None:
    seen = read_seen(reply(), 100.0, "me", Terms())
    assert [(answer.at, answer.again, answer.earliest) for answer in seen.answers] == [
        (100.0, 95.0, 95.0),
        (None, 100.5, 101.5),
    ]
    assert seen.bucket.held_by("me") == {"mine": Token("me", 99.0, 103.0)}
    assert sorted(token.free_at for token in seen.bucket.tokens.values()) == [100.25, 103.0]
    assert (seen.bucket.quota, seen.bucket.blocked_until, seen.bucket.refused_at) == (Quota(3, 2.0, 1), 101.0, None)
    assert seen.pause == pytest.approx(4.0)
    assert (seen.agreed, seen.told, seen.expires) == (False, True, 104.0)


def test_the_tokens_of_a_reply_are_read_when_they_are_needed_and_what_is_damaged_in_them_ends_nothing() -> None:
    seen = read_seen(reply(ident=b"\xff"), 100.0, "me", Terms())
    assert "bucket" not in vars(seen)
    assert list(seen.bucket.held_by("me").values()) == [Token("me", 99.0, 103.0)]
    assert seen.bucket is seen.bucket
    with pytest.raises(ValueError, match="limit"):  # at once: what stands there decides nothing
        read_seen(reply(limit=0), 100.0, "me", Terms())
