"""A server that repeats what it was sent: no secret reaches an error, a log line, a repr or a traceback."""

import asyncio
import logging
import traceback
from collections.abc import Callable
from html import escape
from urllib.parse import quote

import aiohttp
import orjson
import pytest

from okx_async import ClosePosition, OkxError
from tests.sockets.conftest import OWN, Clients, Connection, Request, Script, Stub, response, silent

pytestmark = pytest.mark.usefixtures("no_uid_check")


def secrets(clients: Clients, request: Request) -> list[str]:
    """Return the texts that must not be seen: the secrets, in each spelling."""
    credentials = clients.credentials
    plain = [credentials.secret_key, credentials.passphrase, request.headers["ok-access-sign"]]
    assert request.headers["ok-access-passphrase"] == credentials.passphrase
    spellings = [text for secret in plain for text in (secret, orjson.dumps(secret).decode()[1:-1], escape(secret))]
    # Beginnings too, since texts are cut.
    return [*spellings, *(secret[:8] for secret in plain)]


def everything_said(error: BaseException) -> str:
    parts: list[str] = []
    seen: list[BaseException] = []
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop()
        if one is None or any(one is other for other in seen):
            continue
        seen.append(one)
        todo += [one.__cause__, one.__context__]
        parts += [
            str(one),
            repr(one),
            repr(one.args),
            repr(getattr(one, "__dict__", "")),
            *getattr(one, "__notes__", ()),
        ]
    return "\n".join([*parts, *traceback.format_exception(error)])


def echo(form: Callable[[Request, Clients], bytes], clients: Clients) -> Script:
    async def script(connection: Connection) -> None:
        connection.write(form(await connection.request(), clients))
        connection.transport.close()

    return script


def said(request: Request, clients: Clients) -> str:
    names = " ".join(f"{name}={value}" for name, value in request.headers.items())
    return f"{names} {clients.credentials.secret_key} {request.body.decode()}"


def in_message(request: Request, clients: Clients) -> bytes:
    return response("400 Bad Request", orjson.dumps({"code": "51000", "data": [], "msg": said(request, clients)}))


def passphrase_in_message(request: Request, _: Clients) -> bytes:
    words = f"Parameter {request.headers['ok-access-passphrase']} error"
    return response("200 OK", orjson.dumps({"code": "51000", "data": [], "msg": words}))


def slashes_escaped(request: Request, _: Clients) -> bytes:
    words = orjson.dumps({"code": "50004", "data": [], "msg": request.headers["ok-access-passphrase"]})
    return response("200 OK", words.replace(b"/", b"\\/"))


def signature_in_item(request: Request, _: Clients) -> bytes:
    item = {"sCode": "51000", "sMsg": f"Invalid {request.headers['ok-access-sign']}"}
    return response("200 OK", orjson.dumps({"code": "1", "data": [item], "msg": ""}))


def code_of_secrets(_: Request, clients: Clients) -> bytes:
    item = {"sCode": clients.credentials.passphrase, "sMsg": clients.credentials.secret_key}
    return response("200 OK", orjson.dumps({"code": "1", "data": [item], "msg": ""}))


def at_the_cut(request: Request, _: Clients) -> bytes:
    words = "x" * 190 + request.headers["ok-access-passphrase"] + request.headers["ok-access-sign"]
    return response("400 Bad Request", orjson.dumps({"code": "51000", "data": [], "msg": words}))


def in_page(request: Request, clients: Clients) -> bytes:
    return response("502 Bad Gateway", f"<pre>{escape(said(request, clients))}</pre>".encode())


def passphrase_in_page(request: Request, _: Clients) -> bytes:
    return response("403 Forbidden", f"<h1>{escape(request.headers['ok-access-passphrase'])}</h1>".encode())


def in_query(request: Request, _: Clients) -> bytes:
    return response("404 Not Found", f"?sign={quote(request.headers['ok-access-sign'], safe='')}".encode())


def in_reason(request: Request, clients: Clients) -> bytes:
    return response(f"500 {said(request, clients)}", b"")


def in_status_line(request: Request, clients: Clients) -> bytes:
    return f"{said(request, clients)}\r\n\r\n".encode()


def in_headers(request: Request, clients: Clients) -> bytes:
    return response(
        "429 Too Many Requests", b"{}", f"Retry-After: {said(request, clients)}", f"Location: /{said(request, clients)}"
    )


def in_bad_header(request: Request, clients: Clients) -> bytes:
    return response("200 OK", b"{}", f"Content-Length: {said(request, clients)}", f"{said(request, clients)}")


def in_bad_chunk(request: Request, clients: Clients) -> bytes:
    return f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{said(request, clients)}\r\n".encode()


@OWN
@pytest.mark.parametrize(
    "form",
    [
        in_message,
        passphrase_in_message,
        slashes_escaped,
        signature_in_item,
        code_of_secrets,
        at_the_cut,
        in_page,
        passphrase_in_page,
        in_query,
        in_reason,
        in_status_line,
        in_headers,
        in_bad_header,
        in_bad_chunk,
    ],
)
async def test_no_secret_of_an_echo_is_shown(
    stub: Stub,
    clients: Clients,
    caplog: pytest.LogCaptureFixture,
    form: Callable[[Request, Clients], bytes],
    *,
    own: bool,
) -> None:
    caplog.set_level(logging.DEBUG)  # asyncio's and aiohttp's lines too; the loop is in debug mode
    asyncio.get_running_loop().slow_callback_duration = 0.0
    stub.script = echo(form, clients)
    attempts: list[object] = []
    async with aiohttp.ClientSession() as session:
        client = clients(stub.base_url, session=None if own else session, on_attempt=attempts.append)
        (result,) = await client.close_positions([ClosePosition("BTC-USDT-SWAP", "cross")])
        with pytest.raises(OkxError) as caught:
            await client.close_position("BTC-USDT-SWAP", "cross", max_wait=1.9)
    for error in (caught.value, result.error):
        assert error is not None
        heard = "\n".join(
            [everything_said(error), repr(result), repr(client), repr(client.limiter), repr(attempts), caplog.text]
        )
        for request in stub.requests:
            for secret in secrets(clients, request):
                assert secret not in heard


async def test_a_message_without_secrets_is_shown(stub: Stub, clients: Clients) -> None:
    async def script(connection: Connection) -> None:
        await connection.request()
        connection.answer({"code": "51000", "data": [], "msg": "Parameter mgnMode error"}, "400 Bad Request")

    stub.script = script
    with pytest.raises(OkxError, match="51000 on BTC-USDT-SWAP: Parameter mgnMode error") as caught:
        await clients(stub.base_url).close_position("BTC-USDT-SWAP", "cross")
    assert caught.value.message == "Parameter mgnMode error"


async def test_a_cancelled_close_shows_no_secret(
    stub: Stub, clients: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    stub.script = silent
    task = asyncio.ensure_future(clients(stub.base_url).close_position("BTC-USDT-SWAP", "cross"))
    await clients.until(lambda: stub.requests)
    shown = repr(task)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    heard = "\n".join([everything_said(caught.value), shown, caplog.text])
    for secret in secrets(clients, stub.requests[0]):
        assert secret not in heard
