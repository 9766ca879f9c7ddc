from datetime import UTC, datetime
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from okx_async._credentials import Credentials
from okx_async._errors import NotSentError
from okx_async._models import ClosePosition
from okx_async._rest.signing import Signer, sign

# Computed with the standard library, reproduced with two other clients (OKX's own SDK among them).
A = ("22582BD0CFF14C41EDBF1AB98506286D", "2026-01-15T23:27:52.373Z")
B = ("demo-Secret/+=0123456789abcdef", "2026-02-28T00:00:00.000Z")
VECTORS = {
    "V1": (
        *(*A, "POST", "/api/v5/trade/close-position"),
        b'{"instId":"BTC-USDT-SWAP","mgnMode":"cross"}',
        "VPvWQYohtOUEdemrDVlv56AK07M4V5iDpm6oQ/uimQo=",
    ),
    "V2": (
        *(*A, "POST", "/api/v5/trade/close-position"),
        b'{"instId":"BTC-USDT-SWAP","mgnMode":"cross","autoCxl":true}',
        "OR5I9X7c1TSnkCv/p1H2pRxTcI8LTRXphkyzbeR/fl4=",
    ),
    "V3": (
        *(*A, "POST", "/api/v5/trade/close-position"),
        (
            b'{"instId":"ETH-USDT-SWAP","mgnMode":"isolated","posSide":"long","autoCxl":false,'
            b'"clOrdId":"c1A2b3","tag":"desk7"}'
        ),
        "GhswlFqExT1jMD4wYNY39U+7/YdSCWTw1rB0WsG6oik=",
    ),
    "V4": (
        *(*A, "POST", "/api/v5/trade/close-position"),
        b'{"instId":"BTC-USDT","mgnMode":"cross","ccy":"USDT"}',
        "/B3LEd23fUFwKXbGJmldF+PR8LbSrRLjTBdmPo4zbhw=",
    ),
    "V5": (*(*A, "GET", "/api/v5/account/config"), b"", "cHH0x86xShUX8OQpECXvA+NL1yXAc6sKvoLWtYJQjAs="),
    "V6": (
        *(*A, "GET", "/api/v5/account/positions?instId=BTC-USDT-SWAP"),
        b"",
        "oAMARVuzhkWVJ3+FBznoKrs3DN0WfzDlEmrkyJGuIrU=",
    ),
    "V7": (
        *(*A, "GET", "/api/v5/account/positions?instId=BTC-USDT-SWAP%2CETH-USDT-SWAP"),
        b"",
        "rMVpMzB8KiKC3+Fe/8iC5zkASOip+3x12xEFv6/RaPo=",
    ),
    "V8": (
        *(*A, "GET", "/api/v5/account/positions?instId=BTC-USDT-SWAP,ETH-USDT-SWAP"),
        b"",
        "M/01GcE7BYPZJNy/MDR+pH3dIXBjEVYbyfinRTFVBko=",
    ),
    "V9": (
        *(*A, "GET", "/api/v5/trade/orders-pending?instType=SWAP&instId=BTC-USDT-SWAP"),
        b"",
        "whQ1Fh10fBqElyp+CMDmzZ3qemMSlhXlz4QStEdhx7k=",
    ),
    "V10": (
        *(*A, "POST", "/api/v5/trade/cancel-batch-orders"),
        (
            b'[{"instId":"BTC-USDT-SWAP","ordId":"590908157585625111"},'
            b'{"instId":"BTC-USDT-SWAP","ordId":"590908544950571222"}]'
        ),
        "ctPZb2Fs3mpT+nhzMXLTD/YQiYDgdbJar5fq+yXBGuM=",
    ),
    "V11": (
        *(*B, "POST", "/api/v5/trade/close-position"),
        b'{"instId":"BTC-USD-260327-60000-C","mgnMode":"isolated"}',
        "FZrqGEQu6YfYiyzQYjH3Tw0JfRTUezNvtkV1pjS60aY=",
    ),
    "V12": (
        *(*B, "POST", "/api/v5/trade/cancel-all-after"),
        b'{"timeOut":"60"}',
        "1U5Pl8kRvwrV+6taiqnHcm3zDcX7zsu+rLkSA+PDHe0=",
    ),
}
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
