from typing import Any

import aiohttp
import pytest
from aioresponses import aioresponses

from okx_async import Client, Credentials, InvalidRequestError, OutcomeUnknownError
from okx_async._http.sessions import check_session, genuine, overridden

pytestmark = pytest.mark.filterwarnings(
    "ignore:Inheritance class:DeprecationWarning", "ignore:Setting custom:DeprecationWarning"
)

ANSWER = b'{"code":"0","data":[],"msg":""}'


async def test_a_plain_session_is_genuine() -> None:
    async with aiohttp.ClientSession() as session:
        check_session(session)
        assert genuine(session)
        assert not overridden(session)


@pytest.mark.parametrize("name", ["request", "_request"])
@pytest.mark.parametrize("where", ["class", "instance"])
async def test_one_with_a_way_of_its_own_is_refused(name: str, where: str) -> None:
    def answers(*_: object, **__: object) -> None:
        raise AssertionError

    kind = type("Caching", (aiohttp.ClientSession,), {name: answers} if where == "class" else {})
    async with kind() as session:
        if where == "instance":
            vars(session)[name] = answers
        assert overridden(session)
        assert not genuine(session)
        with pytest.raises(
            InvalidRequestError, match=r"session is a Caching, which makes requests in a way of its own"
        ):
            Client(Credentials("k", "s", "p"), session=session)


async def test_a_subclass_that_leaves_requests_alone_is_none() -> None:
    class Named(aiohttp.ClientSession):
        async def get_json(self, url: str) -> Any:
            async with self.get(url) as response:
                return await response.json()

    async with Named() as session:
        check_session(session)
        assert genuine(session)


async def test_a_mock_of_the_whole_class_is_no_way_of_its_own(mocked: aioresponses) -> None:
    mocked.get("https://openapi.okx.com/api/v5/account/positions", body=ANSWER)
    async with aiohttp.ClientSession() as session:
        check_session(session)
        assert not overridden(session)
        assert not genuine(session)
        async with Client(Credentials("k", "s", "p"), session=session, user_id="1") as client:
            assert await client.positions() == []


async def test_an_answer_of_a_session_that_was_changed_later_is_none(mocked: aioresponses) -> None:
    """A reading from a cache would prove that nothing is open."""
    mocked.get("https://openapi.okx.com/api/v5/account/positions", body=ANSWER, repeat=True)
    async with (
        aiohttp.ClientSession() as session,
        Client(Credentials("k", "s", "p"), session=session, user_id="1") as client,
    ):
        vars(session)["_request"] = session._request
        client._caller._random = lambda: 0.0
        with pytest.raises(OutcomeUnknownError, match="the session answered by itself"):
            await client.positions()
