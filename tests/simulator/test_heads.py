from __future__ import annotations

import pytest

from okx_async.simulator.heads import Malformed, has_begun, length_of, read_head

POST = b"POST /x?a=%2C HTTP/1.1\r\nHost: x\r\nA:\t b c \r\na: d\r\nE:\r\n"


def test_a_head_is_taken_apart() -> None:
    method, path, headers, stays = read_head(POST)
    assert (method, path, stays) == ("POST", "/x?a=%2C", True)
    assert list(headers.items()) == [("Host", "x"), ("A", "b c"), ("a", "d"), ("E", "")]


@pytest.mark.parametrize("cut", range(len(POST)))
def test_every_beginning_of_a_head_has_begun(cut: int) -> None:
    assert has_begun(bytearray(POST[:cut]))


@pytest.mark.parametrize(
    "data",
    [b"\0", b"\x16\x03\x01", b"{}", b"\r\n", b" GET", b"GET /\n", b"GET / HTTP/1.1\n", b"GET / HTTP/1.1\rX", b"G\xc3"],
)
def test_what_can_become_none_is_known_at_once(data: bytes) -> None:
    assert not has_begun(bytearray(data))
    with pytest.raises(Malformed):
        read_head(data + b"\r\n")


@pytest.mark.parametrize("filling", [b" ", b"\t", b" \t", b"a", b": ", b"A: b\r\n", b"\r\n", b"\r", b"A:\r\n "])
@pytest.mark.parametrize("end", [b"\r\n", b"\x01\r\n", b"\r\r\n"])
def test_no_head_takes_long_to_read(filling: bytes, end: bytes) -> None:
    # Thirty times what is ever read: a pattern that goes back for each byte would take longer than a test may.
    for before in (b"GET / HTTP/1.1\r\nA:", b"GET /", b""):
        data = before + filling * (1_000_000 // len(filling)) + end
        has_begun(bytearray(data))
        try:
            _, _, headers, _ = read_head(data)
        except Malformed:
            continue
        assert headers


@pytest.mark.parametrize(
    ("lines", "length"),
    [
        (b"", 0),
        (b"Content-Length: 17\r\n", 17),
        (b"Content-Length: 17\r\ncontent-length: 17\r\n", 17),
        (b"Transfer-Encoding: chunked\r\n", None),
    ],
)
def test_how_long_a_body_is(lines: bytes, length: int | None) -> None:
    assert length_of(read_head(b"POST / HTTP/1.1\r\n" + lines)[2]) == length


@pytest.mark.parametrize("text", ["-1", "+1", "1.0", "1e3", "", "\N{ARABIC-INDIC DIGIT ONE}", "9" * 16, "1, 1", "0x1"])
def test_what_is_no_length(text: str) -> None:
    with pytest.raises(Malformed):
        length_of(read_head(f"POST / HTTP/1.1\r\nContent-Length: {text}\r\n".encode())[2])
