"""The record itself: a level is its own word, so that JSON and people read the same."""

from dataclasses import asdict

import orjson

from okx_async.doctor import Finding, Level


def test_a_finding_is_readable_by_machines() -> None:
    record = orjson.dumps(asdict(Finding("clock", Level.WARN, "late", "set it")))
    assert orjson.loads(record) == {"check": "clock", "level": "warn", "text": "late", "remedy": "set it"}
