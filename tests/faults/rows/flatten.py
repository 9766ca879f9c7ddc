"""Rows of the matrix for a flatten alone, written by hand.

Here the readings fail, what was read changes before it is closed or closed again, and closes fill late, in part or not
at all. `close_position` reads nothing and goes by the answer, so these rows have one cell.
"""

from collections.abc import Callable
from math import inf
from typing import Any

from okx_async.simulator import Wire
from tests.faults.arrange import Arrange, as_read, at_once, in_turn, on_wires, strike
from tests.faults.cells import Table, left, out, unread
from tests.faults.world import STRUCK, World

OTHER = "SOL-USDT-SWAP"
"""Has no position when the call begins."""
ROWS = Table()
row = ROWS.flatten
nothing = in_turn()
"""Leaves the world as its options make it."""


def reopen(on_close: int = 0, pos: int = 7, **options: Any) -> Arrange:
    """Let another program close the position and open a new one there, as the n-th close of it is answered."""
    return at_once(lambda world: world.exchange.reopen(STRUCK, pos, on_close=on_close, **options))


async def blocked(world: World) -> None:
    """Let the position's close wait 3 s for its slot."""
    await world.limiter.block(world.client.limiter_key(STRUCK), 3.0)


def injected(code: str) -> Arrange:
    """Refuse every close of the position with this code."""
    return at_once(lambda world: world.exchange.inject(code=code, inst_id=STRUCK, times=None))


def lead(world: World) -> None:
    """Make the account a lead trader's."""
    world.exchange.account.role_type = "1"


def wires(act: Callable[[Wire], object]) -> Arrange:
    """Do something to every connection, of which each leg has one, as soon as positions were read."""

    def acted(world: World) -> None:
        for wire in tuple(world.network.wires.values()):
            act(wire)

    return in_turn(on_wires(lambda _: None), as_read(acted))


# --- readings ---

READ = "Positions cannot be read, or not as they are"
row(READ, "positions down", unread("OutcomeUnknownError"), strike("positions down"))
for each in ("beside a refusal", "before a list"):
    row(READ, f"positions empty {each}", unread("OutcomeUnknownError"), strike(f"positions empty {each}"))
row(READ, "positions down, deadline=1", unread("OutcomeUnknownError"), strike("positions down"), max_wait=1.0)
for each in ("hang up", "slow", "cut", "refused for rate"):
    row(READ, f"positions {each}", out(every_leg=True), strike(f"positions {each}"))
# Whether what the next reading lists was there before the call is told by the exchange's clock.
row(READ, "positions empty once", out(asked=1, every_leg=True), strike("positions empty once"))
# The first reading shows the position, the next meets the fault.
row(
    READ,
    "positions down from the second reading on",
    left("unknown", done=1, every_leg=True),
    strike("positions down", after=1),
)
for each in ("hang up", "slow", "cut", "refused for rate", "empty once"):
    row(READ, f"the second time, positions {each}", out(every_leg=True), strike(f"positions {each}", after=1))
row(
    READ,
    "positions empty once after an unknown outcome, not executed",
    out("ds"),
    in_turn(strike("50004", executed=False), strike("positions empty once", after=1)),
)
row(
    READ,
    "positions empty beside a refusal, from the second reading on",
    left("unknown", done=1, every_leg=True),
    strike("positions empty beside a refusal", after=1),
)
row(
    READ,
    "positions down for good after an unknown outcome, executed",
    left("unknown", "50004", "d", done=1, others="unknown"),
    in_turn(strike("50004", executed=True), strike("positions down", after=1)),
)
row(READ, "positions lag by 2 s", out(every_leg=True), nothing, options={"positions_lag": 2.0})
row(
    READ,
    "positions lag by 2 s, an unknown outcome, executed",
    out("d"),
    strike("50004", executed=True),
    options={"positions_lag": 1.5},
)

# --- fills ---

FILL = "The close fills late, in part, or never"
# A position that has stood still for 2 s is closed again; the answer is 51032 while the first close is on its way.
row(FILL, "fills after 3 s", out("ss", every_leg=True), nothing, options={"fill_delay": 3.0})
row(
    FILL,
    "fills after 3 s, positions lag by 1 s",
    out("ss", every_leg=True),
    nothing,
    options={"fill_delay": 3.0, "positions_lag": 1.0},
)
row(
    FILL,
    "fills after 3 s, an unknown outcome, executed",
    out("ds", every_leg=True),
    strike("HTML 502", executed=True, inst_id=None, times=2),
    options={"fill_delay": 3.0},
)
row(
    FILL,
    "never fills",
    left("in_progress", "51032", "ss", done=1, every_leg=True),
    nothing,
    options={"fill_delay": inf},
)
row(
    FILL,
    "fills after 40 s",
    left("in_progress", "51032", "ss", done=1, every_leg=True),
    nothing,
    options={"fill_delay": 40.0},
)
row(
    FILL,
    "fills by half, again and again",
    left("partial", "", "ssssssssss", done=10, every_leg=True),  # every 2 s and a little
    nothing,
    options={"fill": 0.5},
)
row(
    FILL,
    "changes nothing, again and again",
    left("in_progress", "", "sss", done=3, every_leg=True),
    nothing,
    options={"fill": 0},
)

