"""Bodies that arrive in pieces; on a connection see test_connections."""

import pytest

from okx_async.simulator.http.bodies import MAX_BODY, read_body
from okx_async.simulator.http.heads import Malformed


def read(pieces: list[bytes], length: int | None) -> tuple[bytes | None, bytes]:
    """Return the body and what is left of the pieces in the buffer."""
    buffer = bytearray()
    reader = read_body(buffer, length)
    for piece in [*pieces, b""]:
        buffer += piece
        try:
            next(reader)
        except StopIteration as stop:
            return stop.value, bytes(buffer)
    raise AssertionError("the body is not complete")


@pytest.mark.parametrize(
    ("data", "length", "body"),
    [
        (b"hello", 5, b"hello"),
        (b"5\r\nhello\r\n0\r\n\r\n", None, b"hello"),
        (b"3;a=b\r\nhel\r\n02 \r\nlo\r\n0\r\nTrailer: t\r\n\r\n", None, b"hello"),
        (b"0\r\n\r\n", None, b""),
    ],
)
def test_a_body_is_the_same_wherever_it_is_cut_and_takes_no_byte_more(
    data: bytes, length: int | None, body: bytes
) -> None:
    for cut in range(len(data)):
        assert read([data[:cut], data[cut:]], length) == (body, b"")
    assert read([data + b"GET"], length) == (body, b"GET")


def test_a_body_that_is_too_long_is_read_and_dropped() -> None:
    assert read([b"x" * (MAX_BODY + 1) + b"GET"], MAX_BODY + 1) == (None, b"GET")
    chunk = b"ffff\r\n" + b"x" * 0xFFFF + b"\r\n"
    assert read([chunk] * 5 + [b"0\r\n\r\n"], None) == (None, b"")


@pytest.mark.parametrize("data", [b"ZZ\r\n", b"\r\n", b"1\r\nab\r\n", b"1" * 5000, b"100000000\r\n"])
def test_malformed_chunks(data: bytes) -> None:
    with pytest.raises(Malformed):
        read([data], None)
