import re
import string
from enum import Enum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from okx_async._errors import InvalidRequestError
from okx_async._rest.rate_keys import check_inst_id, check_user_id, rate_key
from okx_async._words import ListedText

SEGMENT = st.text(string.ascii_uppercase + string.digits + "_.", min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("inst_id", "scope"),
    [
        ("BTC-USD-260327-60000-C", "BTC-USD"),
        ("BTC-USD-260327-70000-P", "BTC-USD"),
        ("BTC-USD_UM-260327-60000-P", "BTC-USD_UM"),
        ("ETH-USD-260327-0.5-C", "ETH-USD"),
        ("BTC-USDT", "BTC-USDT"),
        ("BTC-USDT-SWAP", "BTC-USDT-SWAP"),
        ("BTC-USD-250808", "BTC-USD-250808"),
        ("BTC-USD_UM-SWAP", "BTC-USD_UM-SWAP"),
        ("1INCH-USDT-SWAP", "1INCH-USDT-SWAP"),
        ("BTC", "BTC"),
        # five segments, and yet no option
        ("BTC-USD-26032-60000-C", "BTC-USD-26032-60000-C"),
        ("BTC-USD-2603271-60000-C", "BTC-USD-2603271-60000-C"),
        ("BTC-USD-26032A-60000-C", "BTC-USD-26032A-60000-C"),
        ("BTC-USD-260327-60000-X", "BTC-USD-260327-60000-X"),
        ("BTC-USD-260327-60000-CP", "BTC-USD-260327-60000-CP"),
        # an option's date and end, but not five segments
        ("BTC-USD-260327-C", "BTC-USD-260327-C"),
        ("BTC-260327-60000-C", "BTC-260327-60000-C"),
        ("A-BTC-USD-260327-60000-C", "A-BTC-USD-260327-60000-C"),
        ("BTC-USD-260327-60000-1-C", "BTC-USD-260327-60000-1-C"),
    ],
)
def test_scope(inst_id: str, scope: str) -> None:
    assert rate_key("123", inst_id) == ("123", scope)


@pytest.mark.parametrize(
    "inst_id",
    [
        "",
        "-",
        "-BTC",
        "BTC-",
        "BTC--USDT",
        "btc-usdt-swap",
        "BTC-USDt",
        "BTC USDT",
        " BTC-USDT",
        "BTC-USDT\n",
        "BTC/USDT",
        "BTC-USDT,ETH-USDT",
        "BTC-USDT&instId=X",
        "BTC%2DUSDT",
        "ＢＴＣ-USDT",  # noqa: RUF001 - full-width letters
        "ВТС-USDT",  # noqa: RUF001 - Cyrillic ones
        "BTC-USD-٢٦٠٣٢٧-60000-C",  # digits that \d takes
        "BTC-USD-26032²-60000-C",
        "BTC‐USDT",  # noqa: RUF001 - a hyphen that is no dash
        "BTC-USDT\x00",
        "\ud800",
    ],
)
def test_a_wrong_inst_id_is_refused_and_shown(inst_id: str) -> None:
    with pytest.raises(InvalidRequestError, match="inst_id must be ASCII upper-case letters") as caught:
        rate_key("123", inst_id)
    assert str(caught.value).endswith(f"got {inst_id!r}")
    with pytest.raises(InvalidRequestError, match="inst_id"):
        check_inst_id(inst_id)


@pytest.mark.parametrize("inst_id", [None, 5, b"BTC-USDT", ["BTC-USDT"], {"a": 1}, True])
def test_an_inst_id_of_another_type_is_refused(inst_id: object) -> None:
    with pytest.raises(InvalidRequestError, match=re.escape(f"got {inst_id!r}")):
        rate_key("123", inst_id)  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError, match=re.escape(f"got {inst_id!r}")):
        check_inst_id(inst_id)


@pytest.mark.parametrize("user_id", ["", " ", "1 2", "12\n", "\t", "\x00", None, 123, b"123"])
def test_a_wrong_user_id_is_refused(user_id: object) -> None:
    with pytest.raises(InvalidRequestError, match=re.escape(f"without blanks, got {user_id!r}")):
        rate_key(user_id, "BTC-USDT")  # type: ignore[arg-type]


@pytest.mark.parametrize("user_id", ["123", "44705892343619584", "key:0a1b2c", "desk-7"])
def test_user_ids(user_id: str) -> None:
    check_user_id(user_id)
    assert rate_key(user_id, "BTC-USDT")[0] == user_id


@given(st.lists(SEGMENT, min_size=1, max_size=6))
def test_every_well_formed_id_has_a_scope_that_begins_it(segments: list[str]) -> None:
    inst_id = "-".join(segments)
    option = len(segments) == 5 and len(segments[2]) == 6 and segments[2].isdigit() and segments[4] in {"C", "P"}
    assert rate_key("1", inst_id) == ("1", "-".join(segments[:2]) if option else inst_id)


@given(SEGMENT, SEGMENT, st.integers(0, 999_999), SEGMENT, st.sampled_from("CP"))
def test_options_share_their_family(base: str, quote: str, date: int, strike: str, side: str) -> None:
    assert rate_key("1", f"{base}-{quote}-{date:06}-{strike}-{side}") == ("1", f"{base}-{quote}")


@given(st.text())
def test_any_text_gives_a_key_or_is_refused(text: str) -> None:
    wrong = set(text) - set(string.ascii_uppercase + string.digits + "_.-")
    if wrong or not all(text.split("-")):
        with pytest.raises(InvalidRequestError):
            rate_key("1", text)
    else:
        assert text.startswith(rate_key("1", text)[1])


@pytest.mark.parametrize(
    ("inst_id", "scope"),
    [
        ("龙虾-USDT-SWAP", "龙虾-USDT-SWAP"),
        ("kPEPE-USDT-SWAP", "kPEPE-USDT-SWAP"),
        ("龙虾-USD-260327-60000-C", "龙虾-USD"),
        ("龙虾-USD-260327", "龙虾-USD-260327"),
    ],
)
def test_a_listed_id_is_its_own_key_or_its_familys(inst_id: str, scope: str) -> None:
    key = rate_key("1", ListedText(inst_id))
    assert key == ("1", scope)
    assert type(key[1]) is str
    check_inst_id(ListedText(inst_id))
    with pytest.raises(InvalidRequestError):
        rate_key("1", inst_id)


@pytest.mark.parametrize("inst_id", ["ENUM-USDT-SWAP", "ENUM-USD-260327-60000-C"])
def test_a_member_of_an_enum_is_its_text(inst_id: str) -> None:
    class Instrument(str, Enum):  # noqa: UP042 - a StrEnum is written as its text anyway
        IT = inst_id

    for named in (Instrument.IT, inst_id):  # what the first caller gave is no one else's key
        _, scope = rate_key("1", named)
        assert (type(scope), f"{scope}") == (str, inst_id.partition("-260327")[0])
