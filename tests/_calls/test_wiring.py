from typing import cast

import pytest

from okx_async import InvalidRequestError, Limiter, OutcomeUnknownError
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


class Leased(Limiter):
    lease = 8.0


@pytest.mark.parametrize(("answer", "allowed"), [(5.0, True), (5.5, False)])
async def test_a_client_whose_requests_outlive_their_slots_is_refused(answer: float, *, allowed: bool) -> None:
    def make() -> Wiring:
        return wire_caller(MADE_UP, "https://openapi.okx.com", limiter=Leased(), connect_timeout=2.0, timeout=answer)

    if allowed:
        make()
        return
    with pytest.raises(InvalidRequestError, match="at most 7 s with a limiter whose lease is 8 s, got 7"):
        make()
