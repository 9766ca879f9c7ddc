"""Paths of the machine have no place in a recording."""

import pytest

from okx_async.rehearsal.recording.folders import without_paths


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("not sent: /srv/joe/state/limits.sqlite3: Not a directory", "not sent: (a path): Not a directory"),
        (r"C:\Work\joe\limits.sqlite3 cannot be opened", "(a path) cannot be opened"),
        ("sqlite:///srv/joe/limits: locked", "sqlite://(a path): locked"),
        ("('/srv/joe/x',)", "('(a path)',)"),
        ("trade/order answered 51603 under HTTP 200", "trade/order answered 51603 under HTTP 200"),
        ("GET /api/v5/account/positions failed", "GET /api/v5/account/positions failed"),
        ("at http://198.51.100.2:39279: refused", "at http://198.51.100.2:39279: refused"),
        ("of 20 closes 3/4", "of 20 closes 3/4"),
    ],
)
def test_only_paths_are_replaced(text: str, expected: str) -> None:
    assert without_paths(text) == expected


def test_a_known_folder_may_have_blanks() -> None:
    text = "/srv/joe doe/state/limits.sqlite3: No space left on device"
    assert without_paths(text, ["/srv", "/srv/joe doe", "/"]) == "(a path): No space left on device"
