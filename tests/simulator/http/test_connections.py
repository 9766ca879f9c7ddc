"""HTTP byte by byte: connections on a transport that only records, in virtual time."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from okx_async.simulator import Network, VirtualLoop, run
from okx_async.simulator.http.connections import Connections, HttpConnection
from okx_async.simulator.http.messages import Request

GET = b"GET /api/v5/public/time?a=b HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /x HTTP/1.1\r\nHost: x\r\nOK-ACCESS-KEY:  \xc3\xa4\xff \r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"POST /x HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n3;a=b\r\nhel\r\n02\r\nlo\r\n0\r\nTrailer: t\r\n\r\n"


class Pipe(asyncio.BaseTransport):
    """Records what a connection writes and does; no asyncio.Transport to isinstance, as those of uvloop."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.did: list[str] = []
        self.connection: HttpConnection | None = None

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("192.0.2.1", 5) if name == "peername" else default

    def write(self, data: Any) -> None:
        self.sent += data

    def close(self) -> None:
        self._end("close")

    def abort(self) -> None:
        self._end("abort")

    def pause_reading(self) -> None:
        self.did.append("pause")

    def resume_reading(self) -> None:
        self.did.append("resume")

    def _end(self, how: str) -> None:
        self.did.append(how)
        if self.connection is not None:
            asyncio.get_running_loop().call_soon(self.connection.connection_lost, None)


class Visit:
    """A connection, its transport and its requests, which are answered at once unless `slow`."""

    def __init__(self, *, slow: bool = False, **bounds: Any) -> None:
        self.came: list[Request] = []
        self.slow = slow
        self.connections = Connections(self.serve, **bounds)
        self.connection, self.pipe = self.connections(), Pipe()
        self.pipe.connection = self.connection
        self.connection.connection_made(self.pipe)

    def serve(self, connection: HttpConnection, request: Request) -> None:
        self.came.append(request)
        if not self.slow:
            self.answer(connection)

    def answer(self, connection: HttpConnection) -> None:
        connection.write(connection.head(200, "text/plain", 2, {"X": "y"}) + b"ok")
        connection.answered()


def visit(script: Callable[[Visit], Any], *, slow: bool = False, wait: float = 100.0) -> Visit:
    async def main(_: VirtualLoop) -> Visit:
        made = Visit(slow=slow)
        script(made)
        await asyncio.sleep(wait)
        return made

    return run(main, VirtualLoop(Network()))


def fed(*pieces: bytes, slow: bool = False, wait: float = 0.0) -> Visit:
    def script(made: Visit) -> None:
        for piece in pieces:
            made.connection.data_received(piece)

    return visit(script, slow=slow, wait=wait)


@pytest.mark.parametrize(
    ("data", "seen"),
    [
        (GET, ("GET", "/api/v5/public/time?a=b", b"")),
        (POST, ("POST", "/x", b"hello")),
        (CHUNKED, ("POST", "/x", b"hello")),
    ],
    ids=["no body", "length", "chunks"],
)
def test_a_request_is_the_same_wherever_it_is_cut(data: bytes, seen: tuple[str, str, bytes]) -> None:
    for cut in range(1, len(data)):
        (request,) = fed(data[:cut], data[cut:]).came
        assert (request.method, request.raw_path, request.body) == seen
        assert (request.ip, request.broken) == ("192.0.2.1", 0)


def test_bytes_one_at_a_time_and_requests_all_at_once() -> None:
    data = GET + POST + CHUNKED
    drops = fed(*(data[at : at + 1] for at in range(len(data))))
    flood = fed(data)
    assert [request.raw_path for request in drops.came] == [request.raw_path for request in flood.came]
    assert drops.pipe.sent.count(b"HTTP/1.1 200 OK\r\n") == flood.pipe.sent.count(b"HTTP/1.1 200 OK\r\n") == 3


def test_empty_lines_between_requests_are_passed_over() -> None:
    data = b"\r\n" + POST + b"\r\n\r\n" + GET + b"\r\n"
    for made in (fed(data), fed(*(data[at : at + 1] for at in range(len(data))), wait=76.0)):
        assert [request.raw_path for request in made.came] == ["/x", "/api/v5/public/time?a=b"]
        assert made.pipe.sent.count(b"HTTP/1.1 200 OK\r\n") == made.pipe.sent.count(b"HTTP/1.1") == 2


