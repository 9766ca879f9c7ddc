"""A stand-in between an agent and its server that delays, drops, doubles and holds back what the server says."""

import socket
import threading
import time
from contextlib import suppress

from hiredis import Reader


class Proxy:
    """Connections to `port` go on to `target`."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.delay = 0.0
        """Seconds by which each answer is late."""
        self.drops = 0
        """How many connections lose their next answer, and end."""
        self.doubles = 0
        """How many answers are said twice."""
        self.silent = False
        self.mute = False
        """Whether questions go on and answers do not."""
        self.delay_asks = 0.0
        """Seconds by which questions are late: `late` of them."""
        self.late = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def close(self) -> None:
        for end in [self._listener, *self._ends]:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self.target))
                self._ends += [near, far]
                for source, sink, answers in ((near, far, False), (far, near, True)):
                    threading.Thread(target=self._pump, args=(source, sink, answers), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:  # noqa: FBT001
        with suppress(OSError):
            while data := source.recv(65536):
                if answers:
                    time.sleep(self.delay)
                elif self.late:
                    self.late -= 1
                    time.sleep(self.delay_asks)
                while self.silent or (answers and self.mute):
                    time.sleep(0.01)
                if answers and self.drops:
                    self.drops -= 1
                    break
                twice = answers and self.doubles > 0  # as of now: with this answer a test may go on to the next one
                sink.sendall(data)
                if twice:
                    self.doubles -= 1
                    sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


class Multiplexer:
    """A proxy that puts all of its clients on one connection to the server; `refuses`: what it says to INFO instead."""

    def __init__(self, target: int, refuses: bytes | None = None) -> None:
        self.refuses = refuses
        self._far = socket.create_connection(("127.0.0.1", target))
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def close(self) -> None:
        for end in (self._listener, self._far):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with suppress(OSError), near:
            asked, said = Reader(), Reader()
            while data := near.recv(65536):
                asked.feed(data)
                questions = []
                while question := asked.gets():
                    questions.append(question)
                if self.refuses is not None and [b"INFO"] in questions:
                    if not self.refuses:
                        return
                    near.sendall(self.refuses)
                    continue
                with self._lock:
                    self._far.sendall(data)
                    left = len(questions)
                    while left:
                        answer = self._far.recv(65536)
                        near.sendall(answer)
                        said.feed(answer)
                        while said.gets() is not False:
                            left -= 1