# --- others ---

ELSE = "Somebody else acts meanwhile"
row(
    ELSE,
    "closed by somebody else before the first close",
    out("s", "already_flat", done=0),
    as_read(lambda world: world.exchange.open_position(STRUCK, 0)),
)
row(ELSE, "grown before the first close", out(), as_read(lambda world: world.exchange.open_position(STRUCK, 9)))
row(
    ELSE,
    "reopened while the first close waits for its slot",
    left("superseded", tokens="", done=0),
    in_turn(blocked, as_read(lambda world: world.exchange.reopen(STRUCK, 7, after=1.0))),
)
for each in ("50011", "50001", "51030", "51023", "51032", "50020"):
    row(ELSE, f"{each}, and reopened", left("superseded", each), in_turn(strike(each), reopen(1)))
for each in ("50004", "HTML 502", "hang-up", "empty 200"):
    code = each if each.isdigit() else ""
    row(
        ELSE,
        f"{each}, not executed, and reopened",
        left("superseded", code, "d"),
        in_turn(strike(each, executed=False), reopen(1)),
    )
    row(
        ELSE,
        f"{each}, executed, and reopened",
        left("superseded", code, "d", done=1),
        in_turn(strike(each, executed=True), reopen(1)),
    )
row(ELSE, "accepted and filled, and opened again", left("superseded", done=1), reopen(1))
row(ELSE, "never filled, and reopened", left("superseded", done=1), in_turn(strike("never filled"), reopen(1)))
row(
    ELSE,
    "half filled, and reopened a second later",
    left("superseded", done=1),
    in_turn(strike("half filled"), reopen(1, after=1.0)),
)
for kept in (False, True):
    row(
        ELSE,
        f"50004, not executed, and turned in one trade, {'its cTime kept' if kept else 'with a new cTime'}",
        left("superseded", "50004", "d"),
        in_turn(
            strike("50004", executed=False),
            as_read(lambda world: world.loop.call_later(1.0, world.exchange.open_position, STRUCK, -7)),
        ),
        options={"flip_keeps_c_time": kept},
    )
row(
    ELSE,
    "50004, not executed, and closed by somebody else",
    out("d", done=0),
    in_turn(strike("50004", executed=False), reopen(1, 0)),
)
row(
    ELSE,
    "another position appears",
    left("closed", done=1, more=("superseded",)),
    as_read(lambda world: world.exchange.open_position(OTHER, 5)),
)

# --- the exchange itself ---

FORCE = "The exchange acts first, or has rules of its own"
row(
    FORCE,
    "liquidation, at work for 1.5 s",
    out("s", "already_flat", done=0),
    as_read(lambda world: world.exchange.force_close(STRUCK, seconds=1.5)),
)
row(
    FORCE,
    "ADL of one half, at work for 1.5 s",
    out("ss"),
    as_read(lambda world: world.exchange.force_close(STRUCK, kind="adl", part=0.5, seconds=1.5)),
)
row(
    FORCE,
    "the account is frozen for 1.5 s",
    out("ss", every_leg=True),
    as_read(lambda world: world.exchange.force_close(STRUCK, code="50009", part=0, seconds=1.5)),
)
for each in ("51020", "51120"):
    row(FORCE, f"{each}: too small to be closed", left("dust", each), injected(each))
row(FORCE, "51108: too large to be closed at once", left("refused", "51108"), injected("51108"))
row(FORCE, "a lead trader's account", left("refused", "51156", every_leg=True), at_once(lead))

# --- the network, and the clock, between the reading and the closes ---

LINE = "It goes wrong between the first reading and the closes"
row(
    LINE,
    "the server hangs up as the closes leave",
    out("ds", sent=1, every_leg=True),
    wires(lambda wire: wire.far.close()),
)
row(LINE, "from then on silence, both ways", out("ds", sent=1, every_leg=True), wires(lambda wire: wire.vanish()))
row(
    LINE,
    "the answers do not come through",
    out("d", every_leg=True),
    wires(lambda wire: wire.stall(40.0, inward=False)),
)
row(
    LINE,
    "the closes stand in our own kernel",
    out("ds", sent=1, every_leg=True),
    wires(lambda wire: wire.stall(8.0, outward=False)),
)
row(
    LINE,
    "the clock is ahead by 1 h",
    out("ss", asked=1, every_leg=True),
    as_read(lambda w: w.exchange.inject("1 h ahead")),
)
row(
    LINE,
    "the clock is ahead by 1 h, time down",
    left("deadline", "50102", asked=19, every_leg=True),  # no reading is taken any more either
    as_read(lambda world: world.exchange.inject("1 h ahead"), strike("time down")),
)
row(
    LINE,
    "the key is revoked",
    left("refused", "50119", every_leg=True),
    as_read(lambda world: world.exchange.revoke(world.exchange.credentials)),
)
