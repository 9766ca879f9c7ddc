from base64 import b64encode

import pytest

from okx_async._spellings import forms_of, holds, unescape

FORMS = forms_of(["redis&word-77y", "hunter2", "short"])


@pytest.mark.parametrize(
    "text",
    [
        "ERR unknown command `AUTH`, with args beginning with: `bob`, `redis&word-77y`",
        'ERR ["AUTH", "redis\\u0026word-77y"]',
        "HUNTER2",
        "cmVkaXMmd29yZC03N3k=",
        "[114, 101, 100, 105, 115, 38, 119, 111, 114, 100, 45, 55, 55, 121]",
    ],
)
def test_a_secret_is_found_in_any_spelling(text: str) -> None:
    assert holds(text, FORMS)


@pytest.mark.parametrize("text", ["", "invalid username-password pair", "redis", "a short text", "&#x" + "f" * 5000])
def test_in_other_texts_there_is_none(text: str) -> None:
    assert not holds(text, FORMS)


def test_without_secrets_nothing_is_found() -> None:
    assert not holds("anything", forms_of([]))


def test_one_round_undoes_one_escape_of_each_kind() -> None:
    assert unescape("%2526 &amp;#38; \\u0026 \\x{26}") == "%26 &#38; & &"


@pytest.mark.parametrize("before", range(3))
def test_a_secret_is_found_in_base64_that_was_cut(before: int) -> None:
    """A text shortened at its beginning cannot be decoded, but the secret stands there all the same."""
    whole = b64encode(b"x" * (9 + before) + b"redis&word-77y and more").decode()
    assert holds(f"...{whole[1:]}", FORMS)
