from okx_async.simulator import JournalRow
from okx_async.torture.evidence import Breach, Evidence


def test_a_breach_reads_as_its_invariant_and_what_was_found() -> None:
    assert str(Breach("windows", "21 within 2 s")) == "windows: 21 within 2 s"


def test_the_rows_of_a_named_request_are_found_by_its_name(evidence: Evidence) -> None:
    named = JournalRow(1000.0, "123", None, "POST", "/", "0", 200, executed=False, cl_ord_id="c1")
    evidence.journal = [named, named._replace(cl_ord_id="")]
    evidence.__post_init__()
    assert evidence.rows == {"c1": [named]}
