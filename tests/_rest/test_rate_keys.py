from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from okx_async._errors import InvalidRequestError
from okx_async._rest.rate_keys import (
    REGIONS,
    check_base_url,
    check_inst_id,
    check_user_id,
    environment,
    rate_key,
    region_url,
)
from okx_async._validation import short_repr

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
    ("value", "text"),
    [
        ("abc", "'abc'"),
        ("a" * 60, repr("a" * 60)),
        ("a" * 10_000_000, repr("a" * 60) + "…"),
        ("\x1b[31m\n", r"'\x1b[31m\n'"),
        (list(range(1000)), "[" + ", ".join(map(str, range(1000)))[:59] + "…"),
        (None, "None"),
    ],
)
def test_shown(value: object, text: str) -> None:
    assert short_repr(value) == text


@pytest.mark.parametrize(
    ("base_url", "demo", "name"),
    [
        (None, False, "live"),
        (None, True, "demo"),
        ("https://www.okx.com", False, "live"),
        ("https://WWW.OKX.COM", True, "demo"),
        ("https://okx.com", False, "live"),
        ("https://okx.com.", False, "live"),
        ("https://aws.okx.com:443/", False, "live"),
        ("https://eea.okx.com", True, "demo"),
        ("https://www.okx.com:8443/proxy", False, "live"),
        ("https://notokx.com", False, "https://notokx.com"),
        ("https://okx.com.example", True, "https://okx.com.example"),
        ("http://127.0.0.1:1234", False, "http://127.0.0.1:1234"),
        ("http://127.0.0.1:1234/api/", True, "http://127.0.0.1:1234"),
        ("http://LocalHost:80", False, "http://localhost"),
        ("https://Proxy.example:443/okx", False, "https://proxy.example"),
        ("http://proxy.example:443", False, "http://proxy.example:443"),
        ("http://[::1]:99", False, "http://[::1]:99"),
        ("http://[0:0:0:0:0:0:0:1]:99", False, "http://[::1]:99"),
    ],
)
def test_environment(base_url: str | None, demo: bool, name: str) -> None:  # noqa: FBT001 - a parameter of the table
    assert environment(base_url, demo=demo) == name


@pytest.mark.parametrize("region", ["global", "eea", "us", "tr"])
def test_every_region_is_one_environment(region: str) -> None:
    assert environment(None, demo=False, region=region) == "live"
    assert environment(REGIONS[region], demo=False) == "live"
    assert check_base_url(region_url(region)) == region_url(region)


def test_hosts() -> None:
    assert dict(REGIONS) == {
        "global": "https://openapi.okx.com",
        "eea": "https://eea.okx.com",
        "us": "https://us.okx.com",
        "tr": "https://tr.okx.com",
    }


@pytest.mark.parametrize("region", ["", "EEA", "asia", None, 1, ["us"]])
def test_an_unknown_region_is_refused_with_the_known_ones(region: object) -> None:
    with pytest.raises(InvalidRequestError, match=re.escape(f"one of global, eea, us, tr, got {region!r}")):
        region_url(region)  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError, match="region"):
        environment(None, demo=False, region=region)  # type: ignore[arg-type]


def test_demo_is_a_real_bool() -> None:
    with pytest.raises(InvalidRequestError, match="demo must be True or False, got 'false'"):
        environment(None, demo="false")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("https://www.okx.com", "https://www.okx.com"),
        ("https://www.okx.com/", "https://www.okx.com"),
        ("HTTPS://WWW.okx.com:443", "https://www.okx.com"),
        ("https://proxy.example:8443/okx/", "https://proxy.example:8443/okx"),
        ("http://localhost", "http://localhost"),
        ("http://localhost:8080/", "http://localhost:8080"),
        ("http://127.0.0.1:1234", "http://127.0.0.1:1234"),
        ("http://127.99.0.1", "http://127.99.0.1"),
        ("http://[::1]:1234", "http://[::1]:1234"),
        ("https://10.0.0.7", "https://10.0.0.7"),
    ],
)
def test_base_urls(url: str, clean: str) -> None:
    assert check_base_url(url) == clean
    assert check_base_url(clean) == clean


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("http://www.okx.com", "plain http is for loopback addresses"),
        ("http://10.0.0.7:80", "plain http is for loopback addresses"),
        ("http://0.0.0.0", "plain http is for loopback addresses"),
        ("http://127.0.0.1.example.com", "plain http is for loopback addresses"),
        ("http://localhost.example.com", "plain http is for loopback addresses"),
        ("http://127.1", "plain http is for loopback addresses"),
        ("ftp://www.okx.com", "must begin with https://"),
        ("ws://localhost", "must begin with https://"),
        ("www.okx.com", "must begin with https://"),
        ("//www.okx.com", "must begin with https://"),
        ("", "must begin with https://"),
        ("https://", "must name a host"),
        ("https:///path", "must name a host"),
        ("https://a b", "must name a host"),
        (" https://www.okx.com", "base_url must"),
        ("https://www.okx.com\n", "must name a host"),
        ("https://www.okx.com\\x", "must be a URL"),
        ("https://okx。com", "must name a host"),  # IDNA takes this full stop for a dot
        ("https://ex%41mple.com", "must name a host"),
        ("https://[fe80::1%25eth0]", "must name a host"),
        ("https://www.okx.com:0", "must name a host"),
        ("https://www.okx.com:99999", "must be a URL"),
        ("https://www.okx.com:abc", "must be a URL"),
        ("https://[::1", "must be a URL"),
        ("https://www.okx.com/?", "no query and no fragment"),
        ("https://www.okx.com#x", "no query and no fragment"),
    ],
)
def test_a_wrong_base_url_is_refused(url: str, rule: str) -> None:
    with pytest.raises(InvalidRequestError, match=rule):
        check_base_url(url)


@pytest.mark.parametrize("url", [None, 5, b"https://www.okx.com"])
def test_a_base_url_of_another_type_is_refused(url: object) -> None:
    with pytest.raises(InvalidRequestError, match="base_url must be a string"):
        check_base_url(url)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url", ["https://bob:hunter2@www.okx.com", "https://hunter2@x", "ftp://bob:hunter2@x", "bob:hunter2@x?y"]
)
def test_user_name_and_password_are_never_shown(url: str) -> None:
    with pytest.raises(InvalidRequestError, match="must not hold a user name or password") as caught:
        check_base_url(url, allow_plain_http=True)
    assert "hunter2" not in repr(caught.value)


def test_a_query_is_never_shown() -> None:
    with pytest.raises(InvalidRequestError, match=re.escape("got 'https://x/y'…")) as caught:
        check_base_url("https://x/y?token=hunter2#more")
    assert "hunter2" not in repr(caught.value)


def test_plain_http_where_it_was_asked_for() -> None:
    assert check_base_url("http://10.0.0.7:8080/okx", allow_plain_http=True) == "http://10.0.0.7:8080/okx"
    with pytest.raises(InvalidRequestError, match="must begin with https://"):
        check_base_url("ftp://10.0.0.7", allow_plain_http=True)
