"""Heads of requests and of answers; what malformed ones come to on a connection is in test_doors."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict

from okx_async.simulator.heads import Malformed, answer_head, expects, head_of, length_of


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
    ],
)
def test_who_wants_the_connection_to_stay(text: str, *, stays: bool) -> None:
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


def test_who_waits_for_a_word() -> None:
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
