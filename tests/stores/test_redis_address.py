import pytest
from redis.connection import SSLConnection, UnixDomainSocketConnection

from okx_async import InvalidRequestError
from okx_async.stores.redis_address import read_address


@pytest.mark.parametrize(
    ("url", "label"),
    [
        ("redis://", "redis://localhost:6379/0"),
        ("redis://host", "redis://host:6379/0"),
        ("redis://user:s3cret@host:6380/2", "redis://host:6380/2"),
        ("redis://:s3cret@[::1]:6380", "redis://[::1]:6380/0"),
        ("rediss://host/1?ssl_ca_certs=ca.pem", "rediss://host:6379/1"),
        ("unix:///run/valkey.sock", "unix:///run/valkey.sock"),
        ("unix://user:s3cret@/run/valkey.sock?db=3", "unix:///run/valkey.sock"),
    ],
)
def test_the_label_says_where_and_holds_no_password(url: str, label: str) -> None:
    address = read_address(url)
    assert address.label == label
    assert "s3cret" not in repr(address)


def test_user_and_password_reach_the_connection() -> None:
    options = read_address("redis://us%40er:s3%2Fcret@host").options
    assert (options["username"], options["password"]) == ("us@er", "s3/cret")


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
        "unix://:s3cret@",
        "s3cret",
        b"redis://s3cret",
        None,
    ],
)
def test_what_is_none_is_refused_without_being_repeated(url: object) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read_address(url)
    assert "s3cret" not in str(caught.value)
