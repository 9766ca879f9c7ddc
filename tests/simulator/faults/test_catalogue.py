import re
import zlib
from pathlib import Path

import orjson
import pytest

from okx_async.simulator.api.endpoints import CLOSE_PATH
from okx_async.simulator.faults.catalogue import CATALOGUE, fault_of
from tests.simulator.conftest import Desk

# The groups of faults that are wanted, and some faults of each.
GROUPS = {
    "says that it does not know": {"50004", "50013", "50026", "51054", "51149"},
    "refuses": {"50001", "51023", "51115"},
    "refuses for rate": {"50011", "51113"},
    "accepts in odd words": {"accepted without data"},
    "answers without an envelope": {
        "plain 429",
        "HTML 429",
        "HTML 502",
        "HTML 503",
        "HTML 520",
        "cut JSON",
        "empty 200",
    },
    "a proxy answers before the exchange counts": {"504 early, sent on 3 s later", "HTML 502 early"},
    "the connection is lost": {"reset early", "reset"},
    "is slow": {"4.8 s", "5.2 s", "headers, then nothing"},
    "is too long": {"20 MB", "gzip bomb"},
    "fills in part": {"half filled", "never filled"},
    "has another clock": {"5 s ahead", "29 s behind", "31 s ahead", "1 h behind", "jumps ahead by 1 h"},
    "another endpoint fails": {
        "time down",
        "config down",
        "config slow",
        "positions refused for rate",
        "positions empty once",
    },
    "the API key is refused": {"key revoked in mid-run"},
}


def test_every_group_has_its_faults() -> None:
    assert {kind.group for kind in CATALOGUE.values()} == set(GROUPS)
    for group, names in GROUPS.items():
        assert names <= {name for name, kind in CATALOGUE.items() if kind.group == group}
    assert len(CATALOGUE) >= 90


def test_a_fault_has_its_name() -> None:
    assert [fault_of(name, {}).name for name in CATALOGUE] == list(CATALOGUE)


def test_no_answer_lies() -> None:
    judged = 0
    for name, kind in CATALOGUE.items():
        fault = fault_of(name, {})
        if fault.path != CLOSE_PATH or not fault.answers or fault.disconnect or fault.cut is not None:
            continue  # about something else, or no complete answer of the fault's own
        if max(fault.delay, fault.pause) > 5.0 or fault.padding > 1 << 20:
            continue  # no client reads it to its end
        status, body = fault.answer()
        try:
            record = orjson.loads(body.replace(b"\xff", b""))
        except ValueError:
            continue
        if isinstance(record, dict) and "data" in record:
            codes = {str(record["code"])} | {item.get("sCode", "0") for item in record["data"] or []}
            if codes == {"0"} and status == 200:
                assert kind.executed is True, name
                judged += 1
            elif codes & {"50001", "50011", "51023", "51113", "51115", "51000", "51008_1000"}:
                assert kind.executed is False, name
                judged += 1
    assert judged >= 20


@pytest.mark.parametrize("executed", [True, False])
@pytest.mark.parametrize("name", ["50004", "HTML 520", "reset", "20 MB"])
def test_what_may_have_been_executed_is_so_as_told(name: str, *, executed: bool) -> None:
    fault = fault_of(name, {"executed": executed, "times": 3})
    assert (fault.executed, fault.times) == (executed, 3)


@pytest.mark.parametrize(
    ("name", "executed", "says"), [("50001", True, "never"), ("4.8 s", False, "always"), ("302 early", True, "never")]
)
def test_what_cannot_be_is_refused(name: str, says: str, *, executed: bool) -> None:
    with pytest.raises(ValueError, match=f"is {says} executed"):
        fault_of(name, {"executed": executed})


def test_an_unknown_name_says_what_is_near_and_where_the_names_are() -> None:
    with pytest.raises(ValueError, match=r"no fault is called 'HTML_502', near is 'HTML 502'; all names: .*CATALOGUE"):
        fault_of("HTML_502", {})
    with pytest.raises(ValueError, match="any code is answered by code='51024', on the command line --code 51024; all"):
        fault_of("51024", {})
    with pytest.raises(ValueError, match=r"no fault is called '\?'; all names: .*`okx-async simulated faults`"):
        fault_of("?", {})


def test_the_page_has_every_name() -> None:
    page = (Path(__file__).parents[3] / "docs/reference/simulator.md").read_text()
    section = page.partition("## Faults by name")[2].partition("\n## ")[0]
    listed = {
        group: re.findall("`([^`]+)`", names)
        for group, names in re.findall(r"^\* ([^:]+): (.*)$", section, re.MULTILINE)
    }
    named: dict[str, list[str]] = {}
    for name, kind in CATALOGUE.items():
        named.setdefault(kind.group, []).append(name)
    assert listed == named, "docs/reference/simulator.md lists other names than the catalogue, or in another order"


def test_the_bomb_is_one() -> None:
    _, body = fault_of("gzip bomb", {}).answer()
    assert len(zlib.decompress(body, wbits=31)) > 90 * len(body)


def test_a_key_that_is_revoked_in_mid_run_stays_so(desk: Desk) -> None:
    desk.exchange.inject("key revoked in mid-run")
    assert [desk.close().code for _ in range(4)] == ["51023", "51023", "50119", "50119"]
    assert desk.get("account/config").code == "50119"
