from typing import Any
from unittest.mock import Mock

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


@pytest.mark.parametrize("name", ["_build_url", "_prepare_headers", "headers", "__getattribute__"])
async def test_one_that_rewrites_requests_is_refused_by_what_it_overrides(name: str) -> None:
    def answers(self: Any, *arguments: Any) -> Any:
        return getattr(aiohttp.ClientSession, name)(self, *arguments)

    class Mixin:
        pass

    setattr(Mixin, name, property(dict) if name == "headers" else answers)
    kind = type("Rewriting", (Mixin, aiohttp.ClientSession), {})
    async with kind() as session:
        with pytest.raises(InvalidRequestError, match=rf"session is a Rewriting.* It overrides {name}\)"):
            check_session(session)


async def test_a_request_class_or_response_class_that_answers_by_itself_is_refused() -> None:
    class Request(aiohttp.ClientRequest):
        async def send(self, conn: Any) -> Any:
            return await super().send(conn)

    class Response(aiohttp.ClientResponse):
        async def start(self, connection: Any) -> Any:
            return await super().start(connection)

    async with aiohttp.ClientSession(request_class=Request) as session:
        with pytest.raises(InvalidRequestError, match="session has the request_class Request, which overrides send:"):
            check_session(session)
    async with aiohttp.ClientSession(response_class=Response) as session:
        with pytest.raises(InvalidRequestError, match="session has the response_class Response, which overrides start"):
            check_session(session)


async def test_response_classes_that_only_read_in_another_way_are_harmless() -> None:
    class Response(aiohttp.ClientResponse):
        async def json(self, **options: Any) -> Any:
            return await super().json(**options)

        def noted(self) -> str:
            return repr(self)

    class Named(aiohttp.ClientSession):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)

        async def close(self) -> None:
            await super().close()

    async with Named(response_class=Response) as session:
        check_session(session)


def test_a_mock_of_a_session_is_none() -> None:
    with pytest.raises(InvalidRequestError, match=r"must be an aiohttp.ClientSession, got Mock; a wrapper"):
        check_session(Mock(spec=aiohttp.ClientSession))


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
