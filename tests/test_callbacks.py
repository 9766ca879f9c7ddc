import asyncio

import pytest

from okx_async import (
    ClosePosition,
)
from okx_async._callbacks import notify
from okx_async._rest.requests import ApiRequest

pytestmark = pytest.mark.virtual

REQUEST = ClosePosition("BTC-USDT-SWAP", "cross")
CLOSE = ApiRequest("POST", "/api/v5/trade/close-position", b"{}", "BTC-USDT-SWAP")
READ = ApiRequest("GET", "/api/v5/account/positions", b"", "account/positions")
KEY = ("live", "123", "BTC-USDT-SWAP")


UNSENT = "no connection"


def test_what_a_callback_raises_is_logged_and_no_more(caplog: pytest.LogCaptureFixture) -> None:
    told: list[object] = []
    notify(told.append, "value")
    notify(lambda _: 1 / 0, "value")
    assert told == ["value"]
    assert "ZeroDivisionError" in caplog.text


def test_a_coroutine_that_a_callback_returns_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    async def later(value: object) -> None:
        raise AssertionError(value)

    notify(lambda value: later(value), "value")  # noqa: PLW0108 - as a caller would write it
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "was not awaited" in caplog.text


@pytest.mark.parametrize("raised", [asyncio.CancelledError(), GeneratorExit(), ValueError("x")], ids=repr)
def test_nothing_that_a_callback_raises_gets_out(raised: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    def callback(_value: object) -> None:
        raise raised

    notify(callback, "value")
    assert type(raised).__name__ in caplog.text


def test_nothing_that_a_callbacks_answer_raises_gets_out(caplog: pytest.LogCaptureFixture) -> None:
    class Lazy:
        """As the proxies of web frameworks are, outside of a request."""

        def __getattribute__(self, name: str) -> object:
            raise RuntimeError("working outside of request context")

    notify(lambda _: Lazy(), "value")
    assert "working outside of request context" in caplog.text


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_process_goes_on_and_tells_the_value(
    stop: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    def callback(_value: object) -> None:
        raise stop

    with pytest.raises(stop) as caught:
        notify(callback, "what became of it")
    assert "what became of it" in caught.value.__notes__[0]
    assert "what became of it" in caplog.text
