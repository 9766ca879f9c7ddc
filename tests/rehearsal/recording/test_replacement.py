"""Replacement: the same original has the same replacement of its form, and no secret is left in any spelling."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from okx_async.rehearsal.recording.replacement import LEFT_OUT, Replacer
from tests.rehearsal.recording.test_spellings import SECRET, SPELLINGS, WORDS

UID = "44705892343619584"
IDS = st.from_regex(r"[0-9]{6,20}|[A-Za-z0-9]{6,32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}", fullmatch=True)


def replacer(*hidden: str, salt: bytes = b"salt") -> Replacer:
    made = Replacer(salt)
    made.hide(*hidden)
    return made


def done(value: Any, *hidden: str) -> Any:
    made = replacer(*hidden)
    made.learn(value)
    return made.json(value)


@settings(deadline=None, max_examples=40)
@given(st.lists(IDS, min_size=1, max_size=8))
def test_an_id_has_one_replacement_of_its_length_and_form(ids: list[str]) -> None:
    value = [{"ordId": one, "posId": one, "code": "0"} for one in ids]
    made = done(value)
    pairs = {one: row["ordId"] for one, row in zip(ids, made, strict=True)}
    assert len(set(pairs.values())) == len(set(ids))  # different ones stay different
    for one, row in zip(ids, made, strict=True):
        new = row["ordId"]
        assert row == {"ordId": new, "posId": new, "code": "0"}
        assert pairs[one] == new != one
        assert [(c.isdigit(), c.isupper(), c.islower(), c == "-") for c in new] == [
            (c.isdigit(), c.isupper(), c.islower(), c == "-") for c in one
        ]
        assert (new[0] == "0") <= (one[0] == "0")


@settings(deadline=None)
@given(st.integers(1, 10**18))
def test_an_id_that_is_a_number_stays_one(number: int) -> None:
    made = done([{"uid": number, "mainUid": str(number)}])[0]
    assert isinstance(made["uid"], int)
    assert str(made["uid"]) == made["mainUid"] != str(number)
    assert len(made["mainUid"]) == len(str(number))


def test_another_salt_has_other_replacements() -> None:
    assert replacer(salt=b"a").pseudonym(UID) != replacer(salt=b"b").pseudonym(UID)


def test_what_is_no_secret_stays() -> None:
    value = {
        "code": "0",
        "data": [
            {"instId": "BTC-USD-260327-60000-C", "pos": "-3", "cTime": "1768519600123", "adl": 1, "x": None, "y": 1.5}
        ],
        "inTime": "1768519672400317",
        "msg": "Position doesn't exist.",
        "ordId": "",
        "tradeId": "0",
        "autoLoan": False,
    }
    assert done(value, SECRET, UID) == value


def test_ids_and_addresses_in_messages_are_the_same_as_in_fields() -> None:
    value = {
        "ip": "203.0.113.7,2001:db8:1::7",
        "ordId": "590908157585625111",
        "msg": "Your IP 203.0.113.7 and order 590908157585625111 of desk@example.com, 712345678901234567."
        " Trace 5d41402abc4b2a76b9719d91, 0f4b2c5e-1111-4222-8333-444455556666; 0.712345678901234567 is none.",
    }
    made = done(value)
    address, other = made["ip"].split(",")
    assert made["msg"].startswith(f"Your IP {address} and order {made['ordId']} of ")
    assert "203.0.113.7" not in str(made)
    assert "2001:db8:1::7" not in str(made)
    assert "example" not in made["msg"]
    assert " 712345678901234567" not in made["msg"]
    assert "5d41402abc" not in made["msg"]
    assert "0f4b2c5e" not in made["msg"]
    assert made["msg"].endswith("0.712345678901234567 is none.")
    assert other.startswith("2001:db8::")


def test_short_ids_are_replaced_in_their_fields_only() -> None:
    assert done({"ordId": "1", "tag": "market", "adl": "1", "ordType": "market"}) | {"ordId": "", "tag": ""} == {
        "ordId": "",
        "tag": "",
        "adl": "1",
        "ordType": "market",
    }


def test_queries() -> None:
    made = replacer(SECRET)
    path = (
        "/api/v5/account/positions?instId=BTC-USDT-SWAP,ETH-USDT-SWAP&posId=1725119205811617792%2C2&after=1768519672373"
    )
    made.learn_query(path)
    shown = made.path(path)
    assert shown.startswith("/api/v5/account/positions?instId=BTC-USDT-SWAP,ETH-USDT-SWAP&posId=")
    assert shown.endswith("&after=1768519672373")
    assert len(shown) == len(path)
    assert "1725119205811617792" not in shown
    assert made.path(f"/api/v5/x?a={SECRET}") == f"/api/v5/x?a={LEFT_OUT}"
    assert made.path(f"/api/{SECRET}") == f"/api/{SECRET}".replace(f"/api/{SECRET}", LEFT_OUT)
    assert made.path("/api/v5/public/time") == "/api/v5/public/time"


def test_a_name_of_a_field_may_be_a_secret() -> None:
    assert done({SECRET: 1, SECRET.lower(): 2}, SECRET) == {LEFT_OUT: 1, f"{LEFT_OUT}_": 2}


def strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for key, each in value.items() for text in (key, *strings(each))]
    if isinstance(value, list):
        return [text for each in value for text in strings(each)]
    return [str(value)]


@pytest.mark.share(4)
@pytest.mark.parametrize("spelling", SPELLINGS)
@settings(deadline=None, max_examples=20)
@given(secret=WORDS, around=st.sampled_from(["{}", "key={}", "The key {} is wrong", '"{}"', "<b>{}</b>"]))
def test_no_secret_of_any_spelling_is_left(spelling: str, secret: str, around: str) -> None:
    spelt = SPELLINGS[spelling](secret)
    value = {
        "code": "50113",
        "msg": around.replace("{}", spelt),
        "data": [{"label": secret, "x": {"y": [spelt]}, spelt: "z"}],
    }
    made = orjson.loads(orjson.dumps(done(value, secret)))
    text = orjson.dumps(made).decode()
    assert spelt not in text
    assert secret not in text
    assert made["code"] == "50113" or secret in "50113"
    assert all(spelt.casefold() not in each.casefold() for each in strings(made))


@settings(deadline=None)
@given(secret=WORDS.filter(lambda word: "@" not in word), data=st.data())  # what looks like a mail is replaced before
def test_no_secret_is_left_that_is_split_over_fields(secret: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, len(secret) - 1), min_size=1, max_size=3)))
    pieces = [secret[a:b] for a, b in zip([0, *cuts], [*cuts, len(secret)], strict=True)]
    value = {"a": 1, **{f"f{number}": piece for number, piece in enumerate(pieces)}, "z": [True, None]}
    made = done(value, secret)
    left = "".join(str(each) for key, each in made.items() if str(key).startswith("f"))
    assert secret.casefold() not in left.casefold()
    assert LEFT_OUT in left
    assert made["z"] == [True, None]


@settings(deadline=None)
@given(st.integers(10**9, 10**18))
def test_numbers_are_searched_too(number: int) -> None:
    made = done({"known": number, "big": -number, "other": float(number)}, str(number))
    assert str(number) not in orjson.dumps(made).decode()
    assert [type(each) for each in made.values()] == [int, int, float]
    assert -made["big"] == made["known"]


def test_long_secrets_are_found_by_their_parts() -> None:
    made = done({"a": f"ends in {SECRET[-10:]}", "b": SECRET[:9]}, SECRET)
    assert made == {"a": LEFT_OUT, "b": SECRET[:9]}


def test_it_shows_nothing_itself() -> None:
    made = replacer(SECRET)
    made.learn({"uid": UID})
    assert SECRET not in repr(made)
    assert UID not in repr(made)
