"""How large heads were, by a recording."""

from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import pytest

from okx_async.rehearsal.assumptions import BY_ID
from okx_async.rehearsal.recording.differences import HEADS
from okx_async.rehearsal.recording.entry import Entry
from okx_async.rehearsal.recording.heads import answer_head, head_sizes, unlike
from okx_async.rehearsal.recording.replay import replay
from okx_async.rehearsal.recording.settle import settle
from okx_async.rehearsal.results import TrialResult, Verdict
from okx_async.simulator import Behaviour
from tests.rehearsal.recording.conftest import recorded


def told(**observed: Any) -> TrialResult:
    return TrialResult(HEADS, Verdict.HELD, "", observed)


@pytest.mark.parametrize(
    ("results", "sizes"),
    [
        ([], None),
        ([told()], None),
        ([told(head_taken="4096")], None),
        ([told(head_taken=True)], None),
        ([told(head_taken=4096)], (4096, inf)),
        ([told(head_taken=4096, head_refused=8192)], (4096, 8192)),
        ([replace(told(head_taken=1), id="another-trial"), told(head_taken=2)], (2, inf)),
    ],
)
def test_what_the_trial_tells_of_requests(results: list[TrialResult], sizes: tuple[int, float] | None) -> None:
    assert head_sizes(results) == sizes


@pytest.mark.parametrize(
    ("sizes", "most", "words"),
    [
        (None, 1024, None),
        ((4096, inf), 4096, None),
        ((4096, inf), 4095, ("a head of 4096 bytes", "taken", "refused")),
        ((4096, 8192), 8191, None),
        ((4096, 8192), 8192, ("a head of 8192 bytes", "refused", "taken")),
    ],
)
def test_what_an_exchange_takes_is_between_both(
    sizes: tuple[int, float] | None, most: int, words: tuple[str, str, str] | None
) -> None:
    found = unlike(sizes, most)
    assert (found and (found.where, found.recorded, found.simulated)) == words


def entry(head: int, headers: int = 5) -> Entry:
    shown = {f"x-{number}": None for number in range(headers)}
    return Entry(trial="t", at=0.0, took=0.1, method="GET", path="/", status=200, headers=shown, head=head)


@pytest.mark.parametrize(
    ("entries", "size"),
    [
        ([], None),
        ([entry(900)], 900),
        ([entry(900), entry(1000), entry(5000)], 1000),
        (
            [entry(900), entry(10, headers=1), entry(10, headers=0)],
            900,
        ),  # of the library's client, of which one is told
        ([entry(120)], None),
        ([entry(70_000)], None),
    ],
)
def test_what_heads_of_answers_usually_have(entries: list[Entry], size: int | None) -> None:
    assert answer_head(entries) == size


def test_the_trial_is_of_the_register() -> None:
    assert HEADS in BY_ID


@pytest.mark.parametrize(
    ("most", "settled", "differs"),
    [(3000, 2048, "a head of 4096 bytes: recorded refused, simulated taken"), (32 * 1024, None, "")],
)
def test_a_recording_settles_how_large_heads_may_be(
    tmp_path: Path, most: int, settled: int | None, differs: str
) -> None:
    recording = settle(recorded(tmp_path, frozenset({HEADS}), max_head=most, answer_head=900))
    assert recording.settings.get("max_head") == settled
    size = recording.settings["answer_head"]
    assert 850 < size <= 920
    found = replay(recording).differences
    assert [each.assumption for each in found] == ([HEADS] if differs else [])
    assert all(differs in str(each) for each in found)
    assert replay(recording, recording.settings).differences == ()
    (larger,) = replay(recording, {"max_head": 1024}).differences if settled else [None]
    assert settled is None or "recorded taken, simulated refused" in str(larger)
    Behaviour(**recording.settings)
