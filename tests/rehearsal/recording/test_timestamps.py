import pytest

from okx_async.rehearsal.recording.timestamps import timestamp_of


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1768519672.3739, "2026-01-15T23:27:52.373Z"),
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1e12, "malformed"),
        (-1e13, "malformed"),
    ],
)
def test_times_as_headers_have_them(seconds: float, text: str) -> None:
    assert timestamp_of(seconds) == text
