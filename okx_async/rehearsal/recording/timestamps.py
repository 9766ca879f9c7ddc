"""Timestamps as headers have them (pure)."""

from datetime import UTC, datetime


def timestamp_of(seconds: float) -> str:
    """Return Unix seconds as ISO 8601 text with milliseconds; a time that has no such text as "malformed"."""
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return "malformed"
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"
