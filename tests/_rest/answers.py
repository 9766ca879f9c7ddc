"""Answers and records as OKX spells them."""

import orjson

from okx_async._rest.responses import Answer, parse

ECHO = b'{"code":"0","data":[{"clOrdId":"","instId":"BTC-USDT-SWAP","posSide":"long","tag":""}],"msg":""}'
NOT_FOUND = b'{"code":404,"data":{},"detailMsg":"","error_code":"404","error_message":"Not Found","msg":"Not Found"}'

# The sample of the positions page, as OKX spells it.
POSITION = {
    "instType": "SWAP",
    "instId": "BTC-USDT-SWAP",
    "mgnMode": "cross",
    "posId": "1725119205811617792",
    "posSide": "net",
    "pos": "-3",
    "availPos": "",
    "avgPx": "60082.2",
    "markPx": "60087.9",
    "upl": "-0.17",
    "ccy": "USDT",
    "posCcy": "",
    "closeOrderAlgo": [],
    "cTime": "1768519600123",
    "uTime": "1768519611456",
}


def listing(*records: object) -> Answer:
    """Return the answer that lists these records."""
    return parse(200, orjson.dumps({"code": "0", "msg": "", "data": records}))
