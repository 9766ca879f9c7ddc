"""A server in a thread of its own, which goes on while the loop of a test stands still."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import orjson

from tests.sockets.conftest import ACCEPTED


def response(status: str, body: bytes) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


TAKEN = response("200 OK", orjson.dumps(ACCEPTED))
NOTHING = response("400 Bad Request", b'{"code":"51023","data":[],"msg":"Position does not exist"}')


class Threaded:
    """A server in a thread of its own, which goes on while the loop of the test stands still.

    The first request is accepted, or answered by `answer`, and `first` is sent after that; the others are told that
    nothing was there.
    """

    def __init__(self, first: tuple[bytes, ...], context: ssl.SSLContext | None, delay: float, answer: bytes) -> None:
        self._answer = answer
        self._first = first
        self._context = context
        self._delay = delay
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.connections: list[socket.socket] = []
        self.requests: list[tuple[int, bytes]] = []
        self._accepting = threading.Thread(target=self._run, daemon=True)
        self._accepted: list[socket.socket] = []
        self._accepting.start()

    def _run(self) -> None:
        while True:
            try:
                sock, _ = self._listening.accept()
            except OSError:
                return
            self._accepted.append(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is not None:
                sock = self._context.wrap_socket(sock, server_side=True)
            number = len(self.connections)
            self.connections.append(sock)
            while data := sock.recv(65536):
                while b"\r\n\r\n" not in data or (data.startswith(b"POST") and not data.endswith(b"}")):
                    data += sock.recv(65536)
                self.requests.append((number, data))
                first = len(self.requests) == 1
                time.sleep(self._delay)
                sock.sendall(self._answer if first else NOTHING)
                for more in self._first if first else ():
                    time.sleep(0.05)
                    sock.sendall(more)
        except OSError:
            pass  # the test is over
        finally:
            sock.close()  # `close` may have come while it was wrapped, and does not know it then

    def close(self) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._accepting.join(1)
        for sock in [*self._accepted, *self.connections]:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()


@contextmanager
def threaded(
    *first: bytes, context: ssl.SSLContext | None = None, delay: float = 0.0, answer: bytes = TAKEN
) -> Iterator[Threaded]:
    server = Threaded(first, context, delay, answer)
    try:
        yield server
    finally:
        server.close()
