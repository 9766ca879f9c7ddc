"""Heads of requests and of answers; for malformed heads on a connection see test_connections."""

import pytest
from multidict import CIMultiDict

from okx_async.simulator.http.heads import (
    Malformed,
    answer_head,
    expects,
    has_begun,
    head_end,
    head_of,
    length_of,
    padding,
)


def test_a_head_is_read_the_same_each_time_and_belongs_to_its_request() -> None:
    text = "POST /a?b=%20 HTTP/1.1\r\nHost: here\r\nX-One:  \t1 \t\r\nx-one: 2\r\nEmpty:"
    for _ in range(2):  # what was kept of the first must not be changed by it
        method, path, headers, stays = head_of(text)
        assert (method, path, stays) == ("POST", "/a?b=%20", True)
        assert list(headers.items()) == [("Host", "here"), ("X-One", "1"), ("x-one", "2"), ("Empty", "")]
        assert headers.getall("X-ONE") == ["1", "2"]
        headers["host"] = "there"


@pytest.mark.parametrize(
    ("text", "stays"),
    [
        ("GET / HTTP/1.1", True),
        ("GET / HTTP/1.0", False),
        ("GET / HTTP/1.0\r\nConnection: Keep-Alive", True),
        ("GET / HTTP/1.1\r\nConnection: Close", False),
        ("GET / HTTP/1.1\r\nConnection: x, close", False),
        ("GET / HTTP/1.1\r\nConnection: x", True),
        ("GET / HTTP/1.0\r\nConnection: x", False),
        ("GET / HTTP/1.1\r\nConnection: keep-alive\r\nConnection: close", False),
        ("GET / HTTP/1.0\r\nConnection: x\r\nconnection: keep-alive", True),
        ("GET / HTTP/1.0\r\nConnection: keep-alive, close", False),
    ],
)
def test_whether_the_connection_is_kept(text: str, *, stays: bool) -> None:
    assert head_of(text)[3] is stays


@pytest.mark.parametrize(
    "text",
    [
        "GET / HTTP/2.0",
        "GET  / HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET / HTTP/1.1\nHost: here",
        "GET / HTTP/1.1\r\n Host: folded",
        "GET / HTTP/1.1\r\nHost : here",
        "GET / HTTP/1.1\r\nHost: a\nb: c",
        "GET / HTTP/1.1\r\nHost: a\rb",
        "GET / HTTP/1.1\r\nHost: a\0",
        "GET / HTTP/1.1\r\nHost",
        "GET / HTTP/1.1\r\n",
    ],
)
def test_what_is_no_head_is_refused_each_time(text: str) -> None:
    for _ in range(2):
        with pytest.raises(Malformed):
            head_of(text)


POST = b"POST /x?a=%2C HTTP/1.1\r\nHost: x\r\nA:\t b c \r\na: d\r\nE:\r\n"


def test_every_beginning_of_a_head_has_begun() -> None:
    assert all(has_begun(bytearray(POST[:cut])) for cut in range(len(POST)))


@pytest.mark.parametrize(
    "data",
    [b"\0", b"\x16\x03\x01", b"{}", b"\r\n", b" GET", b"GET /\n", b"GET / HTTP/1.1\n", b"GET / HTTP/1.1\rX", b"G\xc3"],
)
def test_what_can_become_none_is_known_at_once(data: bytes) -> None:
    assert not has_begun(bytearray(data))
    with pytest.raises(Malformed):
        head_of(data.decode(errors="surrogateescape"))


