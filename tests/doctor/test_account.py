"""Findings from the account's record, and the private parts that they leave out."""

from typing import Any

import pytest

from okx_async.doctor import Finding, Level
from okx_async.doctor.account import account_findings

GOOD = {
    "uid": "44705892343619584",
    "mainUid": "44705892343619584",
    "acctLv": "2",
    "posMode": "net_mode",
    "perm": "read_only,trade",
    "ip": "203.0.113.7,203.0.113.8",
    "label": "the desk of J. Doe",
    "type": "0",
    "roleType": "0",
    "acctStpMode": "cancel_maker",
}


def findings(user_id: str | None = None, *, demo: bool = False, **changes: Any) -> dict[str, Finding]:
    found = account_findings({**GOOD, **changes}, user_id, demo=demo)
    assert len({finding.check for finding in found}) == len(found)
    shown = "".join(f"{finding.text}{finding.remedy}" for finding in found)
    assert not any(private in shown for private in ("203.0.113", "J. Doe"))
    return {finding.check: finding for finding in found}


def test_a_good_account_is_ok_throughout() -> None:
    found = findings()
    assert {finding.level for finding in found.values()} == {Level.OK}
    assert not any(finding.remedy for finding in found.values())
    assert found["ip list"].text == "the key is bound to 2 addresses"
    assert found["account mode"].text.startswith("Futures; a cross MARGIN position")


@pytest.mark.parametrize(
    ("changes", "check", "level", "word"),
    [
        ({"perm": "read_only"}, "permission", Level.FAIL, "50120"),
        ({"perm": "read_only, trade ,withdraw"}, "permission", Level.OK, "may trade"),
        ({"perm": "read_only,trade,withdraw"}, "withdrawal", Level.WARN, "may withdraw"),
        ({"ip": ""}, "ip list", Level.WARN, "no address"),
        ({"ip": "203.0.113.7"}, "ip list", Level.OK, "1 address"),
        ({"acctLv": "1"}, "account mode", Level.WARN, "nothing to close"),
        ({"acctLv": "2"}, "account mode", Level.OK, "its ccy="),
        ({"acctLv": "3"}, "account mode", Level.OK, "Multi-currency margin; flat does not cover spot holdings"),
        ({"acctLv": "4"}, "account mode", Level.OK, "Portfolio margin; flat does not cover spot holdings"),
        ({"acctLv": "9"}, "account mode", Level.SKIP, "acctLv 9"),
        ({"posMode": "long_short_mode"}, "position mode", Level.OK, "need pos_side="),
        ({"posMode": "hedged"}, "position mode", Level.SKIP, "posMode hedged"),
        ({"roleType": "1"}, "copy trading", Level.WARN, "51156"),
        ({"roleType": "2"}, "copy trading", Level.OK, "copy trader"),
        ({"acctStpMode": "cancel_taker"}, "self-trade", Level.WARN, "cut off"),
        ({"acctStpMode": "cancel_both"}, "self-trade", Level.WARN, "cut off"),
        ({"mainUid": "1", "type": "1"}, "account", Level.OK, "sub-account of 1, with limits of its own"),
        ({"mainUid": "1", "type": "5"}, "account", Level.OK, "type 5: managed or in custody"),
    ],
    ids=str,
)
def test_each_setting_has_its_finding(changes: dict[str, Any], check: str, level: Level, word: str) -> None:
    finding = findings(**changes)[check]
    assert finding.level is level
    assert word in finding.text
    assert bool(finding.remedy) == (level in {Level.WARN, Level.FAIL})


def test_demo_keys_need_no_address() -> None:
    assert findings(demo=True, ip="")["ip list"].level is Level.OK


def test_the_given_user_id_is_compared() -> None:
    assert findings("44705892343619584")["user id"].text == "44705892343619584, as given"
    wrong = findings("123")["user id"]
    assert wrong.level is Level.FAIL
    assert wrong.remedy.startswith('user_id="44705892343619584"')


@pytest.mark.parametrize("field", ["uid", "mainUid", "perm", "ip", "acctLv", "posMode", "roleType", "acctStpMode"])
@pytest.mark.parametrize("value", [None, 7, ["x"], {}], ids=str)
def test_a_missing_field_is_skipped(field: str, value: object) -> None:
    record: dict[str, Any] = {**GOOD, field: value}
    assert [one.level for one in account_findings(record)].count(Level.SKIP) == 1
    del record[field]
    assert [one.level for one in account_findings(record)].count(Level.SKIP) == 1


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert "\x1b" not in findings(perm="\x1b[31mread")["permission"].text
