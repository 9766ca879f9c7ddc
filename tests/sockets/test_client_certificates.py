"""A server that asks for a client certificate: TLS 1.3 has the request written before the server judges it."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import aiohttp
import pytest
from aiohttp.client_proto import ResponseHandler

from okx_async import NotSentError, OutcomeUnknownError
from okx_async._http.inflight import InFlight
from okx_async._http.sockets import TURNS, readable
from okx_async._http.write_gate import WriteGate
from tests.sockets import tls
from tests.sockets.conftest import ACCEPTED, OWN, Clients, Connection, Stub

pytestmark = [pytest.mark.loops, pytest.mark.usefixtures("no_uid_check")]

WAIT = 5.0


ASK = WriteGate.ask


def judged_first(gate: WriteGate) -> bool:
    """Await the server's judgement in the step of the write."""
    until = time.monotonic() + WAIT
    while gate._turns == TURNS and not readable(gate._transport) and time.monotonic() < until:
        time.sleep(0.001)
    return ASK(gate)


@pytest.fixture
def ours() -> ssl.SSLContext:
    """Return the client's context, which has no certificate of its own."""
    return tls.trusting()


@pytest.fixture(params=["late"])
def port(  # noqa: C901 - a server
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, ours: ssl.SSLContext
) -> Iterator[int]:
    """Give the port of a server that judges a handshake once a request was written; early: before it is written."""
    monkeypatch.setattr(tls.CONTEXT, ours)
    written = threading.Event()
    write = InFlight.written

    def noted(wire: InFlight, *arguments: object) -> None:
        write(wire, *arguments)  # type: ignore[arg-type]
        wire.loop.call_later(0.01, written.set)  # it is handed over in the same step

    if request.param == "late":
        monkeypatch.setattr(InFlight, "written", noted)
    else:
        monkeypatch.setattr(WriteGate, "ask", judged_first)
    context = tls.serving()
    context.verify_mode = ssl.CERT_REQUIRED
    tls.authority("").configure_trust(context)

    def serve(connection: socket.socket) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        end = context.wrap_bio(incoming, outgoing, server_side=True)
        with connection, suppress(OSError):  # the client may reset it
            for judged in (False, True):
                incoming.write(connection.recv(65536))
                try:
                    end.do_handshake()
                except ssl.SSLError:
                    connection.sendall(outgoing.read())
                if not judged and request.param == "late":
                    written.wait(WAIT)
                    written.clear()
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


MISSED = r"the server asks for a client certificate .*: pass ssl="
REFUSED = r"the server refuses this client's certificate, or misses one .*: pass ssl="


async def refused(clients: Clients, port: int, session: aiohttp.ClientSession | None, said: str = MISSED) -> None:
    client = clients(f"https://localhost:{port}", session=session)
    with pytest.raises(NotSentError, match=said) as caught:
        await client.close_position("BTC-USDT-SWAP", "cross")
    assert clients.fate(client) == "free"
    assert [attempt.token for attempt in caught.value.attempts] == ["refunded"]  # no repeat can help


@OWN
async def test_what_was_written_was_not_read(clients: Clients, port: int, *, own: bool) -> None:
    async with aiohttp.ClientSession() as session:
        await refused(clients, port, None if own else session)


@pytest.mark.parametrize("port", ["early"], indirect=True)
async def test_an_alert_before_the_write_is_named(clients: Clients, port: int) -> None:
    """Of a caller's connection aiohttp keeps the reason only while an answer is awaited."""
    await refused(clients, port, None)


@pytest.mark.parametrize("made_by", ["another authority", "ours, long ago"])
@OWN
async def test_a_certificate_that_the_server_refuses_is_named(
    clients: Clients, port: int, ours: ssl.SSLContext, made_by: str, *, own: bool
) -> None:
    until = tls.LONG_AGO if made_by == "ours, long ago" else None
    tls.authority("" if until else made_by).issue_cert("desk.example", not_after=until).configure_cert(ours)
    async with aiohttp.ClientSession() as session:
        await refused(clients, port, None if own else session, REFUSED)


@pytest.mark.parametrize("served", [0, 1])
@OWN
async def test_an_alert_is_no_judgement_of_the_handshake_once_a_request_was_answered(
    clients: Clients, stub: Stub, monkeypatch: pytest.MonkeyPatch, served: int, *, own: bool
) -> None:
    lost = ResponseHandler.connection_lost

    def with_an_alert(protocol: ResponseHandler, exc: BaseException | None) -> None:
        lost(protocol, exc or ssl.SSLError(1, "[SSL: SSLV3_ALERT_CERTIFICATE_EXPIRED] alert certificate expired"))

    async def answer(connection: Connection) -> None:
        for _ in range(served):
            await connection.request()
            connection.answer(ACCEPTED)
        await connection.request()
        connection.transport.close()

    monkeypatch.setattr(ResponseHandler, "connection_lost", with_an_alert)
    stub.script = answer
    async with aiohttp.ClientSession() as session:
        client = clients(stub.base_url, session=None if own else session)
        for _ in range(served):
            await client.close_position("BTC-USDT-SWAP", "cross")
        with pytest.raises(OutcomeUnknownError if served else NotSentError, match="CERTIFICATE_EXPIRED"):
            await client.close_position("BTC-USDT-SWAP", "cross")
        assert len(stub.connections) == 1
