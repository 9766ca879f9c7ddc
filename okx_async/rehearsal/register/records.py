"""What is assumed of the records of positions."""

from typing import Final

from okx_async.rehearsal.assumption import Assumption, Danger

RECORDS: Final = (
    Assumption(
        "filled-order-is-listed-at-once",
        "A position is listed by the first reading that begins after its order was told to be filled.",
        "opens, asks trade/order until it is filled, and reads once",
        ("_flatten.readings", "_flatten.guard"),
        "assumed",
        Danger.OPENS,
        28,
        1,
    ),
    Assumption(
        "flat-is-left-out-of-the-whole-list",
        "A reading of all positions leaves flat ones out, or lists them with pos 0.",
        "opens, closes, and reads all positions",
        ("_flatten.readings",),
        "documented",
        Danger.OPENS,
        8,
        1,
    ),
    Assumption(
        "flat-is-listed-by-name",
        "A reading by instId lists a position that was closed, with pos 0.",
        "opens, closes, and reads this instrument",
        ("_flatten.readings", "simulator.api.reading"),
        "documented",
        Danger.OPENS,
        7,
        1,
    ),
    Assumption(
        "pos-id-outlives-a-close",
        "posId stays the same over closing and reopening: alone it does not tell a position from its successor.",
        "opens, closes, opens again, and compares",
        ("_flatten.guard", "simulator.books.positions"),
        "documented",
        Danger.OPENS,
        0,
        experiment="reopening",
    ),
    Assumption(
        "c-time-is-new-after-reopening",
        "cTime is another one after closing and reopening: it tells a position from its successor.",
        "opens, closes, opens again, and compares",
        ("_flatten.guard", "simulator.books.positions"),
        "observed",
        Danger.OPENS,
        0,
        experiment="reopening",
    ),
    Assumption(
        "c-time-is-new-after-a-turn",
        "cTime is another one after one order has turned a net position from long to short.",
        "opens, sells twice the size, and compares",
        ("simulator.books.positions",),
        "assumed",
        Danger.OPENS,
        39,
        2,
        pos_mode="net_mode",
    ),
    Assumption(
        "history-names-the-period",
        "account/positions-history lists a closed position with its posId and cTime, of type 2, within 10 s.",
        "opens, closes, and asks for the history",
        ("simulator.api.history",),
        "documented",
        Danger.OPENS,
        8,
        1,
    ),
)