@pytest.mark.parametrize("filling", [" ", "\t", " \t", "a", ": ", "A: b\r\n", "\r\n", "\r", "A:\r\n "])
@pytest.mark.parametrize("end", ["", "\x01", "\r"])
def test_no_head_takes_long_to_read(filling: str, end: str) -> None:
    # Thirty times what is ever read: a pattern that goes back for each byte would take longer than a test may.
    for before in ("GET / HTTP/1.1\r\nA:", "GET /", ""):
        text = before + filling * (1_000_000 // len(filling)) + end
        has_begun(bytearray(text.encode()))
        try:
            _, _, headers, _ = head_of(text)
        except Malformed:
            continue
        assert headers


@pytest.mark.parametrize(
    ("lines", "length"),
    [
        ([], 0),
        ([("Content-Length", "12")], 12),
        ([("content-length", "12"), ("Content-Length", "12")], 12),
        ([("Transfer-Encoding", "Chunked")], None),
    ],
)
def test_the_length_of_a_body(lines: list[tuple[str, str]], length: int | None) -> None:
    assert length_of(CIMultiDict(lines)) == length


@pytest.mark.parametrize(
    "lines",
    [
        [("Content-Length", "")],
        [("Content-Length", "-1")],
        [("Content-Length", "+1")],
        [("Content-Length", "1.0")],
        [("Content-Length", "1e3")],
        [("Content-Length", "0x1")],
        [("Content-Length", "1, 1")],
        [("Content-Length", "\u0661")],
        [("Content-Length", "1" * 16)],
        [("Content-Length", "1"), ("Content-Length", "2")],
        [("Transfer-Encoding", "gzip")],
        [("Transfer-Encoding", "chunked"), ("Content-Length", "1")],
    ],
)
def test_a_length_that_is_none(lines: list[tuple[str, str]]) -> None:
    with pytest.raises(Malformed):
        length_of(CIMultiDict(lines))


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("http://127.0.0.1:8080/api/v5/public/time?a=b", "/api/v5/public/time?a=b"),
        ("HTTPS://[::1]/x", "/x"),
        ("http://here?a=/b", "/?a=/b"),
        ("http://here", "/"),
        ("/x?next=http://here/y", "/x?next=http://here/y"),
        ("*", "*"),
    ],
)
def test_a_target_with_scheme_and_host_stands_for_its_path(target: str, path: str) -> None:
    assert head_of(f"GET {target} HTTP/1.1\r\nHost: here")[1] == path


@pytest.mark.parametrize(
    ("data", "end", "left"), [(b"\r\n\r\n\r\nA\r\n\r\n", 1, 5), (b"\r\n\r", -1, 1), (b"A\r\n", -1, 3)]
)
def test_empty_lines_before_a_head_are_dropped(data: bytes, end: int, left: int) -> None:
    buffer = bytearray(data)
    assert (head_end(buffer), len(buffer)) == (end, left)


@pytest.mark.parametrize(("minor", "waits"), [(0, False), (1, True)])
def test_a_client_of_http_1_0_is_sent_no_100_continue(minor: int, *, waits: bool) -> None:
    lines = "Expect: 100-continue\r\nexpect: 100-continue"
    assert expects(head_of(f"POST / HTTP/1.{minor}\r\n{lines}")[2]) is waits


def test_whether_the_client_waits_for_100_continue() -> None:
    assert expects(CIMultiDict({"expect": "100-Continue"}))
    assert not expects(CIMultiDict({"Expect": "nothing"}))
    assert not expects(CIMultiDict())


def test_the_head_of_an_answer() -> None:
    for last, word in ((False, b"keep-alive"), (True, b"close"), (False, b"keep-alive")):
        assert answer_head(429, "application/json", 7, {"Retry-After": "2"}, last=last) == (
            b"HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\nContent-Length: 7\r\n"
            b"Retry-After: 2\r\nConnection: " + word + b"\r\n\r\n"
        )
    assert answer_head(299, "a/b", 0, {}, last=True).startswith(b"HTTP/1.1 299 \r\nContent-Type: a/b\r\n")


@pytest.mark.parametrize("size", [1, 15, 16, 900, 4000, 4001, 4015, 65_536])
def test_padding_is_of_the_size_in_lines_that_are_read_everywhere(size: int) -> None:
    lines = [f"{name}: {value}\r\n" for name, value in padding(size).items()]
    assert size <= sum(map(len, lines)) < size + 32
    assert max(map(len, lines)) <= 4001


def test_without_a_size_there_is_no_padding() -> None:
    assert padding(0) == {}
