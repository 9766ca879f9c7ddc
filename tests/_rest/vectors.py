"""Requests whose signatures are known: secret, timestamp, method, path, body, signature.

Computed with the standard library, reproduced with two other clients (OKX's own SDK among them).
"""

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
