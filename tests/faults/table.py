"""What must become of each fault, written by hand: the matrix. docs/reliability.md shows it.

A row is a fault and a cell for each kind of call; a cell says what the caller is told, how often the position is
closed, how often the request arrives, and what becomes of each slot. Of the rows here, whatever goes wrong does so from
the start of the call; for a flatten that is its first reading. `outs` has what can go wrong with a flatten alone.
"""

from __future__ import annotations

from typing import Any

from tests.faults.cells import (
    Arrange,
    Cell,
    Row,
    absent,
    accepted,
    at_once,
    later,
    left,
    mended,
    on_wires,
    out,
    pause,
    refused,
    revoke,
    strike,
    unknown,
    unread,
    unsent,
)
from tests.faults.world import STRUCK

__all__ = ["ROWS"]

ROWS: list[Row] = []


def row(
    group: str,
    title: str,
    cell: Cell,
    arrange: Arrange | None = None,
    *,
    flatten: Cell,
    own: Cell | None = None,
    **settings: Any,
) -> None:
    """Add a row; `own`: over a caller's session, where it is another cell."""
    cells = {"close_position": cell, "close_positions": cell, "own session": own or cell, "flatten": flatten}
    ROWS.append(Row(group, title, arrange or strike(title), cells, **settings))


def either(group: str, name: str, code: str = "") -> None:
    """Add two rows: nobody can tell, and nothing is sent again but by who looks first."""
    row(
        group,
        f"{name}, executed",
        unknown(code, done=1),
        strike(name, executed=True),
        flatten=out("d"),
    )
    row(
        group,
        f"{name}, not executed",
        unknown(code, done=0),
        strike(name, executed=False),
        flatten=out("ds"),
    )


ALWAYS: dict[str, Any] = {"times": None}

# --- the exchange says that it does not know ---

OWN = "The exchange itself does not know"
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
row(NO, "51115", refused("PendingOrdersError", "51115"), flatten=left("refused", "51115"))
row(NO, "51023", refused("NothingToCloseError", "51023"), flatten=out("ss"))
row(NO, "51000", refused("RejectedError", "51000"), flatten=left("refused", "51000"))
row(NO, "50120", refused("AuthenticationError", "50120"), flatten=left("refused", "50120"))
row(NO, "50113", refused("AuthenticationError", "50113"), flatten=left("refused", "50113"))
for each in (
    "in an item",
    "in an item under code 0",
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
    flatten=left("refused", "50011", "ssssss"),
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
    flatten=left("refused", "50011", "ssssss"),
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
    "in unasked gzip",
):
    row(ODD, f"accepted {each}", accepted(), flatten=out())

# --- no envelope ---

BARE = "The answer is no envelope of the exchange"
for each in ("plain 429", "HTML 429", "HTML 502", "HTML 503", "HTML 504", "HTML 520", "gateway 500"):
    either(BARE, each)
for each in ("cut JSON", "empty 200", "204", "no object", "byte order mark"):
    either(BARE, each)

# --- a proxy ---

EARLY = "A proxy answers before the exchange has counted"
for each in ("plain 429 early", "HTML 429 early", "HTML 502 early", "HTML 503 early", "HTML 520 early"):
    row(EARLY, each, unknown(done=0), flatten=out("ds"))
row(EARLY, "504 early, sent on 3 s later", unknown(done=1), flatten=out("ds"))
for each in ("HTML 403 early", "gateway 404 early", "401 early", "302 early"):
    row(EARLY, each, refused("RejectedError", tokens="d"), flatten=left("refused", "", "d"))

# --- the connection ---

LINE = "The connection is lost"
for each in ("hang-up", "reset", "hang-up in the body", "reset in the body"):
    either(LINE, each)
