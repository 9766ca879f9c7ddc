"""Warnings of a store, each once for what it says: the same would be true at every ask."""

from okx_async._log import logger
from okx_async._quota import Quota

SAME = 1.0
"""Seconds within which two ends of a pause are those of one."""


class Notices:
    """What was told so far."""

    def __init__(self) -> None:
        self._told: set[object] = set()
        self._paused_at = 0.0

    def quota(self, key: tuple[str, ...], wanted: Quota, agreed: Quota) -> None:
        """Tell that another program uses a key with another quota."""
        if (key, wanted) not in self._told:
            self._told.add((key, wanted))
            logger.warning(
                "%r is in use with another quota than %s: the stricter one of both holds, %s", key, wanted, agreed
            )

    def pause(self, until: float, seconds: float) -> None:
        """Tell that a store which has lost its memory grants nothing for a while."""
        if until > self._paused_at + SAME:  # a server has an epoch for each part of its keys, all of one moment
            self._paused_at = until
            logger.warning(
                "the limits were lost, so nothing is granted for %.1f s: programs that are not known may still send",
                seconds,
            )
