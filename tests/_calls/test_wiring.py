from typing import cast

import pytest

from okx_async import Limiter, OutcomeUnknownError
from okx_async._calls.wiring import Wiring, wire_caller
from okx_async._http.transport import Reply, Transport
from okx_async._limiter.limiter import default_limiter
from tests.conftest import MADE_UP, Wire

pytestmark = pytest.mark.virtual


def wired(body: bytes) -> Wiring:
    wire = Wire()
    wire.answer = Reply(200, body, None)
    return wire_caller(MADE_UP, "https://openapi.okx.com", limiter=Limiter(), transport=cast("Transport", wire))


async def test_the_user_id_is_asked_of_the_exchange() -> None:
    parts = wired(b'{"code":"0","data":[{"uid":"123"}],"msg":""}')
    await parts.uid_lookup.known(None)
    assert parts.identity.key("BTC-USDT-SWAP") == ("live", "123", "BTC-USDT-SWAP")
    await parts.uid_lookup.aclose()
    parts.sender.close()


async def test_an_answer_without_a_user_id_is_an_error() -> None:
    parts = wired(b'{"code":"0","data":[{}],"msg":""}')
    with pytest.raises(OutcomeUnknownError, match="account/config: the answer names no uid"):
        await parts.uid_lookup._fetch()
    parts.sender.close()


async def test_without_a_limiter_the_parts_share_that_of_the_process() -> None:
    assert wire_caller(MADE_UP, "https://openapi.okx.com").limiter is default_limiter()
