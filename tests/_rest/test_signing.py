from datetime import UTC, datetime
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from okx_async._credentials import Credentials
from okx_async._errors import NotSentError
from okx_async._models import ClosePosition
from okx_async._rest.signing import Signer, sign
from tests._rest.vectors import VECTORS

REQUEST = ClosePosition("BTC-USDT-SWAP", "cross")


@pytest.mark.parametrize("name", VECTORS)
def test_signature(name: str) -> None:
    secret, timestamp, method, path, body, signature = VECTORS[name]
    assert sign(secret, timestamp, method, path, body) == signature


@pytest.mark.parametrize("name", VECTORS)
@pytest.mark.parametrize("demo", [False, True])
def test_signed_headers(name: str, demo: bool) -> None:  # noqa: FBT001 - a parameter of the table
    secret, timestamp, method, path, body, signature = VECTORS[name]
    signer = Signer(Credentials("the-key", secret, "pass phrase"), demo=demo)
    expected = {
        "OK-ACCESS-KEY": "the-key",
        "OK-ACCESS-SIGN": signature,
        "OK-ACCESS-TIMESTAMP": timestamp,
        "OK-ACCESS-PASSPHRASE": "pass phrase",
        "Accept-Encoding": "identity",
    }
    if demo:
        expected["x-simulated-trading"] = "1"
    if method == "POST":
        expected["Content-Type"] = "application/json"
        expected["Content-Length"] = str(len(body))
    else:
        expected["Cache-Control"] = "no-cache"
    now = datetime.fromisoformat(timestamp).timestamp()
    assert signer.headers(method, path, body, now) == expected
    assert signer.headers(method, path, body, now) == expected  # nothing is left over from the first time


@pytest.mark.parametrize(
    ("now", "timestamp"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1768519672.373, "2026-01-15T23:27:52.373Z"),
        (1768519672.3739, "2026-01-15T23:27:52.373Z"),
        (1768519672.0, "2026-01-15T23:27:52.000Z"),
        (1768519672.9999, "2026-01-15T23:27:52.999Z"),
        (1772236799.9999999, "2026-02-28T00:00:00.000Z"),
        (1709164800, "2024-02-29T00:00:00.000Z"),
        (253402300799.999, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_timestamp(now: float, timestamp: str) -> None:
    signer = Signer(Credentials("k", "s", "p"), demo=False)
    assert signer.headers("GET", "/", b"", now)["OK-ACCESS-TIMESTAMP"] == timestamp


@pytest.mark.parametrize("now", [nan, inf, -inf, -0.001, 253402300800.0, 1.7e15, 1e300])
def test_a_time_that_is_none_is_not_signed_by(now: float) -> None:
    signer = Signer(Credentials("k", "s", "p"), demo=False)
    with pytest.raises(NotSentError, match=r"nothing was sent: .* is no time to sign by: check wall_clock"):
        signer.headers("GET", "/", b"", now)
    assert signer.headers("GET", "/", b"", 0.0)["OK-ACCESS-TIMESTAMP"] == "1970-01-01T00:00:00.000Z"


@given(st.lists(st.integers(0, 4_102_444_800_000), min_size=1, max_size=5))
def test_timestamps_are_true_to_the_millisecond(millis: list[int]) -> None:
    signer = Signer(Credentials("k", "s", "p"), demo=False)
    for each in millis:
        text = signer.headers("GET", "/", b"", each / 1000)["OK-ACCESS-TIMESTAMP"]
        second = datetime.fromtimestamp(each // 1000, UTC)
        assert text == f"{second:%Y-%m-%dT%H:%M:%S}.{each % 1000:03}Z"


def test_the_signer_shows_no_secret() -> None:
    signer = Signer(Credentials("0123456789abcdef", "top-secret", "pass-phrase"), demo=True)
    assert repr(signer) == "Signer(Credentials(api_key='0123…'), demo=True)"
    assert not hasattr(signer, "__dict__")
