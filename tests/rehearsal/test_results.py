"""What became of an assumption."""

import orjson

from okx_async.rehearsal.results import TrialResult, Verdict


def test_a_verdict_is_a_word_of_json() -> None:
    result = TrialResult("an-id", Verdict.NOT_TRIED, "no reason")
    assert orjson.loads(orjson.dumps({"verdict": result.verdict, "observed": dict(result.observed)})) == {
        "verdict": "not_tried",
        "observed": {},
    }