row(LINE, "hang-up early", unknown(done=0), flatten=out("ds"))
row(LINE, "reset early", unknown(done=0), flatten=out("ds"))
row(
    LINE,
    "the server hangs up while it stands idle",
    accepted(all=True),
    later(on_wires(lambda w: w.far.close()), pause),
    flatten=out(all=True),
)
row(
    LINE,
    "the server hangs up as the request leaves",
    unknown(done=0, sent=0, all=True),
    on_wires(lambda wire: wire.far.close()),
    flatten=out(all=True),
)
row(
    LINE,
    "reset while the answer is awaited",
    unknown(done=1, all=True),
    later(on_wires(lambda wire: wire.reset(), after=0.5), strike("4.8 s", times=None, inst_id=None)),
    flatten=out("d", all=True),
)
row(
    LINE,
    "silence, both ways",
    unknown(done=0, sent=0, all=True),
    on_wires(lambda wire: wire.vanish()),
    flatten=out(all=True),
)
row(
    LINE,
    "the answer does not come through",
    unknown(done=1, all=True),
    on_wires(lambda wire: wire.stall(40.0, inward=False)),
    flatten=out(all=True),
)
row(
    LINE,
    "the request stands in our own kernel",
    unknown(done=0, sent=0, all=True),
    on_wires(lambda wire: wire.stall(8.0, outward=False)),
    flatten=out(all=True),
    # Nobody can take back what aiohttp's own sockets were given.
    own=Cell("OutcomeUnknownError", "", 1, 1, "d", all=True, late=1),
)
row(
    LINE,
    "connections refused for 1 s",
    Cell("accepted", "", 1, 1, "rrrs", all=True),
    at_once(lambda world: world.network.refuse(1.0)),
    flatten=out(all=True),
)
row(
    LINE,
    "connections refused for 40 s",
    unsent("rrrrrr"),
    at_once(lambda world: world.network.refuse(40.0)),
    flatten=unread("NotSentError"),
)
row(
    LINE,
    "nobody answers to connect for 40 s",
    unsent("rrrrrr"),
    at_once(lambda world: world.network.swallow(40.0)),
    flatten=unread("NotSentError"),
)

# --- slowness ---

SLOW = "The answer is slow (time-out: 5 s)"
row(SLOW, "4.8 s", accepted(), flatten=out())
row(SLOW, "5.2 s", unknown(done=1), flatten=out("d"))
row(SLOW, "12 s", unknown(done=1), flatten=out("d"))
row(SLOW, "a refusal after 4.8 s", refused("NothingToCloseError", "51023"), flatten=out("ss"))
row(SLOW, "a refusal after 5.2 s", unknown(done=0), flatten=out("ds"))
row(SLOW, "headers after 2 s, body after 4.8 s", accepted(), flatten=out())
either(SLOW, "headers, then nothing")

# --- size ---

LONG = "The answer is too long"
either(LONG, "20 MB")
either(LONG, "gzip bomb")

# --- fills ---

PART = "The close fills in part"
row(PART, "half filled", accepted(), flatten=out("ss", done=2))
row(PART, "never filled", accepted(), flatten=out("ss", done=2))

# --- clocks ---

CLOCK = "Clocks differ"
for each in ("5 s ahead", "5 s behind", "29 s ahead", "29 s behind"):
    row(CLOCK, each, accepted(all=True), flatten=out(all=True))
RESIGNED = accepted(2, "ss", asked=1, all=True)
READ_ANEW = out(asked=1, all=True)  # the first reading is refused, and then the clock is set for all that follows
for each in ("31 s ahead", "31 s behind", "1 h ahead", "1 h behind"):
    row(CLOCK, each, RESIGNED, flatten=READ_ANEW)
row(CLOCK, "ahead by 1 h in mid-run", RESIGNED, later(strike("1 h ahead")), flatten=READ_ANEW)
row(CLOCK, "back by 31 s in mid-run", RESIGNED, later(strike("31 s behind")), flatten=READ_ANEW)
row(CLOCK, "right again after it was an hour ahead", RESIGNED, mended, flatten=READ_ANEW)
for each in ("time down", "time hangs up", "time slow", "time refused for rate"):
    row(
        CLOCK,
        f"31 s ahead, {each}",
        refused("ClockSkewError", "50102", asked=1, all=True),
        strike(each, "31 s ahead"),
        flatten=unread("ClockSkewError", "50102", asked=1),
    )
row(
    CLOCK,
    "31 s ahead, time slow, max_wait=1",
    refused("ClockSkewError", "50102", asked=1, all=True),
    strike("time slow", "31 s ahead"),
    flatten=unread("ClockSkewError", "50102", asked=1),
    max_wait=1.0,
)

# --- the user id ---

UID = "The user id cannot be learnt"
for each in ("down", "hangs up", "slow", "too slow", "refused for rate", "without a uid"):
    row(UID, f"config {each}", accepted(all=True), flatten=out(all=True), user_id=False)

# --- the API key ---

KEY = "The API key is refused"
row(
    KEY,
    "key revoked",
    refused("AuthenticationError", "50119", all=True),
    flatten=unread("AuthenticationError", "50119"),
)
row(
    KEY,
    "key revoked in mid-run",
    refused("AuthenticationError", "50119", all=True),
    later(revoke),
    flatten=unread("AuthenticationError", "50119"),
)
row(
    KEY,
    "IP not allowed",
    refused("AuthenticationError", "50110", all=True),
    flatten=unread("AuthenticationError", "50110"),
)
row(
    KEY,
    "key revoked, user id unknown",
    refused("AuthenticationError", "50119", 0, "", all=True),
    strike("key revoked"),
    flatten=unread("AuthenticationError", "50119"),
    user_id=False,
)
