"""Rows of the matrix, written by hand: faults in what the exchange, or a proxy before it, answers.

Whatever goes wrong does so from the start of the call; for a flatten that is its first reading. docs/reliability.md
shows the matrix; `cells.py` explains the words of a row.
"""

from typing import Any

from tests.faults.arrange import at_once, strike
from tests.faults.cells import Table, absent, accepted, left, out, refused, unknown
from tests.faults.world import STRUCK

ROWS = Table()
row, either = ROWS.row, ROWS.either

ALWAYS: dict[str, Any] = {"times": None}

# --- the exchange says that it does not know ---

OWN = "The exchange itself does not know"
row(OWN, "51023 in an item under code 0", unknown(done=0), flatten=out("ds"))
for each in ("50004", "50013", "50026", "51054", "51149"):
    either(OWN, each, each)
either(OWN, "a code of tomorrow", "59999")
either(OWN, "code 1 without an item", "1")
either(OWN, "code 2, items all 0", "2")
either(OWN, "code 0 under 500", "0")

# --- it refuses ---

NO = "The exchange refuses"
for each in ("50001", "51030", "51109"):
    row(NO, f"{each} once", accepted(2, "ss"), strike(each), flatten=out("ss"))
row(
    NO,
    "50001 for ever",
    refused("UnavailableError", "50001", 6, "ssssss"),
    strike("50001", **ALWAYS),
    flatten=left("deadline", "50001", "sssss"),  # after 0.25, 1, 3 and 7 s; the next pause would be 15 s
)
row(
    NO,
    "50001 for ever, max_wait=0.7",
    refused("UnavailableError", "50001", 2, "ss"),
    strike("50001", **ALWAYS),
    flatten=left("deadline", "50001", "ss"),
    max_wait=0.7,
)
row(NO, "50020", refused("UnavailableError", "50020"), flatten=out("ss"))
row(NO, "51032", refused("CloseInProgressError", "51032"), flatten=left("in_progress", "51032"))
row(NO, "51115", refused("PendingOrdersError", "51115"), flatten=out("ss"))
row(NO, "51023", refused("NothingToCloseError", "51023"), flatten=out("ss"))
row(NO, "51000", refused("RejectedError", "51000"), flatten=left("refused", "51000"))
row(NO, "50120", refused("AuthenticationError", "50120"), flatten=left("refused", "50120"))
row(NO, "50113", refused("AuthenticationError", "50113"), flatten=left("refused", "50113"))
for each in (
    "in an item",
    "as a number",
    "without data",
    "with data {}",
    "with a byte of no text",
):
    row(NO, f"51023 {each}", refused("NothingToCloseError", "51023"), flatten=out("ss"))
row(
    NO,
    "51008 with a sub-code",
    refused("RejectedError", "51008_1000"),
    flatten=left("refused", "51008_1000"),
)
row(
    NO,
    "the position is gone",
    refused("NothingToCloseError", "51023"),
    at_once(lambda world: world.exchange.open_position(STRUCK, 0)),
    flatten=absent(),
)
row(
    NO,
    "a close order is pending",
    refused("PendingOrdersError", "51115"),
    at_once(lambda world: world.exchange.add_pending_order(STRUCK)),
    flatten=out(),  # by autoCxl, which is its default
)
row(
    NO,
    "the instrument is suspended",
    refused("UnavailableError", "51022", 6, "ssssss"),
    at_once(lambda world: world.exchange.list_instrument(STRUCK, state="suspend")),
    flatten=left("deadline", "51022", "sssss"),
)
row(
    NO,
    "the instrument is gone",
    refused("RejectedError", "51001"),
    at_once(lambda world: world.exchange.delist(STRUCK)),
    flatten=left("refused", "51001"),
)

# --- for rate ---

RATE = "The exchange refuses for rate"
for each in ("50011", "50011 under 200", "50011 without data", "50011 with Retry-After", "50061", "51113"):
    row(RATE, f"{each} once", accepted(2, "ss"), strike(each), flatten=out("ss"))
row(
    RATE,
    "50011 for ever",
    refused("RateLimitedError", "50011", 6, "ssssss"),
    strike("50011", **ALWAYS),
    flatten=left("deadline", "50011", "s" * 9),  # until its time is over
)
row(
    RATE,
    "50011, max_wait=1",
    refused("RateLimitedError", "50011"),
    strike("50011"),
    flatten=left("deadline", "50011"),
    max_wait=1.0,
)
row(
    RATE,
    "Retry-After: 7 for ever",
    refused("RateLimitedError", "50011", 5, "sssss"),
    strike("50011 with Retry-After", **ALWAYS),
    flatten=left("deadline", "50011", "sss"),
)
row(
    RATE,
    "51113 for ever: 2, 4, 8 s",
    refused("RateLimitedError", "51113", 5, "sssss"),
    strike("51113", **ALWAYS),
    flatten=left("deadline", "51113", "ssss"),
)
row(
    RATE,
    "another program takes half of the limit",
    accepted(),
    at_once(lambda world: world.exchange.crowd(world.exchange.user_id, STRUCK, 10)),
    flatten=out(),
)
row(
    RATE,
    "another program takes all of it",
    refused("RateLimitedError", "50011", 6, "ssssss"),
    at_once(lambda world: world.exchange.crowd(world.exchange.user_id, STRUCK, 30)),
    flatten=left("deadline", "50011", "s" * 9),
)

# --- it accepts, in odd words ---

ODD = "The exchange accepts in odd words"
for each in (
    "without data",
    "with data null",
    "as a number",
    "with times",
    "with sCode 0",
    "after much space",
    "after a byte order mark",
    "in unasked gzip",
):
    row(ODD, f"accepted {each}", accepted(), flatten=out())

# --- no envelope ---

BARE = "The answer is no envelope of the exchange"
for each in ("plain 429", "HTML 429", "HTML 502", "HTML 503", "HTML 504", "HTML 520", "gateway 500"):
    either(BARE, each)
for each in ("cut JSON", "empty 200", "204", "no object"):
    either(BARE, each)

# --- a proxy ---

EARLY = "A proxy answers before the exchange has counted"
for each in ("plain 429 early", "HTML 429 early", "HTML 502 early", "HTML 503 early", "HTML 520 early"):
    row(EARLY, each, unknown(done=0), flatten=out("ds"))
row(EARLY, "504 early, sent on 3 s later", unknown(done=1), flatten=out("ds"))
for each in ("HTML 403 early", "gateway 404 early", "401 early", "302 early"):
    row(EARLY, each, refused("RejectedError", tokens="d"), flatten=left("refused", "", "d"))
