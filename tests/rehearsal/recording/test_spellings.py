"""Secrets in any spelling: each is found, and what is none is not."""

import html
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from okx_async.rehearsal.recording.spellings import Secrets

SECRET = "22582BD0CFF14C41EDBF1AB98506286D"
SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": lambda secret: secret,
    "upper case": str.upper,
    "lower case": str.lower,
    "percent": lambda secret: quote(secret, safe=""),
    "all percent": lambda secret: "".join(f"%{byte:02X}" for byte in secret.encode()),
    "percent twice": lambda secret: quote(quote(secret, safe=""), safe=""),
    "HTML names": html.escape,
    "HTML numbers": lambda secret: "".join(f"&#{ord(letter)};" for letter in secret),
    "HTML hexadecimal": lambda secret: "".join(f"&#x{ord(letter):x};" for letter in secret),
    "JSON escapes": lambda secret: "".join(f"\\u{ord(letter):04x}" for letter in secret),
    "Base64": lambda secret: b64encode(secret.encode()).decode(),
    "Base64 of URLs": lambda secret: urlsafe_b64encode(f"?>{secret}".encode()).decode(),
    "Base64 inside": lambda secret: b64encode(f"user:{secret}:more".encode()).decode(),
    "Base64 of percent": lambda secret: b64encode(quote(secret, safe="").encode()).decode(),
    "Base64 of JSON escapes": lambda secret: b64encode("".join(f"\\u{ord(c):04x}" for c in secret).encode()).decode(),
    "hexadecimal": lambda secret: secret.encode().hex(),
    "hexadecimal of lower case": lambda secret: secret.lower().encode().hex(),
    "with blanks": " ".join,
    "with dashes": "-".join,
    "in tags": lambda secret: f"{secret[:4]}<b>{secret[4:]}</b>",
}
WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=40).filter(
    lambda text: sum(map(str.isalnum, re.sub(r"<[^<>]*>", "", text))) >= 6
)
"""Secrets with six letters and digits, even if tags are dropped: shorter ones are not searched for."""


@pytest.mark.share(4)
@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
@settings(deadline=None, max_examples=20)
@given(secret=WORDS, before=st.text(max_size=5), after=st.text(max_size=5))
def test_every_spelling_is_found(spell: Callable[[str], str], secret: str, before: str, after: str) -> None:
    secrets = Secrets()
    secrets.add(secret)
    assert secrets.in_text(f"{before} {spell(secret)} {after}")


def test_what_is_none_is_not_found() -> None:
    secrets = Secrets()
    secrets.add(SECRET, "Fjord-4711!a", "44705892343619584", parts=True)
    for text in ("Position doesn't exist.", "1768519672373", "BTC-USD-260327-60000-C", "PASSPHRASE", SECRET[:9], ""):
        assert not secrets.in_text(text)
    assert "22582BD0" not in repr(secrets)


def test_short_ones_are_left_out() -> None:
    secrets = Secrets()
    secrets.add("pass", "12345")
    assert not secrets.in_text("pass 12345")


def test_a_part_of_a_long_one_is_enough_where_asked() -> None:
    for parts in (True, False):
        secrets = Secrets()
        secrets.add(SECRET, parts=parts)
        assert [secrets.in_text(SECRET[at : at + 10]) for at in (0, 11, 22)] == 3 * [parts]


@settings(deadline=None)
@given(secret=WORDS, data=st.data())
def test_what_is_split_over_texts_is_found(secret: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, len(secret) - 1), min_size=1, max_size=4)))
    pieces = [secret[a:b] for a, b in zip([0, *cuts], [*cuts, len(secret)], strict=True)]
    secrets = Secrets()
    secrets.add(secret)
    hit = secrets.split_over(["~~~~~~", *pieces, "~~~~~~"])
    assert hit
    assert not secrets.in_text("".join("" if number in hit else piece for number, piece in enumerate(pieces, 1)))


def test_the_texts_around_are_left_alone() -> None:
    secrets = Secrets()
    secrets.add(SECRET)
    assert secrets.split_over(["a", SECRET[:20], "", SECRET[20:], "b"]) == {1, 3}
    assert Secrets().split_over(["a", "b"]) == set()


def test_long_texts_are_searched_for_long_secrets_only() -> None:
    secrets = Secrets()
    secrets.add(SECRET, "203.0.113.7")
    assert secrets.in_long_text(f"{'x' * 9000}{SECRET.lower()}")
    assert not secrets.in_long_text("a 203.0.113.7 b")
