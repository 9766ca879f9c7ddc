"""Rate keys: what the exchange counts requests by.

OKX counts close-position by User ID + instrument ID, options by User ID + instrument family. An option's
id is `<family>-<yymmdd>-<strike>-<C|P>`, and a family holds exactly one dash.
https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-close-positions

In doubt, two spellings of one thing must give one key: sharing a key too widely costs a little speed, sharing it too
narrowly gets requests refused.
"""

from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Final

from okx_async._errors import InvalidRequestError
from okx_async._validation import check_list, short_repr
from okx_async._words import INST_ID, LISTED_OPTION, ListedText, is_readable

_FORM: Final = (
    'inst_id must be ASCII upper-case letters, digits, "_" and "." in segments joined by single dashes (BTC-USDT-SWAP)'
)


def rate_key(user_id: str, inst_id: str) -> tuple[str, str]:
    """Return what OKX counts a close by: ``(user_id, inst_id)``, for options ``(user_id, family)``.

    >>> rate_key("123", "BTC-USDT-SWAP")
    ('123', 'BTC-USDT-SWAP')
    >>> rate_key("123", "BTC-USD-260327-60000-C")
    ('123', 'BTC-USD')

    Args:
        user_id: The UID, as text.
        inst_id: The instrument, such as "BTC-USDT-SWAP".

    Raises:
        InvalidRequestError: An id that can be none of OKX's.
    """
    check_user_id(user_id)
    if not isinstance(inst_id, str):  # asked here: the cache below needs something hashable
        raise _bad_inst_id(inst_id)
    return user_id, _listed_scope(inst_id) if isinstance(inst_id, ListedText) else _scope(inst_id)


def order_scope(inst_id: str) -> str:
    """Return what the exchange counts cancels of an order by: its instrument, for options the family.

    The id is as listed, so it is not checked.
    """
    return _scope(inst_id) if INST_ID.fullmatch(inst_id) else _listed_scope(ListedText(inst_id))


def check_inst_id(inst_id: object) -> None:
    """Raise InvalidRequestError unless `inst_id` has the form of an instrument id."""
    if not isinstance(inst_id, str):
        raise _bad_inst_id(inst_id)
    if not isinstance(inst_id, ListedText):
        _scope(inst_id)


def check_inst_ids(inst_ids: Iterable[str]) -> list[str]:
    """Return the ids without doubles; InvalidRequestError unless there are some, all with the form of an id."""
    found = list(dict.fromkeys(check_list("inst_ids", inst_ids, str)))
    if not found:
        raise InvalidRequestError("inst_ids is empty: nothing would be closed and nothing proven; None means all")
    for inst_id in found:
        check_filter_id(inst_id)
    return found


def check_filter_id(inst_id: str) -> None:
    """Raise InvalidRequestError unless `inst_id` may be listed, in letters of any script; see `check_listed`."""
    if not is_readable(inst_id) or (" " in inst_id and not isinstance(inst_id, ListedText)):
        _scope(inst_id)


def check_listed(inst_ids: Iterable[str], listed: Collection[str]) -> None:
    """Raise InvalidRequestError for an id of a filter that is neither of the usual form nor listed: it was mistyped.

    A filter that no position fits would otherwise be reported as flat.
    """
    for inst_id in inst_ids:
        if not isinstance(inst_id, ListedText) and inst_id not in listed and not INST_ID.fullmatch(inst_id):
            raise InvalidRequestError(f"no position of {short_repr(inst_id)} is listed, and {_FORM}")


def check_user_id(user_id: object) -> None:
    """Raise InvalidRequestError unless `user_id` can be a UID: its text, not an integer.

    The integer would make a key of its own beside the text's, and so a second quota.
    """
    if not isinstance(user_id, str) or not user_id.isprintable() or not user_id or " " in user_id:
        raise InvalidRequestError(
            f"user_id must be a non-empty printable string without blanks, got {short_repr(user_id)}"
        )


@lru_cache(maxsize=4096)  # a strategy names the same few ids for ever; wrong ones raise and are not kept
def _scope(inst_id: str) -> str:
    match = INST_ID.fullmatch(inst_id)
    if match is None:
        raise _bad_inst_id(inst_id)
    return match["family"] or match[0]  # a plain text, also of a member of an enum: the cache gives it to others too


def _listed_scope(inst_id: ListedText) -> str:
    """Return the scope of an id that breaks the rule; the family of what looks like an option."""
    match = LISTED_OPTION.fullmatch(inst_id)
    return str(inst_id) if match is None else match["family"]


def _bad_inst_id(inst_id: object) -> InvalidRequestError:
    return InvalidRequestError(f"{_FORM}, got {short_repr(inst_id)}")
