import gzip
import time
import zlib

import aiohttp
import pytest

from okx_async._http.bodies import MAX_BODY, UnreadableBodyError, read_body, unpack

JSON = b'{"code":"0","data":[],"msg":""}'


def packed_by_gzip(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)  # the same at each collection


def raw_deflate(body: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(body) + stream.flush()


@pytest.mark.parametrize(
    ("packed", "encodings"),
    [
        (packed_by_gzip(JSON), "gzip"),
        (packed_by_gzip(JSON), "GZip"),
        (packed_by_gzip(JSON), "x-gzip"),
        (packed_by_gzip(JSON[:9]) + packed_by_gzip(JSON[9:]), "gzip"),
        (packed_by_gzip(JSON) + bytes(20), "gzip"),
        (packed_by_gzip(b"") + packed_by_gzip(JSON), "gzip"),
        (zlib.compress(JSON), "deflate"),
        (zlib.compress(JSON, 0), "deflate"),
        (raw_deflate(JSON), "deflate"),
        (packed_by_gzip(zlib.compress(JSON)), "deflate, gzip"),
        (packed_by_gzip(JSON), "identity, gzip"),
        (packed_by_gzip(JSON), ""),
        (packed_by_gzip(JSON), "identity"),
        (packed_by_gzip(packed_by_gzip(JSON)), "gzip"),
        (packed_by_gzip(packed_by_gzip(JSON)), ""),
        (packed_by_gzip(JSON[:9]) + packed_by_gzip(JSON[9:]), ""),
        (zlib.compress(JSON), ""),
        (packed_by_gzip(JSON), "gzip,,identity,"),
        (JSON, "identity"),
        (JSON, ""),
        (JSON, "gzip"),  # unpacked on its way, and the header left in place
        (b" \n" + JSON, "deflate"),
        (b"<html>", "br"),
    ],
)
def test_a_body_is_unpacked(packed: bytes, encodings: str) -> None:
    expected = b"<html>" if packed == b"<html>" else JSON
    assert unpack(packed, encodings).strip() == expected


@pytest.mark.parametrize(
    "body",
    [packed_by_gzip(JSON)[:-1], packed_by_gzip(JSON) + b"more", b"\x1f\x8b\x08", b"\x78\x9c", b"x\x9c no", b"hi", b"8"],
)
def test_what_is_not_said_to_be_packed_and_cannot_be_unpacked_stays(body: bytes) -> None:
    assert unpack(body, "") == body


@pytest.mark.parametrize("encodings", ["gzip", "deflate", "br", "gzip, gzip"])
def test_nothing_stays_nothing(encodings: str) -> None:
    assert unpack(b"", encodings) == b""


@pytest.mark.parametrize(
    ("packed", "encodings", "words"),
    [
        (packed_by_gzip(JSON)[:-1], "gzip", "is not the gzip that its header says: incomplete"),
        (packed_by_gzip(JSON)[:-9], "gzip", "incomplete"),
        (packed_by_gzip(JSON)[:-8] + bytes(8), "gzip", "incorrect data check"),
        (packed_by_gzip(JSON) + b"more", "gzip", "is not the gzip"),
        (zlib.compress(JSON), "gzip", "is not the gzip"),
        (zlib.compress(JSON)[:-1], "deflate", "is not the deflate that its header says: incomplete"),
        (b"\xff\xff\xff", "deflate", "is not the deflate"),
        (b"\x8b\x0f\x80", "br", "is encoded as 'br', which was not asked for"),
        (packed_by_gzip(JSON), "gzip, gzip, gzip", "is packed 3 times"),
        (packed_by_gzip(b"") * 101, "gzip", "has more than 100 parts"),
    ],
)
def test_what_is_damaged_is_no_answer(packed: bytes, encodings: str, words: str) -> None:
    with pytest.raises(UnreadableBodyError, match=words):
        unpack(packed, encodings)


@pytest.mark.share(3)
@pytest.mark.parametrize("pack", [packed_by_gzip, zlib.compress, raw_deflate], ids=["gzip", "zlib", "raw"])
def test_memory_is_bounded_once_unpacked(pack: object) -> None:
    assert callable(pack)
    encoding = "gzip" if pack is packed_by_gzip else "deflate"
    assert len(unpack(pack(b" " * MAX_BODY), encoding)) == MAX_BODY
    if pack is not raw_deflate:
        with pytest.raises(UnreadableBodyError, match="unpacked"):
            unpack(pack(b" " * (MAX_BODY + 1)), "")
    begun = time.process_time()
    with pytest.raises(UnreadableBodyError, match=f"is longer than {MAX_BODY} bytes, unpacked"):
        unpack(pack(b" " * 50_000_000), encoding)
    assert time.process_time() - begun < 5


def test_all_parts_together_are_bounded() -> None:
    half = packed_by_gzip(b" " * (MAX_BODY // 2 + 1))
    with pytest.raises(UnreadableBodyError, match="longer than"):
        unpack(half + half, "gzip")


class Pieces:
    """A body that arrives in pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = [*pieces, b""]

    async def readany(self) -> bytes:
        return self.pieces.pop(0)

    def at_eof(self) -> bool:
        return len(self.pieces) == 1


@pytest.mark.parametrize("pieces", [(b"1234567890",), (b"12345", b"67890"), (b"1", b"234567890"), ()])
async def test_it_is_read_to_its_end(pieces: tuple[bytes, ...]) -> None:
    content: aiohttp.StreamReader = Pieces(*pieces)  # type: ignore[assignment]
    assert await read_body(content, 10) == b"".join(pieces)


@pytest.mark.parametrize("pieces", [(b"12345678901",), (b"12345", b"678901"), (b"12345678901", b"2")])
async def test_it_is_read_no_further_than_its_bound(pieces: tuple[bytes, ...]) -> None:
    content: aiohttp.StreamReader = Pieces(*pieces)  # type: ignore[assignment]
    with pytest.raises(UnreadableBodyError, match="is longer than 10 bytes"):
        await read_body(content, 10)
