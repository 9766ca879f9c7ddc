"""What the errors of a SQLite file mean."""

import errno
import os
import sqlite3

import pytest

from okx_async.stores._sqlite import words as sqlite_words
from okx_async.stores._sqlite.words import ELSEWHERE, WORDS, words_of
from okx_async.stores.records import UnreadableError


@pytest.mark.parametrize("code", WORDS)
def test_each_code_has_its_words_with_its_further_byte_too(code: int) -> None:
    for whole in (code, code | 5 << 8):
        error = sqlite3.OperationalError("SQLite's own")
        error.sqlite_errorcode = whole
        assert words_of(error) == WORDS[code]


@pytest.mark.parametrize("spare", range(sqlite_words.OPENED + 1))
def test_too_many_open_files_are_named_where_sqlite_says_only_that_it_cannot_open_one(
    spare: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[int] = []

    def open_one(*_: object) -> int:
        if len(opened) == spare:
            raise OSError(errno.EMFILE, "Too many open files")
        opened.append(spare)
        return spare

    monkeypatch.setattr(os, "open", open_one)
    monkeypatch.setattr(os, "close", opened.remove)
    error = sqlite3.OperationalError("unable to open database file")
    error.sqlite_errorcode = 14
    assert words_of(error) == (WORDS[14] if spare == sqlite_words.OPENED else "Too many open files")
    assert not opened


def test_what_is_not_known_is_told_as_it_is() -> None:
    error = sqlite3.OperationalError("interrupted")
    error.sqlite_errorcode = 9
    assert words_of(error) == "interrupted"
    assert words_of(sqlite3.Error("without a code")) == "without a code"


def test_an_error_of_the_system_and_of_a_record() -> None:
    assert words_of(OSError(13, "Permission denied", "/secret/place")) == "Permission denied"
    assert words_of(UnreadableError("a record cannot be read")) == (f"a record cannot be read: {ELSEWHERE}")


def test_nobody_is_told_to_delete_what_may_be_theirs() -> None:
    """A path may have been mistyped, and lead to any file."""
    for words in (*WORDS.values(), words_of(UnreadableError("a record cannot be read"))):
        assert "delete" not in words
    for code in (1, 11, 26):
        assert "name another path" in WORDS[code]
