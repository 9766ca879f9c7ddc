import pytest

from okx_async.simulator.api.signature import signature

A = ("22582BD0CFF14C41EDBF1AB98506286D", "2026-01-15T23:27:52.373Z")
B = ("demo-Secret/+=0123456789abcdef", "2026-02-28T00:00:00.000Z")
CLOSE = ("POST", "/api/v5/trade/close-position")

# Computed with the standard library alone, and reproduced by two third-party clients.
VECTORS = {
    "V1": (A, CLOSE, '{"instId":"BTC-USDT-SWAP","mgnMode":"cross"}', "VPvWQYohtOUEdemrDVlv56AK07M4V5iDpm6oQ/uimQo="),
    "V2": (
        A,
        CLOSE,
        '{"instId":"BTC-USDT-SWAP","mgnMode":"cross","autoCxl":true}',
        "OR5I9X7c1TSnkCv/p1H2pRxTcI8LTRXphkyzbeR/fl4=",
    ),
    "V3": (
        A,
        CLOSE,
        '{"instId":"ETH-USDT-SWAP","mgnMode":"isolated","posSide":"long","autoCxl":false,"clOrdId":"c1A2b3","tag":"desk7"}',
        "GhswlFqExT1jMD4wYNY39U+7/YdSCWTw1rB0WsG6oik=",
    ),
    "V4": (
        A,
        CLOSE,
        '{"instId":"BTC-USDT","mgnMode":"cross","ccy":"USDT"}',
        "/B3LEd23fUFwKXbGJmldF+PR8LbSrRLjTBdmPo4zbhw=",
    ),
    "V5": (A, ("GET", "/api/v5/account/config"), "", "cHH0x86xShUX8OQpECXvA+NL1yXAc6sKvoLWtYJQjAs="),
    "V6": (
        A,
        ("GET", "/api/v5/account/positions?instId=BTC-USDT-SWAP"),
        "",
        "oAMARVuzhkWVJ3+FBznoKrs3DN0WfzDlEmrkyJGuIrU=",
    ),
    "V7": (
        A,
        ("GET", "/api/v5/account/positions?instId=BTC-USDT-SWAP%2CETH-USDT-SWAP"),
        "",
        "rMVpMzB8KiKC3+Fe/8iC5zkASOip+3x12xEFv6/RaPo=",
    ),
    "V8": (
        A,
        ("GET", "/api/v5/account/positions?instId=BTC-USDT-SWAP,ETH-USDT-SWAP"),
        "",
        "M/01GcE7BYPZJNy/MDR+pH3dIXBjEVYbyfinRTFVBko=",
    ),
    "V9": (
        A,
        ("GET", "/api/v5/trade/orders-pending?instType=SWAP&instId=BTC-USDT-SWAP"),
        "",
        "whQ1Fh10fBqElyp+CMDmzZ3qemMSlhXlz4QStEdhx7k=",
    ),
    "V10": (
        A,
        ("POST", "/api/v5/trade/cancel-batch-orders"),
        '[{"instId":"BTC-USDT-SWAP","ordId":"590908157585625111"},{"instId":"BTC-USDT-SWAP","ordId":"590908544950571222"}]',
        "ctPZb2Fs3mpT+nhzMXLTD/YQiYDgdbJar5fq+yXBGuM=",
    ),
    "V11": (
        B,
        CLOSE,
        '{"instId":"BTC-USD-260327-60000-C","mgnMode":"isolated"}',
        "FZrqGEQu6YfYiyzQYjH3Tw0JfRTUezNvtkV1pjS60aY=",
    ),
    "V12": (
        B,
        ("POST", "/api/v5/trade/cancel-all-after"),
        '{"timeOut":"60"}',
        "1U5Pl8kRvwrV+6taiqnHcm3zDcX7zsu+rLkSA+PDHe0=",
    ),
}


@pytest.mark.parametrize(("who", "target", "body", "expected"), VECTORS.values(), ids=VECTORS)
def test_vectors(who: tuple[str, str], target: tuple[str, str], body: str, expected: str) -> None:
    assert signature(*who, *target, body.encode()) == expected


@pytest.mark.parametrize(
    ("timestamp", "path", "body"),
    [("T ", "/p", b""), ("T", "/p ", b""), ("T", "/p", b" "), ("T", "/P", b""), ("T", "/p?", b"")],
)
def test_every_byte_counts(timestamp: str, path: str, body: bytes) -> None:
    assert signature("s", timestamp, "GET", path, body) != signature("s", "T", "GET", "/p", b"")


def test_bytes_that_are_no_text_are_signed_as_they_came() -> None:
    assert len(signature("s", "\udcff", "GET", "/\udcfe", b"\xff")) == 44
