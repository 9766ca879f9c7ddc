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


def test_keys_are_texts_in_a_store() -> None:
    for key in (("live", "1", "BTC-USDT-SWAP"), ('"', ","), ()):
        assert key_of(key_text(key)) == key
    assert key_text(("a", "b")) != key_text(("a,b",))
