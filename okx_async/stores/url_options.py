"""What may stand behind a ? in the text that names limits: what programs that share them must agree on.

No error shows what was found there, nor has one in its context that does: it may be the rest of a password.
"""

from contextlib import suppress
from typing import Final, NamedTuple
from urllib.parse import unquote

from okx_async._errors import InvalidRequestError
from okx_async._quota import Quota
from okx_async._validation import check_seconds, short_repr
from okx_async.stores.lease import Terms

PREFIX: Final = "okx-async"
"""With which the names of all that stands in a server begin, unless a limiter is given another prefix."""
SLACK: Final = 0.02
"""Seconds by which a server's clock may be ahead of what is expected, likewise."""
OF_FILES: Final = "lease", "doubt_grace", "guard", "rtt_floor"
OF_SERVERS: Final = "prefix", "lease", "doubt_grace", "guard", "clock_slack"


class UrlOptions(NamedTuple):
    """Arguments of `SqliteLimiter` and `RedisLimiter`."""

    terms: Terms = Terms()
    prefix: str = PREFIX
    clock_slack: float = SLACK


def divided(text: str, names: tuple[str, ...]) -> tuple[str, UrlOptions]:
    """Return a text without options of these names, and the options; others stay where they are.

    Raises:
        InvalidRequestError: One cannot be read, or stands there twice.
    """
    place, mark, query = text.partition("?")
    rest: list[str] = []
    found: dict[str, str] = {}
    for option in query.split("&") if mark else []:
        name, _, value = option.partition("=")
        if name not in names:
            rest.append(option)
        elif name in found:
            raise InvalidRequestError(f"the text that names the limits has {name} twice")
        else:
            found[name] = unquote(value)
    numbers = {name: _number(name, value) for name, value in found.items() if name != "prefix"}
    prefix, slack = found.get("prefix", PREFIX), numbers.pop("clock_slack", SLACK)
    if not _fits(prefix):
        raise _unfit("prefix", "of ASCII letters, digits and hyphens")
    terms = Terms(**numbers).checked(Quota())
    check_seconds(lease=terms.lease, clock_slack=slack)
    return place + "?" * bool(rest) + "&".join(rest), UrlOptions(terms, prefix, slack)


def check_prefix(prefix: object) -> None:
    """Raise InvalidRequestError unless keys may begin with it."""
    if not isinstance(prefix, str) or not _fits(prefix):
        raise InvalidRequestError(f"prefix must be of ASCII letters, digits and hyphens, got {short_repr(prefix)}")


def _fits(prefix: str) -> bool:
    return prefix.isascii() and prefix.replace("-", "").isalnum()


def _number(name: str, value: str) -> float:
    with suppress(ValueError):
        return float(value)
    raise _unfit(name, "a number of seconds")


def _unfit(name: str, what: str) -> InvalidRequestError:
    return InvalidRequestError(f"the text that names the limits: {name} must be {what}, and an @ in a password is %40")
