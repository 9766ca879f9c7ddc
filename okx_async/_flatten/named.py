"""Lists that are asked for by instrument: a name that the exchange does not know any more must not hide the others.

An instrument that has expired or was delisted is refused where it is named (51001), and simply not listed where
everything is.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from okx_async._errors import RejectedError
from okx_async._log import logger
from okx_async._rest.codes import base_code

_T = TypeVar("_T")

ABOUT_NAMES: Final = frozenset({"51000", "51001", "51002", "51014", "51015", "51026", "51027", "51087"})
"""Refusals of a list because of an instrument that it was asked for by."""


async def named_or_all(
    read: Callable[[Sequence[str] | None], Awaitable[_T]],
    inst_ids: Sequence[str] | None,
    answers: Callable[[_T], bool] = lambda _: True,
) -> _T:
    """Return what `read` returns of some instruments (None: of all), or of all if one of these names is refused.

    Args:
        read: Reads the list.
        inst_ids: The instruments.
        answers: Tells whether the list of everything may stand for the refused one; if not, the refusal is raised.
    """
    try:
        return await read(inst_ids)
    except RejectedError as refusal:
        if inst_ids is None or base_code(refusal.code) not in ABOUT_NAMES:
            raise
        logger.warning("%s; it is asked for of all instruments instead", refusal)
        found = await read(None)
        if not answers(found):
            raise
    return found
