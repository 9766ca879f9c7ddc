import re
import string
from typing import Any

import pytest
from hypothesis import strategies as st

from okx_async._errors import InvalidRequestError, safe_repr
from okx_async._rest.hosts import REGIONS, check_base_url, environment, host_of, is_eea, region_url
from tests.odd_values import ODD

SEGMENT = st.text(string.ascii_uppercase + string.digits + "_.", min_size=1, max_size=8)


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
        ("https://www.okx.cab", False, "live"),
        ("https://okx.ac", True, "demo"),
        ("https://www.okex.com", False, "live"),
        ("https://www.okx.cab.example", False, "https://www.okx.cab.example"),
        ("https://notokx.com", False, "https://notokx.com"),
        ("https://okx.com.example", True, "https://okx.com.example"),
        ("http://127.0.0.1:1234", False, "http://127.0.0.1:1234"),
        ("http://127.0.0.1:1234/api/", True, "http://127.0.0.1:1234"),
        ("http://LocalHost:80", False, "http://127.0.0.1"),
        ("http://localhost.:80/", False, "http://127.0.0.1"),
        ("https://Mirror.Example.:443/", False, "https://mirror.example"),
        ("https://[2001:DB8:0:0::1]:443", False, "https://[2001:db8::1]"),
        ("https://Proxy.example:443/okx", False, "https://proxy.example"),
        ("http://proxy.example:443", False, "http://proxy.example:443"),
        ("http://[::1]:99", False, "http://127.0.0.1:99"),
        ("http://[0:0:0:0:0:0:0:1]:99", False, "http://127.0.0.1:99"),
    ],
)
def test_environment(base_url: str | None, demo: bool, name: str) -> None:  # noqa: FBT001 - a parameter of the table
    assert environment(base_url, demo=demo) == name


@pytest.mark.parametrize("region", list(REGIONS))
def test_every_region_is_one_environment(region: str) -> None:
    assert environment(None, demo=False, region=region) == "live"
    assert environment(REGIONS[region], demo=False) == "live"
    assert check_base_url(region_url(region)) == region_url(region)


def test_hosts() -> None:
    assert dict(REGIONS) == {
        "global": "https://openapi.okx.com",
        "eea": "https://eea.okx.com",
        "us": "https://us.okx.com",
        "app": "https://app.okx.com",
        "au": "https://us.okx.com",
        "tr": "https://tr.okx.com",
    }


@pytest.mark.parametrize("region", ["", "EEA", "asia", None, 1, ["us"], *ODD])
def test_an_unknown_region_is_refused_with_the_known_ones(region: object) -> None:
    shown = safe_repr(region)
    with pytest.raises(InvalidRequestError, match=re.escape(f"one of global, eea, us, app, au, tr, got {shown}")):
        region_url(region)  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError, match="region"):
        environment(None, demo=False, region=region)  # type: ignore[arg-type]


@pytest.mark.parametrize("demo", [False, True])
def test_a_mirror_can_be_declared_to_count_as_okx(demo: bool) -> None:  # noqa: FBT001 - a parameter of the table
    name = "demo" if demo else "live"
    assert environment("https://mirror.example/okx", demo=demo, counts_as=name) == name
    assert environment(None, demo=demo, counts_as=name) == name
    with pytest.raises(InvalidRequestError, match=f"{'contradicts' if demo else 'needs'} demo=True"):
        environment("https://mirror.example", demo=demo, counts_as="live" if demo else "demo")


@pytest.mark.parametrize("counts_as", ["", "LIVE", "okx", 1, ["live"]])
def test_it_counts_as_nothing_else(counts_as: object) -> None:
    with pytest.raises(InvalidRequestError, match=re.escape(f"'live', 'demo' or None, got {counts_as!r}")):
        environment(None, demo=False, counts_as=counts_as)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "there"),
    [
        (REGIONS["eea"], True),
        ("https://EEA.okx.com.:443/x", True),
        (REGIONS["global"], False),
        ("http://127.0.0.1", False),
    ],
)
def test_the_home_without_swaps(url: str, *, there: bool) -> None:
    assert is_eea(url) is there


