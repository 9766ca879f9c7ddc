"""A server that asks for a client certificate: TLS 1.3 has the request written before the server can say so."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress

import aiohttp
import pytest

from okx_async import NotSentError
from okx_async._http.inflight import InFlight
from tests.sockets import tls
from tests.sockets.conftest import OWN, Clients

pytestmark = [pytest.mark.loops, pytest.mark.usefixtures("no_uid_check")]

WAIT = 5.0


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Give the port of a server that judges a handshake when a request was written, or after `WAIT`."""
    monkeypatch.setattr(tls.CONTEXT, tls.trusting())
    written = threading.Event()
    write = InFlight.written

    def noted(request: InFlight, *arguments: object) -> None:
        write(request, *arguments)  # type: ignore[arg-type]
        request.loop.call_later(0.01, written.set)  # it is handed over in the same step

    monkeypatch.setattr(InFlight, "written", noted)
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
                if not judged:
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


@OWN
async def test_what_was_written_was_not_read(clients: Clients, port: int, *, own: bool) -> None:
    async with aiohttp.ClientSession() as session:
        client = clients(f"https://localhost:{port}", session=None if own else session)
        with pytest.raises(NotSentError, match=r"the server asks for a client certificate .*: pass ssl=") as caught:
            await client.close_position("BTC-USDT-SWAP", "cross")
        assert clients.fate(client) == "free"
    assert [attempt.token for attempt in caught.value.attempts] == ["refunded"]  # no repeat can help
