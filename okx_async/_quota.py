"""How many requests a key may send in a window, and in which order waiting requests are served."""

import sys
from dataclasses import dataclass
from enum import IntEnum

from okx_async._errors import InvalidRequestError, safe_repr
from okx_async._models import Record


class Priority(IntEnum):
    """The lane in which a request waits for its slot: PANIC goes ahead of every NORMAL waiter of its key."""

    NORMAL = 0
    PANIC = 1


@dataclass(frozen=True, slots=True)
class Quota(Record):
    """``limit`` requests in any ``per`` seconds; the last ``reserve`` tokens only PANIC may take.

    Args:
        limit: Requests, at least 1.
        per: Seconds of the window, above 0.
        reserve: Tokens kept for PANIC, from 0 to ``limit - 1``.

    Raises:
        InvalidRequestError: A value cannot work.
    """

    limit: int = 20
    per: float = 2.0
    reserve: int = 0

    def __post_init__(self) -> None:
        if type(self.limit) is not int or self.limit < 1:
            raise InvalidRequestError(f"limit must be an integer of at least 1, got {safe_repr(self.limit)}")
        per: object = self.per  # the annotation does not bind callers without a type checker
        if isinstance(per, bool) or not isinstance(per, int | float) or not 0 < per <= sys.float_info.max:
            raise InvalidRequestError(f"per must be a positive number of seconds, got {safe_repr(per)}")
        if type(per) not in {int, float}:  # numpy's, say: a record of a store holds Python's own
            object.__setattr__(self, "per", float(per))
        if type(self.reserve) is not int or not 0 <= self.reserve < self.limit:
            raise InvalidRequestError(
                f"reserve must be an integer from 0 to limit - 1 ({self.limit - 1}), got {safe_repr(self.reserve)}"
            )
