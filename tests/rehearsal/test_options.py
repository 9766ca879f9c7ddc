"""The options of a rehearsal."""

from okx_async.rehearsal.options import Options


def test_without_a_word_nothing_is_traded_with_real_money() -> None:
    assert Options().demo
    assert Options().live_uid is None
