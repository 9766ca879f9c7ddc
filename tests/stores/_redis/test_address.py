import pytest
from redis.connection import SSLConnection, UnixDomainSocketConnection

from okx_async import InvalidRequestError
from okx_async.stores._redis.address import read_address


@pytest.mark.parametrize(
    ("url", "label"),
    [
        ("redis://", "redis://localhost:6379/0"),
        ("redis://host", "redis://host:6379/0"),
        ("redis://user:s3cret@host:6380/2", "redis://host:6380/2"),
        ("redis://:s3cret@[::1]:6380", "redis://[::1]:6380/0"),
        ("rediss://host/1?ssl_ca_certs=ca.pem", "rediss://host:6379/1"),
        ("redis://:s3cret@a,b:7,[::1]:8/0", "redis://a:6379,b:7,[::1]:8/0"),
        ("redis+sentinel://us:s3cret@a,b:7/main/1", "redis+sentinel://a:26379,b:7/main/1"),
        ("unix:///run/valkey.sock", "unix:///run/valkey.sock"),
        ("unix://user:s3cret@/run/valkey.sock?db=3", "unix:///run/valkey.sock"),
        ("unix:///run/valkey@main/socket", "unix:///run/valkey@main/socket"),
        ("rediss://:s3%2Fcret@host/1?ssl_ca_certs=/a@b/ca.pem", "rediss://host:6379/1"),
        ("redis://host/0?", "redis://host:6379/0"),
        ("rediss://host/0?ssl_cert_reqs=none", "rediss://host:6379/0"),
    ],
)
def test_the_label_says_where_and_holds_no_password(url: str, label: str) -> None:
    address = read_address(url)
    assert address.label == label
    assert "s3cret" not in repr(address)


@pytest.mark.parametrize(
    ("url", "form"),
    [
        ("redis://", "redis://"),
        ("redis://user:s3cret@host:6380/2", "redis://USER:PASSWORD@host:6380/2"),
        (
            "rediss://:s3%2Fcret@host/1?ssl_ca_certs=/a@b/ca.pem",
            "rediss://USER:PASSWORD@host/1?ssl_ca_certs=/a@b/ca.pem",
        ),
        ("redis+sentinel://us:s3cret@a,b:7/main/1", "redis+sentinel://USER:PASSWORD@a,b:7/main/1"),
        ("unix:///run/valkey@main/socket?db=3", "unix:///run/valkey@main/socket?db=3"),
        ("unix://user:s3cret@/run/valkey.sock", "unix://USER:PASSWORD@/run/valkey.sock"),
    ],
)
def test_its_form_is_the_url_without_user_and_password(url: str, form: str) -> None:
    assert read_address(url).form == form


def test_user_and_password_reach_the_connection() -> None:
    options = read_address("redis://us%40er:s3%2Fcret@host").options
    assert (options["username"], options["password"]) == ("us@er", "s3/cret")


def test_several_hosts_are_addresses_of_the_same_user() -> None:
    address = read_address("redis+sentinel://:s3cret@a,b:7/main/1")
    assert (address.service, [one.label for one in address.all()]) == ("main", ["redis://a:26379/1", "redis://b:7/1"])
    assert address.at("::1", 5).label == "redis://[::1]:5/1"
    assert all(one.options["password"] == "s3cret" for one in address.all())
    assert read_address("redis://a").all() == [read_address("redis://a")]


def test_the_scheme_chooses_the_connection() -> None:
    assert read_address("rediss://host").kind is SSLConnection
    assert read_address("unix:///socket").kind is UnixDomainSocketConnection


@pytest.mark.parametrize(
    "url",
    [
        "http://:s3cret@host",
        "redis://:s3cret@host:port",
        "redis://:s3cret@host/name",
        "redis://:s3cret@host?retry_on_timeout=yes",
        "redis://host?ssl_ca_certs=s3cret",
        "redis://:pass?s3cret@host",
        "redis://:12#s3cret@host",
        "redis://:12?s3cret@host",
        "redis://:12/s3cret@host",
        "redis://user:12/s3cret@host/0",
        "redis://:12#s3cret@a,b",
        "redis+sentinel://user:12/s3cret@host/main",
        "unix://:12/s3cret@/socket",
        "unix://:12#s3cret@/socket",
        "unix://:12?s3cret@/socket",
        "unix://run/s3cret",
        "unix://:s3cret@",
        "redis://:s3cret@host,",
        "redis://:s3cret@host,:6379",
        "redis+sentinel://:s3cret@host",
        "redis://s3cret%40host",
        "redis://user%3As3cret%40host:6379",
        "redis://a,s3cret%40host",
        "s3cret",
        b"redis://s3cret",
        None,
    ],
)
def test_what_is_none_is_refused_without_being_repeated(url: object) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read_address(url)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://host/name", "must end in the number of a database"),
        ("redis://host?retry_on_timeout=yes", "an option that is not known"),
        ("redis://host?prefix=desk", "prefix, lease, .*, which are arguments of RedisLimiter"),
        ("redis+sentinel://host", "must name the service of the sentinels"),
        ("redis://host:port", "cannot be read"),
        ("redis://:12/34@host", r"cannot be read: in user and password / is written %2F, \? %3F, # %23"),
        ("redis://:12#34@host", "has a # in it: in user and password / is written %2F"),
        ("rediss://host?ssl_cert_reqs=yes", "ssl_cert_reqs in the url of the limits must be none, optional, required"),
        ("unix://run/socket", "must be unix:///path/of/the/socket"),
    ],
)
def test_what_is_wrong_with_it_is_said(url: str, words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words):
        read_address(url)
