import pytest

from okx_async.instrumentation import combine
from okx_async.instrumentation.hooks import check_also


def test_each_function_is_called_whatever_another_raises(caplog: pytest.LogCaptureFixture) -> None:
    first: list[str] = []
    last: list[str] = []

    def fails(_: str) -> None:
        raise OSError("disk full")

    call = combine(first.append, fails, last.append)
    call("value")
    assert (first, last) == (["value"], ["value"])
    assert "disk full" in caplog.text


def test_what_ends_the_process_goes_on() -> None:
    def stops(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        combine(stops)("value")


def test_further_labels_have_one_order() -> None:
    assert check_also(["user_id", "inst_id", "user_id"]) == ("inst_id", "user_id")
    with pytest.raises(ValueError, match="also must be of inst_id, user_id, got 'passphrase'"):
        check_also(["passphrase"])
