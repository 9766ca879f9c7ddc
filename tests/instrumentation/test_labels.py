from collections.abc import Callable, Hashable

import pytest

import okx_async as okx
from okx_async.instrumentation.labels import also_of, code_label, endpoint_of, environment_of, target_of


@pytest.mark.parametrize(
    ("code", "label"),
    [
        ("0", "0"),
        ("50011", "50011"),
        ("51000_posSide", "51000"),
        ("", ""),
        ("<html>", "other"),
        ("1234567", "other"),
        ("\u0661\u0662", "other"),
    ],
)
def test_a_code_is_a_label_of_few_values(code: str, label: str) -> None:
    assert code_label(code) == label


@pytest.mark.parametrize(
    ("key", "environment", "endpoint"),
    [
        (("live", "123", "BTC-USDT-SWAP"), "live", "trade/close-position"),
        (("demo", "123", "BTC-USD"), "demo", "trade/close-position"),
        (("http://127.0.0.1:8080", "123", "account/positions"), "http://127.0.0.1:8080", "account/positions"),
        (("live", "public/time"), "live", "public/time"),
        (None, "", "other"),
        ("BTC-USDT-SWAP", "other", "other"),
        (("a", "b", "c", "d"), "other", "other"),
        (frozenset({"live"}), "other", "other"),
    ],
)
def test_a_key_says_environment_and_endpoint(key: Hashable, environment: str, endpoint: str) -> None:
    assert (environment_of(key), endpoint_of(key)) == (environment, endpoint)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://openapi.okx.com/api/v5/x", ("openapi.okx.com", 443, "https", "/api/v5/x")),
        ("http://127.0.0.1:8080/api/v5/x", ("127.0.0.1", 8080, "http", "/api/v5/x")),
        ("http://[::1]/okx/api/v5/x", ("::1", 80, "http", "/okx/api/v5/x")),
        ("", ("", 443, "https", "/api/v5/trade/close-position")),
    ],
)
def test_a_url_has_parts(url: str, expected: tuple[str, int, str, str]) -> None:
    assert target_of(url) == (url, *expected)


def test_instrument_and_user_are_there_only_if_asked_for(attempt: Callable[..., okx.Attempt]) -> None:
    assert also_of(attempt(), ()) == ()
    assert also_of(attempt(), ("inst_id", "user_id")) == ("BTC-USDT-SWAP", "446556")
    assert also_of(attempt(key=None), ("user_id",)) == ("",)
