"""Which of several checks comes first: the requests of a recording that tell it (pure)."""

from okx_async.rehearsal.recording.differences import BODY_FIRST, LIMIT_PASSES, SIGNED_FIRST
from okx_async.rehearsal.recording.entry import Entry


def tells_order(entry: Entry) -> bool:
    """Whether several things are wrong with a request: its answer tells an order, and not how each is refused."""
    if entry.trial in {LIMIT_PASSES, SIGNED_FIRST}:  # most of their requests have one thing wrong
        return entry.login is not None and entry.login.signature == "wrong"
    return entry.trial == BODY_FIRST
