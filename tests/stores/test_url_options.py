import pytest

from okx_async import InvalidRequestError
from okx_async.stores.lease import Terms
from okx_async.stores.url_options import OF_FILES, OF_SERVERS, UrlOptions, divided


@pytest.mark.parametrize(
    ("text", "rest", "options"),
    [
        ("///x", "///x", UrlOptions()),
        ("///x?", "///x?", UrlOptions()),
        ("///x?lease=30", "///x", UrlOptions(Terms(lease=30.0))),
        ("///x?lease=%33%30", "///x", UrlOptions(Terms(lease=30.0))),
        ("///x?guard=0&doubt_grace=0", "///x", UrlOptions(Terms(doubt_grace=0.0, guard=0.0))),
        ("///x?prefix=desk", "///x?prefix=desk", UrlOptions()),  # which a file does not have
        ("///x?a=1&lease=30&b", "///x?a=1&b", UrlOptions(Terms(lease=30.0))),
        ("///x?a?lease=30", "///x?a?lease=30", UrlOptions()),
    ],
)
def test_a_text_is_divided(text: str, rest: str, options: UrlOptions) -> None:
    assert divided(text, OF_FILES) == (rest, options)


def test_a_server_has_a_prefix_and_a_slack_too() -> None:
    options = UrlOptions(Terms(guard=0.004), "desk-1", 0.05)
    assert divided("redis://h?prefix=desk-1&clock_slack=5e-2&guard=0.004", OF_SERVERS) == ("redis://h", options)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lease=1&lease=2", "has lease twice"),
        ("lease=", "lease must be a number of seconds"),
        ("lease", "lease must be a number of seconds"),
        ("lease=0", "lease must be a positive number"),
        ("lease=nan", "lease must be a positive number"),
        ("lease=inf", "lease must be a positive number"),
        ("doubt_grace=-1", "doubt_grace"),
        ("guard=nan", "guard"),
        ("clock_slack=0", "clock_slack must be a positive number"),
        ("clock_slack=hunter2", "clock_slack must be a number of seconds"),
        ("prefix=", "prefix must be of ASCII letters, digits and hyphens"),
        ("prefix=hunter2@host/0", "prefix must be of ASCII letters, digits and hyphens, and an @ in a password is %40"),
        ("lease=hunter2@host/0", "lease must be a number of seconds, and an @ in a password is %40"),
    ],
)
def test_what_cannot_be_one_is_refused_without_what_may_be_a_password(text: str, words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words) as raised:
        divided(f"redis://:pass?{text}", OF_SERVERS)
    assert "hunter2" not in f"{raised.value!r} {raised.value.__context__!r}"
