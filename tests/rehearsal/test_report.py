"""The report of a rehearsal."""

from dataclasses import replace

import pytest

from okx_async.rehearsal.cleanup import Left
from okx_async.rehearsal.report import Report
from okx_async.rehearsal.results import TrialResult, Verdict

GOOD = Report("demo", "X-SWAP", (TrialResult("a", Verdict.HELD, ""), TrialResult("b", Verdict.NOT_TRIED, "")),
              Left(flat=True, certain=True))  # fmt: skip


def test_it_is_true_if_nothing_is_wrong_and_nothing_is_left() -> None:
    assert GOOD
    assert GOOD.wrong == ()


@pytest.mark.parametrize(
    "worse",
    [
        replace(GOOD, left=Left(flat=False, certain=True)),
        replace(GOOD, stopped="interrupted"),
        replace(GOOD, results=(TrialResult("a", Verdict.NOT_HELD, ""),)),
    ],
)
def test_it_is_false_for_anything_else(worse: Report) -> None:
    assert not worse