@pytest.mark.parametrize("rest", [b"", POST[:-1], b"\r\n"])
def test_a_client_that_ends_its_own_side_has_its_answers(rest: bytes) -> None:
    def script(made: Visit) -> None:
        made.connection.data_received(GET + POST + rest)
        assert made.connection.eof_received()  # what is served may still be read
        made.answer(made.connection)
        assert (len(made.came), made.pipe.did) == (2, [])
        made.answer(made.connection)
        assert made.pipe.did == ["close"]

    made = visit(script, slow=True)
    assert (made.pipe.sent.count(b"HTTP/1.1 200 OK\r\n"), made.pipe.sent.count(b"HTTP/1.1")) == (2, 2)


def test_a_client_that_ends_its_side_between_requests_ends_the_connection() -> None:
    def script(made: Visit) -> None:
        made.connection.data_received(GET + POST[:-1])
        assert not made.connection.eof_received()

    visit(script)


def test_a_client_that_has_gone_is_not_kept_for_an_answer_that_never_comes() -> None:
    def script(made: Visit) -> None:
        made.connection.data_received(GET)
        made.connection.eof_received()

    assert [visit(script, slow=True, wait=wait).pipe.did for wait in (74.0, 76.0)] == [[], ["close"]]


def test_headers_ignore_case_and_keep_bytes_that_are_no_text() -> None:
    (request,) = fed(POST).came
    assert request.headers["ok-access-key"] == "ä\udcff"


@pytest.mark.parametrize(
    "data",
    [
        b"garbage\r\n\r\n",
        b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03",  # TLS
        b"GET / HTTP/1.1\n\n",
        b"GET  / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/2\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nNo colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nBlank : x\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: x\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: x\rB: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: x\nB: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: \0\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: " + b"a" * 100_000,
        b"GET / HTTP/1.1\r\nA: " + b"a" * 100_000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 5000,
    ],
)
def test_what_is_no_http_is_answered_so_and_closed_a_moment_later(data: bytes) -> None:
    made = fed(data, b"more", wait=0.5)
    assert made.pipe.sent.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert made.pipe.sent.count(b"HTTP/1.1") == 1
    assert b"Connection: close\r\n" in made.pipe.sent
    assert (made.came, made.pipe.did) == ([], [])
    assert fed(data, wait=1.5).pipe.did == ["close"]


def test_a_body_that_is_too_long_is_read_and_dropped() -> None:
    length = b"POST /x HTTP/1.1\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000
    chunks = b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks += b"ffff\r\n" + b"x" * 0xFFFF + b"\r\n"
    chunks += 5 * (b"ffff\r\n" + b"x" * 0xFFFF + b"\r\n") + b"0\r\n\r\n"
    for data in (length, chunks):
        made = fed(data, GET)
        assert [(request.broken, request.body) for request in made.came] == [(413, b""), (0, b"")]


@pytest.mark.parametrize(
    ("head", "stays"),
    [
        (b"GET / HTTP/1.1\r\n", True),
        (b"GET / HTTP/1.1\r\nConnection: Close\r\n", False),
        (b"GET / HTTP/1.1\r\nConnection: TE, close\r\n", False),
        (b"GET / HTTP/1.0\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n", True),
    ],
)
def test_a_connection_stays_as_long_as_its_client_wants(head: bytes, *, stays: bool) -> None:
    made = fed(head + b"\r\n" + GET)
    assert len(made.came) == 1 + stays
    assert made.pipe.did == ([] if stays else ["close"])
    assert (b"Connection: keep-alive" if stays else b"Connection: close") in made.pipe.sent


