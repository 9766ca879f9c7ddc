import logging

import pytest

from okx_async import Quota
from okx_async.stores.notices import Notices


def test_each_thing_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    notices = Notices()
    for _ in range(2):
        notices.quota(("k",), Quota(20, 2.0), Quota(10, 2.0))
        notices.quota(("k",), Quota(30, 2.0), Quota(10, 2.0))
        notices.pause(110.0, 10.0)
    notices.pause(110.5, 10.0)  # of another part of the keys of a server
    notices.pause(120.0, 10.0)
    assert len(caplog.records) == 4
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    assert "('k',) is in use with another quota than Quota(limit=20, per=2.0, reserve=0)" in caplog.text
    assert "nothing is granted for 10.0 s" in caplog.text
