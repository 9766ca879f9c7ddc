"""Request bodies, read from a buffer that fills bit by bit: generators that yield wherever they need more bytes."""

import re
from collections.abc import Generator

from okx_async.simulator.http.heads import Malformed

MAX_BODY = 256 * 1024  # bytes; no request of this API comes near
_MAX_CHUNK_LINE = 1024
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?")


def read_body(buffer: bytearray, length: int | None) -> Generator[None, None, bytes | None]:
    """Take a body off the buffer and return it; None if it is too long, and dropped.

    Args:
        buffer: What has arrived; more is appended while the generator waits.
        length: Bytes of the body; None: it comes in chunks.
    """
    body = bytearray()
    if length is None:
        size = yield from _read_chunks(buffer, body)
    else:
        size = length
        yield from _read_bytes(buffer, length, body)
    return bytes(body) if size <= MAX_BODY else None


def _read_bytes(buffer: bytearray, left: int, body: bytearray) -> Generator[None, None, None]:
    while left:
        while not buffer:
            yield
        if len(body) <= MAX_BODY:
            body += buffer[:left]
        taken = min(left, len(buffer))
        del buffer[:taken]
        left -= taken


def _read_line(buffer: bytearray) -> Generator[None, None, bytes]:
    while (end := buffer.find(b"\r\n")) < 0:
        if len(buffer) > _MAX_CHUNK_LINE:
            raise Malformed
        yield
    line = bytes(buffer[:end])
    del buffer[: end + 2]
    return line


def _read_chunks(buffer: bytearray, body: bytearray) -> Generator[None, None, int]:
    size = 0
    while True:
        found = _CHUNK.fullmatch((yield from _read_line(buffer)))
        if found is None:
            raise Malformed
        length = int(found[1], 16)
        if not length:
            break
        size += length
        yield from _read_bytes(buffer, length, body)
        if (yield from _read_line(buffer)):
            raise Malformed
    while (yield from _read_line(buffer)):
        pass  # trailers
    return size
