"""Rows of the matrix, written by hand: faults of connections, answer times and sizes, fills, clocks and keys.

Whatever goes wrong does so from the start of the call; for a flatten that is its first reading.
"""

from tests.faults.arrange import at_once, later, mended, on_wires, pause, revoke, stand_still, strike
from tests.faults.cells import Cell, Table, accepted, out, refused, unknown, unread, unsent

ROWS = Table()
row, either = ROWS.row, ROWS.either

# --- the connection ---

LINE = "The connection is lost"
for each in ("hang-up", "reset", "hang-up in the body", "reset in the body"):
    either(LINE, each)
row(LINE, "hang-up early", unknown(done=0), flatten=out("ds"))
row(LINE, "reset early", unknown(done=0), flatten=out("ds"))
row(
    LINE,
    "the server hangs up while it stands idle",
    accepted(every_leg=True),
    later(on_wires(lambda w: w.far.close()), pause),
    flatten=out(every_leg=True),
)
row(
    LINE,
    "the server hangs up as the request leaves",
    unknown(done=0, sent=0, every_leg=True),
    on_wires(lambda wire: wire.far.close()),
    flatten=out(every_leg=True),
)
row(
    LINE,
    "reset while the answer is awaited",
    unknown(done=1, every_leg=True),
    later(on_wires(lambda wire: wire.reset(), after=0.5), strike("4.8 s", times=None, inst_id=None)),
    flatten=out("d", every_leg=True),
)
row(
    LINE,
    "silence, both ways",
    unknown(done=0, sent=0, every_leg=True),
    on_wires(lambda wire: wire.vanish()),
    flatten=out(every_leg=True),
)
row(
    LINE,
    "the answer does not come through",
    unknown(done=1, every_leg=True),
    on_wires(lambda wire: wire.stall(40.0, inward=False)),
    flatten=out(every_leg=True),
)
row(
    LINE,
    "the request stands in our own kernel",
    unknown(done=0, sent=0, every_leg=True),
    on_wires(lambda wire: wire.stall(8.0, outward=False)),
    flatten=out(every_leg=True),
    # A request given to a socket of aiohttp's own cannot be taken back.
    own=Cell("OutcomeUnknownError", "", 1, 1, "d", every_leg=True, late=1),
)
row(
    LINE,
    "connections refused for 1 s",
    Cell("accepted", "", 1, 1, "rrrs", every_leg=True),
    at_once(lambda world: world.network.refuse(1.0)),
    flatten=out(every_leg=True),
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
row(
    SLOW,
    "the loop stands still for 6 s as the answer comes",
    accepted(every_leg=True),
    later(stand_still(6.0, 0.055)),
    flatten=out(every_leg=True),
)
row(
    SLOW,
    "the loop stands still for 6 s while it connects",
    accepted(every_leg=True),
    stand_still(6.0, 0.005),
    flatten=out(every_leg=True),
)

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
    row(CLOCK, each, accepted(every_leg=True), flatten=out(every_leg=True))
RESIGNED = accepted(2, "ss", asked=1, every_leg=True)
READ_ANEW = out(asked=1, every_leg=True)  # the first reading is refused, and then the clock is set for all that follows
for each in ("31 s ahead", "31 s behind", "1 h ahead", "1 h behind"):
    row(CLOCK, each, RESIGNED, flatten=READ_ANEW)
row(CLOCK, "ahead by 1 h in mid-run", RESIGNED, later(strike("1 h ahead")), flatten=READ_ANEW)
row(CLOCK, "back by 31 s in mid-run", RESIGNED, later(strike("31 s behind")), flatten=READ_ANEW)
row(CLOCK, "right again after it was an hour ahead", RESIGNED, mended, flatten=READ_ANEW)
for each in ("time down", "time hangs up", "time slow", "time refused for rate"):
    row(
        CLOCK,
        f"31 s ahead, {each}",
        refused("ClockSkewError", "50102", asked=1, every_leg=True),
        strike(each, "31 s ahead"),
        flatten=unread("ClockSkewError", "50102", asked=1),
    )
row(
    CLOCK,
    "31 s ahead, time slow, max_wait=1",
    refused("ClockSkewError", "50102", asked=1, every_leg=True),
    strike("time slow", "31 s ahead"),
    flatten=unread("ClockSkewError", "50102", asked=1),
    max_wait=1.0,
)

# --- the user id ---

UID = "The user id cannot be learnt"
for each in ("down", "hangs up", "slow", "too slow", "refused for rate", "without a uid"):
    row(UID, f"config {each}", accepted(every_leg=True), flatten=out(every_leg=True), user_id=False)

# --- the API key ---

KEY = "The API key is refused"
row(
    KEY,
    "key revoked",
    refused("AuthenticationError", "50119", every_leg=True),
    flatten=unread("AuthenticationError", "50119"),
)
row(
    KEY,
    "key revoked in mid-run",
    refused("AuthenticationError", "50119", every_leg=True),
    later(revoke),
    flatten=unread("AuthenticationError", "50119"),
)
row(
    KEY,
    "IP not allowed",
    refused("AuthenticationError", "50110", every_leg=True),
    flatten=unread("AuthenticationError", "50110"),
)
row(
    KEY,
    "key revoked, user id unknown",
    refused("AuthenticationError", "50119", 0, "", every_leg=True),
    strike("key revoked"),
    flatten=unread("AuthenticationError", "50119"),
    user_id=False,
)
