"""Bodies of answers: read to their end and, where a server or a proxy packed them unasked, unpacked, up to a bound."""

import zlib
from typing import Final, NamedTuple

import aiohttp

MAX_BODY: Final = 1 << 20
"""Most bytes of an answer, also unpacked, where no more is allowed; the exchange's are far shorter."""

_LAYERS: Final = 2
_MEMBERS: Final = 100
"""Most encodings of one body, and most parts of a gzip body: memory is bounded by its length, time by these."""
_GZIP: Final = zlib.MAX_WBITS + 16
_RAW: Final = -zlib.MAX_WBITS
_GZIP_HEAD: Final = b"\x1f\x8b\x08"
PLAIN: Final = (b"{", b"[", b"<")
"""How bodies begin that are not packed: JSON and HTML."""


class Reply(NamedTuple):
    """A complete response, read to its end."""

    status: int
    body: bytes
    retry_after: str | None


class UnreadableBodyError(Exception):
    """A body that is no answer; the text says why."""


async def read_body(content: aiohttp.StreamReader, most: int = MAX_BODY) -> bytes:
    """Return the whole body.

    Raises:
        UnreadableBodyError: It is longer than `most` bytes.
    """
    body = await content.readany()
    if len(body) <= most and content.at_eof():
        return body  # in one piece, as nearly always
    chunks = []
    size = 0
    while body:
        size += len(body)
        if size > most:
            raise UnreadableBodyError(f"is longer than {most} bytes")
        chunks.append(body)
        body = await content.readany()
    return b"".join(chunks)


def unpack(body: bytes, encodings: str, most: int = MAX_BODY) -> bytes:
    """Return a body without the encodings that the Content-Encoding headers name, or that it shows by itself.

    Raises:
        UnreadableBodyError: It is damaged, in another encoding, or longer than `most` bytes once unpacked.
    """
    named = [each.strip().lower() for each in encodings.split(",")]
    named = [each for each in named if each not in {"", "identity"}]
    if len(named) > _LAYERS:
        raise UnreadableBodyError(f"is packed {len(named)} times")
    for encoding in reversed(named):
        # Some proxies unpack a body and leave the header in place. No packed body begins like JSON or HTML.
        if not body or body.lstrip().startswith(PLAIN):
            return body
        try:
            if encoding in {"gzip", "x-gzip"}:
                body = _gunzip(body, most)
            elif encoding == "deflate":
                # Named after zlib's format; some servers send it without that format's head and checksum.
                body = _inflate(body, zlib.MAX_WBITS if _begins_as_zlib(body) else _RAW, most)[0]
            else:
                raise UnreadableBodyError(f"is encoded as {encoding[:20]!r}, which was not asked for")
        except zlib.error as exc:
            raise UnreadableBodyError(f"is not the {encoding} that its header says: {exc}") from None
    return _unpack_unnamed(body, _LAYERS - len(named), most)


def _unpack_unnamed(body: bytes, layers: int, most: int) -> bytes:
    """Return a body that a proxy packed without a word, or in transfer, of which aiohttp undoes the chunks alone."""
    for _ in range(layers):
        try:
            if body.startswith(_GZIP_HEAD):
                body = _gunzip(body, most)
            elif _begins_as_zlib(body):
                body = _inflate(body, zlib.MAX_WBITS, most)[0]
        except zlib.error:
            break
    return body


def _begins_as_zlib(body: bytes) -> bool:
    return len(body) > 1 and body[0] & 0x0F == zlib.DEFLATED and (body[0] << 8 | body[1]) % 31 == 0


def _gunzip(body: bytes, most: int) -> bytes:
    """Return the members of a gzip body; zeros between and after them are padding."""
    whole = b""
    for _ in range(_MEMBERS):
        if not (body := body.lstrip(b"\0")):
            return whole
        part, body = _inflate(body, _GZIP, most, len(whole))
        whole += part
    raise UnreadableBodyError(f"has more than {_MEMBERS} parts")


def _inflate(body: bytes, wbits: int, most: int, before: int = 0) -> tuple[bytes, bytes]:
    """Return one compressed stream unpacked, of which `before` bytes came before, and what stands after it."""
    stream = zlib.decompressobj(wbits)
    part = stream.decompress(body, most - before + 1)
    if len(part) > most - before:
        raise UnreadableBodyError(f"is longer than {most} bytes, unpacked")
    if not stream.eof:
        raise zlib.error("incomplete")
    return part, stream.unused_data