def test_a_base_url_takes_the_place_of_that_of_the_region() -> None:
    assert host_of("eea", None) == "https://eea.okx.com"
    assert host_of("eea", "https://mirror.example/") == "https://mirror.example"
    assert host_of("eea", "http://mirror.example", allow_plain_http=True) == "http://mirror.example"
    with pytest.raises(InvalidRequestError, match="region must be"):
        host_of("asia", "https://mirror.example")


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
        ("https://xn--", "base_url must"),
        ("https://xn--a", "base_url must"),
        ("https://www.okx.com\n", "must name a host"),
        ("https://www.okx.com\\x", "must be a URL"),
        ("https://okx。com", "must name a host"),  # IDNA takes this full stop for a dot
        ("https://ex%41mple.com", "must name a host"),
        ("https://[fe80::1%25eth0]", "must name a host"),
        ("https://www.okx.com:0", "must name a host"),
        ("https://www.okx.com:99999", "must be a URL"),
        ("https://www.okx.com:abc", "its port is a number"),
        ("https://[::1", "must be a URL"),
        ("https://www.okx.com/?", "no query and no fragment"),
        ("https://www.okx.com#x", "no query and no fragment"),
        ("https://www.okx.com/api/v5", "must leave out /api/v5"),
        ("https://mirror.example/okx/api/v5/", "must leave out /api/v5"),
    ],
)
def test_a_wrong_base_url_is_refused(url: str, rule: str) -> None:
    with pytest.raises(InvalidRequestError, match=rule):
        check_base_url(url)


@pytest.mark.parametrize("allowed", ["false", "0", 1, None])
def test_plain_http_is_allowed_by_true_alone(allowed: Any) -> None:
    with pytest.raises(InvalidRequestError, match="allow_plain_http must be True or False"):
        host_of("eea", "http://mirror.example", allow_plain_http=allowed)


@pytest.mark.parametrize("url", [None, 5, b"https://www.okx.com"])
def test_a_base_url_of_another_type_is_refused(url: object) -> None:
    with pytest.raises(InvalidRequestError, match="base_url must be a string"):
        check_base_url(url)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url",
    [
        *("https://bob:hunter2@www.okx.com", "https://hunter2@x", "ftp://bob:hunter2@x", "bob:hunter2@x?y"),
        *(
            "https://bob:hunter2%40www.okx.com",
            "https://bob%3Ahunter2%40x",
            "https://bob:hunter2",
            "https://bob:2hunter2",
        ),
        *("https:/bob:hunter2@x", "https://bob:hunter2/x", "https://[::1]:hunter2"),
    ],
)
def test_user_name_and_password_are_never_shown(url: str) -> None:
    with pytest.raises(InvalidRequestError, match="must not hold a user name or password") as caught:
        check_base_url(url, allow_plain_http=True)
    assert "hunter2" not in repr(caught.value)


@pytest.mark.parametrize("url", ["https://x.example/%40/a:b", "https://[::1]:8443", "https://x.example:8443/a:b"])
def test_a_path_may_hold_what_a_login_holds(url: str) -> None:
    assert check_base_url(url) == url.replace("%40", "@")


def test_a_query_is_never_shown() -> None:
    with pytest.raises(InvalidRequestError, match=re.escape("got 'https://x/y'…")) as caught:
        check_base_url("https://x/y?token=hunter2#more")
    assert "hunter2" not in repr(caught.value)


def test_plain_http_where_it_was_asked_for() -> None:
    assert check_base_url("http://10.0.0.7:8080/okx", allow_plain_http=True) == "http://10.0.0.7:8080/okx"
    with pytest.raises(InvalidRequestError, match="must begin with https://"):
        check_base_url("ftp://10.0.0.7", allow_plain_http=True)
