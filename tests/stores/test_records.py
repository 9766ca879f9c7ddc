import pytest

from okx_async import Quota
from okx_async.stores.epoch import Epoch
from okx_async.stores.lease import SharedBucket, Terms
from okx_async.stores.line import Ask, serve
from okx_async.stores.records import (
    UnreadableError,
    key_of,
    key_text,
    read_bucket,
    read_epoch,
    write_bucket,
    write_epoch,
)

TERMS = Terms(rtt_floor=0.01)


def test_a_bucket_is_read_as_it_was_written() -> None:
    bucket = SharedBucket(Quota(2, 2.0, 1), TERMS)
    serve(bucket, 100.1, "a", [Ask("w1", "t1"), Ask("w2", "t2", panic=True), Ask("w3", "t3")])
    bucket.settle(100.2, "t1", "a", age=1 / 3)
    assert read_bucket(write_bucket(bucket), TERMS) == bucket
    bucket.refuse(100.3, 2.0)
    assert read_bucket(write_bucket(bucket), TERMS) == bucket


def test_an_epoch_is_read_as_it_was_written() -> None:
    for epoch in (Epoch("run", 1.5, TERMS), Epoch("run", 1.5, TERMS, 9.25, 3)):
        assert read_epoch(write_epoch(epoch)) == epoch


@pytest.mark.parametrize("record", [b"", b"{}", b"[]", b"[[20,2,0],[],[]]", b"[[0,2,0],[],[],[0,null,0,0,0]]", b"\xff"])
def test_what_is_no_record_is_said_to_be_none(record: bytes) -> None:
    with pytest.raises(UnreadableError, match="cannot be read"):
        read_bucket(record, TERMS)
    with pytest.raises(UnreadableError, match="cannot be read"):
        read_epoch(record)


BUCKET = '[[20,2,0],[["t","h",1.5,2,true]],[["w","h",false,1.5,2]],[0,null,0,0,1]]'
EPOCH = (
    '{"run":"r","since":1.5,"terms":{"lease":8,"doubt_grace":5,"guard":0,"rtt_floor":0},'
    '"unknown_until":null,"version":1}'
)


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ('"t"', "1"),
        ('"h",1.5', '"h",[1]'),
        ("1.5,2,true", '1.5,"2",true'),
        ("true", "1"),
        ("false", "null"),
        ("[0,null", "[null,null"),
        ("[0,null", '[0,"x"'),
        ("0,0,1]", "0,0,{}]"),
    ],
)
def test_a_damaged_part_of_a_bucket_is_said(good: str, bad: str) -> None:
    read_bucket(BUCKET.encode(), TERMS)
    assert BUCKET.count(good) == 1
    with pytest.raises(UnreadableError, match="cannot be read"):
        read_bucket(BUCKET.replace(good, bad).encode(), TERMS)


@pytest.mark.parametrize(
    ("good", "bad"), [('"r"', "[]"), ("1.5", "null"), ('"lease":8', '"lease":"8"'), ("null", '""'), ("1}", "[]}")]
)
def test_a_damaged_part_of_an_epoch_is_said(good: str, bad: str) -> None:
    read_epoch(EPOCH.encode())
    assert EPOCH.count(good) == 1
    with pytest.raises(UnreadableError, match="cannot be read"):
        read_epoch(EPOCH.replace(good, bad).encode())


def test_keys_are_texts_in_a_store() -> None:
    for key in (("live", "1", "BTC-USDT-SWAP"), ('"', ","), ()):
        assert key_of(key_text(key)) == key
    assert key_text(("a", "b")) != key_text(("a,b",))
    for text in ("", "x", "5", '"ab"', "[1]", '{"a":1}'):
        with pytest.raises(UnreadableError, match="the name of a key"):
            key_of(text)
