import os
from pathlib import Path

import pytest

from okx_async import InvalidRequestError, Quota
from okx_async.stores import SqliteLimiter
from okx_async.stores._sqlite.transactions import Database
from okx_async.stores.lease import Terms
from okx_async.stores.reports import report, try_out
from okx_async.stores.store import StoreError

KEY = ("live", "1", "BTC-USDT-SWAP")


async def test_a_report_shows_who_holds_what_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "limits"
    limiter = SqliteLimiter(path, Quota(3, 5.0), lease=30.0)  # a report takes any terms
    async with limiter.slot(KEY):
        async with limiter.slot(KEY):
            pass
        await limiter.block(KEY, 60.0)
        await limiter.vouch()  # by then all that was told is there
        [key] = report(path).keys
        assert (key.key, key.quota, key.free, key.in_flight, key.cooling) == (KEY, Quota(3, 5.0), 1, 1, 1)
        assert key.holders == {str(os.getpid()): 2}
        assert 0 < key.next_free <= 5.1
        assert 58 < key.blocked <= 60
        assert limiter.statistics(KEY).in_flight == 1
    await limiter.aclose()


def test_a_missing_file_is_not_made(tmp_path: Path) -> None:
    found = report(tmp_path / "limits")
    assert (found.keys, found.paused) == ((), 0.0)
    assert not list(tmp_path.iterdir())


def test_a_missing_file_in_a_place_that_must_not_be_used_is_said(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="File name too long"):
        report(tmp_path / ("x" * 300))
    tmp_path.chmod(0o777)
    with pytest.raises(InvalidRequestError, match="other users may write"):
        report(tmp_path / "limits")


def test_a_file_that_lost_its_memory_says_so_until_somebody_vouches(tmp_path: Path) -> None:
    path = tmp_path / "limits"
    database = Database(path, Terms())
    database.transact(lambda _: None, 1e18)
    database.close()
    copy = tmp_path / "copy"
    copy.write_bytes(path.read_bytes())
    copy.chmod(0o600)
    copy.rename(path)
    assert 14.0 < report(path).paused < 16.0
    assert report(path, vouch=True).paused == 0.0
    assert report(path).paused == 0.0


def test_a_file_that_cannot_be_used_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "limits"
    path.write_bytes(b"x" * 1000)
    with pytest.raises(InvalidRequestError, match="chmod 600"):
        report(path)
    path.chmod(0o600)
    with pytest.raises(StoreError, match="damaged"):
        report(path)


async def test_a_file_is_tried_out(tmp_path: Path) -> None:
    path = tmp_path / "limits"
    try_out(path)
    before = report(path)
    limiter = SqliteLimiter(path, lease=30.0)
    async with limiter.slot(KEY):
        with pytest.raises(InvalidRequestError, match="lease=8 here, 30 there"):
            try_out(path)
    await limiter.aclose()
    path.write_bytes(b"x" * 1000)
    with pytest.raises(StoreError, match="damaged"):
        try_out(path)
    assert before.keys == ()


def test_a_file_that_nothing_can_be_written_to_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Database, "write_epoch", full)
    with pytest.raises(StoreError, match="No space left"):
        try_out(tmp_path / "limits")
