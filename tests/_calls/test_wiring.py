from typing import cast

import pytest

from okx_async import InvalidRequestError, Limiter, OutcomeUnknownError, Priority, RejectedError
from okx_async._calls.wiring import Wiring, wire_caller
from okx_async._http.bodies import Reply
from okx_async._http.transport import Transport
from okx_async._limiter.default import default_limiter
from okx_async._rest.requests import ApiRequest, positions
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


@pytest.mark.parametrize(
    ("base_url", "inst_id", "told"),
    [
        ("https://eea.okx.com", "BTC-USDT-SWAP", True),
        ("https://eea.okx.com", "BTC-USD_UM_XPERP-310404", False),
        ("https://us.okx.com", "BTC-USDT-SWAP", False),
    ],
)
async def test_a_swap_that_is_not_listed_at_the_home_of_the_eea(base_url: str, inst_id: str, *, told: bool) -> None:
    wire = Wire()
    wire.answer = Reply(400, b'{"code":"51001","data":[],"msg":"Instrument does not exist"}', None)
    parts = wire_caller(MADE_UP, base_url, user_id="1", limiter=Limiter(), transport=cast("Transport", wire))
    for request in (
        ApiRequest("POST", "/api/v5/trade/close-position", b"{}", inst_id),
        positions([inst_id]),
    ):
        with pytest.raises(RejectedError) as caught:
            await parts.caller.call(request, Priority.NORMAL, 0.0)
        assert ("region='eea' has no SWAP ids" in str(caught.value)) is told
    await parts.uid_lookup.aclose()
    parts.sender.close()


async def test_what_a_host_counts_as_is_a_part_of_the_keys() -> None:
    there = "https://mirror.example"
    assert wire_caller(MADE_UP, there, user_id="1").identity.key("X") == (there, "1", "X")
    assert wire_caller(MADE_UP, there, user_id="1", counts_as="live").identity.key("X") == ("live", "1", "X")


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
    with pytest.raises(InvalidRequestError, match="at most 7 s with a limiter whose lease is 8 s, got 7") as raised:
        make()
    assert "lower one of them, or use limits of this process alone (limiter=Limiter(), or OKX_" in str(raised.value)