def test_100_continue_is_sent_if_asked_for() -> None:
    made = fed(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
    assert made.pipe.sent == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert made.connections.busy == 1


def test_a_client_that_does_not_wait_is_not_read_for_ever() -> None:
    def script(made: Visit) -> None:
        for _ in range(3):
            made.connection.data_received(GET * 1000)
        assert made.pipe.did == ["pause"]
        made.slow = False
        made.answer(made.connection)
        assert made.pipe.did == ["pause", "resume"]

    assert len(visit(script, slow=True).came) == 3000


def test_a_client_that_does_not_read_is_served_no_further_until_it_does() -> None:
    def script(made: Visit) -> None:
        made.connection.pause_writing()
        for _ in range(3):
            made.connection.data_received(GET * 1000)
        assert (len(made.came), made.pipe.did) == (1, ["pause"])
        made.connection.resume_writing()
        made.connection.pause_writing()
        made.connection.resume_writing()

    made = visit(script, wait=1.0)
    assert (len(made.came), made.connections.busy, made.pipe.did) == (3000, 0, ["pause", "resume"])


def test_a_client_that_leaves_without_having_read_is_forgotten() -> None:
    def script(made: Visit) -> None:
        made.connection.pause_writing()
        made.connection.data_received(GET + GET)
        made.connection.connection_lost(None)

    made = visit(script)
    assert (len(made.came), made.connections.busy) == (1, 0)


@pytest.mark.parametrize("data", [b"P", POST[:20], POST[:-1], CHUNKED[:-2]])
def test_a_request_that_stops_in_the_middle_is_told_so(data: bytes) -> None:
    assert fed(GET, data, wait=74.0).pipe.sent.count(b"HTTP/1.1") == 1
    made = fed(GET, data, wait=75.5)
    assert made.pipe.sent.count(b"HTTP/1.1") == 2
    assert b"HTTP/1.1 408 Request Timeout\r\n" in made.pipe.sent
    assert made.pipe.sent.endswith(b'"msg":"Request Timeout"}')
    assert (len(made.came), made.pipe.did) == (1, [])
    assert fed(GET, data, wait=77.0).pipe.did == ["close"]


def test_a_client_that_is_slow_and_goes_on_has_its_answer() -> None:
    def script(made: Visit) -> None:
        loop = asyncio.get_running_loop()
        for number, byte in enumerate(POST):
            loop.call_later(60.0 * number, made.connection.data_received, bytes([byte]))

    (request,) = visit(script, wait=60.0 * len(POST)).came
    assert request.body == b"hello"


def test_an_idle_connection_is_closed_and_a_busy_one_is_not() -> None:
    assert fed(GET, wait=74.0).pipe.did == []
    assert fed(GET, wait=76.0).pipe.did == ["close"]
    assert fed(GET, slow=True, wait=200.0).pipe.did == []


def test_how_long_an_idle_connection_is_kept_can_be_chosen() -> None:
    async def main(_: VirtualLoop) -> list[list[str]]:
        made = Visit(keepalive=0.25)
        made.connection.data_received(GET)
        seen: list[list[str]] = []
        while len(seen) < 3:
            await asyncio.sleep(0.2)
            seen.append(made.pipe.did[:])
        return seen

    assert run(main, VirtualLoop(Network())) == [[], ["close"], ["close"]]


def test_how_large_a_head_may_be_can_be_chosen() -> None:
    def sizes(most: int) -> list[int]:
        async def main(_: VirtualLoop) -> list[int]:
            counts = []
            for size in (most, most + 1):
                made = Visit(max_head=most)
                start = b"GET / HTTP/1.1\r\nA: "
                made.connection.data_received(start + b"x" * (size - len(start)) + b"\r\n\r\n")
                counts.append(len(made.came))
            return counts

        return run(main, VirtualLoop(Network()))

    assert sizes(2000) == sizes(40_000) == [1, 0]


def test_a_request_whose_client_has_gone_is_served_without_an_answer() -> None:
    def script(made: Visit) -> None:
        made.connection.data_received(GET)
        made.connection.connection_lost(None)
        made.connection.data_received(GET)
        made.answer(made.connection)
        made.connection.hang_up(reset=True)

    made = visit(script, slow=True)
    assert (len(made.came), made.pipe.sent, made.connections.busy) == (1, b"", 0)


def test_a_shutdown_waits_for_its_connections_and_then_drops_them() -> None:
    async def main(loop: VirtualLoop) -> list[list[str]]:
        visits = [Visit(slow=True) for _ in range(2)]
        connections = visits[0].connections
        stuck = Pipe()  # never tells that it is over
        connection = connections()
        connection.connection_made(stuck)
        began = loop.clock()
        await visits[1].connections.shutdown(5.0)
        assert loop.clock() == began
        await connections.shutdown(5.0)
        assert loop.clock() == began + 5.0
        connection.connection_lost(None)
        await connections.shutdown(5.0)
        return [made.pipe.did for made in visits] + [stuck.did]

    assert run(main, VirtualLoop(Network())) == [["close"], ["close"], ["close", "abort"]]


def test_a_status_without_a_name_is_sent_all_the_same() -> None:
    made = fed()
    assert made.connection.head(520, "text/html", 0, {}).startswith(b"HTTP/1.1 520 \r\nContent-Type: text/html\r\n")
