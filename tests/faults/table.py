"""What must become of each fault, written by hand: the matrix. docs/reliability.md shows it.

A row is a fault and a cell for each kind of call; a cell says what the caller is told, how often the position is
closed, how often the request arrives, and what becomes of each slot.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from okx_async.simulator.catalogue import CATALOGUE
from tests.faults.world import STRUCK

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from okx_async.simulator import Wire
    from tests.faults.world import World

Arrange: TypeAlias = "Callable[[World], Awaitable[None]]"

__all__ = ["ROWS", "Cell", "Row"]


@dataclass(frozen=True)
class Cell:
    """What must become of a call.

    ``told``: the class of the error, or "accepted"; ``done``: closes of the position that is struck; ``sent``: how
    often its request arrives; ``tokens``: of each attempt, s settled, d in doubt, r refunded; ``all``: whether the
    other legs meet the same, else they are accepted at once; ``asked``: how often the exchange is asked for its time;
    ``late``: how often it arrives after the caller was told.
    """

    told: str
    code: str = ""
    done: int = 0
    sent: int = 1
    tokens: str = "s"
    all: bool = False
    asked: int = 0
    late: int = 0


@dataclass(frozen=True)
class Row:
    """A fault, and what must become of it. ``user_id``: whether the client is given it."""

    group: str
    title: str
    arrange: Arrange
    cells: dict[str, Cell]
    user_id: bool = True
    max_wait: float | None = None


def accepted(sent: int = 1, tokens: str = "s", *, asked: int = 0, all: bool = False) -> Cell:  # noqa: A002 - as in Cell
    """It is closed, once."""
    return Cell("accepted", "", 1, sent, tokens, all, asked)


def unknown(code: str = "", *, done: int, sent: int = 1, all: bool = False) -> Cell:  # noqa: A002
    """It may have been closed: sent once, and its slot is in doubt."""
    return Cell("OutcomeUnknownError", code, done, sent, "d", all)


def refused(
    told: str,
    code: str = "",
    sent: int = 1,
    tokens: str = "s",
    *,
    asked: int = 0,
    all: bool = False,  # noqa: A002
) -> Cell:
    """It was not closed."""
    return Cell(told, code, 0, sent, tokens, all, asked)


def unsent(tokens: str) -> Cell:
    """It never left, as often as it was tried; whoever is first meets what all meet."""
    return Cell("NotSentError", "", 0, 0, tokens, all=True)


def strike(*names: str, **options: Any) -> Arrange:
    """Let faults of the catalogue strike the position, or whatever else they are of."""

    async def arrange(world: World) -> None:
        for name in names:
            whose = {} if name in EVERYWHERE else {"inst_id": STRUCK}
            world.exchange.inject(name, **{**whose, **options})

    return arrange


def later(*steps: Arrange) -> Arrange:
    """Do one after another, after a close of something else."""

    async def arrange(world: World) -> None:
        await world.warm()
        for step in steps:
            await step(world)

    return arrange


def at_once(act: Callable[[World], object]) -> Arrange:
    """Do something that takes no time."""

    async def arrange(world: World) -> None:
        act(world)

    return arrange


def on_wires(act: Callable[[Wire], object], after: float = 0.0) -> Arrange:
    """Do something to every connection, with one for each leg standing ready; `after` s from the call on."""

    async def arrange(world: World) -> None:
        await world.client.warm_up(len(world.legs))
        await asyncio.sleep(1.0)
        for wire in tuple(world.network.wires.values()):
            if after:
                world.loop.call_later(after, act, wire)
            else:
                act(wire)

    return arrange


async def pause(_: World) -> None:
    """Let the word of it arrive."""
    await asyncio.sleep(1.0)


async def mended(world: World) -> None:
    """Let the exchange's clock be an hour ahead for the first close."""
    world.exchange.inject("1 h ahead")
    await world.warm()
    world.exchange.clear_faults()


async def revoke(world: World) -> None:
    """Delete the API key."""
    world.exchange.revoke(world.exchange.credentials)


EVERYWHERE = {
    name
    for name, kind in CATALOGUE.items()
    if kind.group in {"has another clock", "another endpoint fails", "the API key is refused"}
}
ROWS: list[Row] = []


def row(
    group: str,
    title: str,
    cell: Cell,
    arrange: Arrange | None = None,
    *,
    own: Cell | None = None,
    **settings: Any,
) -> None:
    """Add a row; `own`: over a caller's session, where it is another cell."""
    arrange = arrange or strike(title)
    ROWS.append(
        Row(
            group,
            title,
            arrange,
            {"close_position": cell, "close_positions": cell, "own session": own or cell},
            **settings,
        )
    )


def either(group: str, name: str, code: str = "") -> None:
    """Add two rows: nobody can tell, and nothing is sent again."""
    for done in (1, 0):
        title = f"{name}, {'executed' if done else 'not executed'}"
        row(group, title, unknown(code, done=done), strike(name, executed=bool(done)))


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
    row(NO, f"{each} once", accepted(2, "ss"), strike(each))
row(NO, "50001 for ever", refused("UnavailableError", "50001", 6, "ssssss"), strike("50001", **ALWAYS))
row(
    NO,
    "50001 for ever, max_wait=0.7",
    refused("UnavailableError", "50001", 2, "ss"),
    strike("50001", **ALWAYS),
    max_wait=0.7,
)
row(NO, "50020", refused("UnavailableError", "50020"))
row(NO, "51032", refused("CloseInProgressError", "51032"))
row(NO, "51115", refused("PendingOrdersError", "51115"))
row(NO, "51023", refused("NothingToCloseError", "51023"))
row(NO, "51000", refused("RejectedError", "51000"))
row(NO, "50120", refused("AuthenticationError", "50120"))
row(NO, "50113", refused("AuthenticationError", "50113"))
for each in (
    "in an item",
    "in an item under code 0",
    "as a number",
    "without data",
    "with data {}",
    "with a byte of no text",
):
    row(NO, f"51023 {each}", refused("NothingToCloseError", "51023"))
row(NO, "51008 with a sub-code", refused("RejectedError", "51008_1000"))
row(
    NO,
    "the position is gone",
    refused("NothingToCloseError", "51023"),
    at_once(lambda world: world.exchange.open_position(STRUCK, 0)),
)
row(
    NO,
    "a close order is pending",
    refused("PendingOrdersError", "51115"),
    at_once(lambda world: world.exchange.add_pending_order(STRUCK)),
)
row(
    NO,
    "the instrument is suspended",
    refused("UnavailableError", "51022", 6, "ssssss"),
    at_once(lambda world: world.exchange.list_instrument(STRUCK, state="suspend")),
)
row(
    NO,
    "the instrument is gone",
    refused("RejectedError", "51001"),
    at_once(lambda world: world.exchange.delist(STRUCK)),
)

# --- for rate ---

RATE = "The exchange refuses for rate"
for each in ("50011", "50011 under 200", "50011 without data", "50011 with Retry-After", "50061", "51113"):
    row(RATE, f"{each} once", accepted(2, "ss"), strike(each))
row(RATE, "50011 for ever", refused("RateLimitedError", "50011", 6, "ssssss"), strike("50011", **ALWAYS))
row(RATE, "50011, max_wait=1", refused("RateLimitedError", "50011"), strike("50011"), max_wait=1.0)
row(
    RATE,
    "Retry-After: 7 for ever",
    refused("RateLimitedError", "50011", 5, "sssss"),
    strike("50011 with Retry-After", **ALWAYS),
)
row(RATE, "51113 for ever: 2, 4, 8 s", refused("RateLimitedError", "51113", 5, "sssss"), strike("51113", **ALWAYS))
row(
    RATE,
    "another program takes half of the limit",
    accepted(),
    at_once(lambda world: world.exchange.crowd(world.exchange.user_id, STRUCK, 10)),
)
row(
    RATE,
    "another program takes all of it",
    refused("RateLimitedError", "50011", 6, "ssssss"),
    at_once(lambda world: world.exchange.crowd(world.exchange.user_id, STRUCK, 30)),
)

# --- it accepts, in odd words ---

ODD = "The exchange accepts in odd words"
for each in ("without data", "with data null", "as a number", "with times", "with sCode 0", "after much space"):
    row(ODD, f"accepted {each}", accepted())

# --- no envelope ---

BARE = "The answer is no envelope of the exchange"
for each in ("plain 429", "HTML 502", "HTML 503", "HTML 504", "HTML 520", "gateway 500"):
    either(BARE, each)
for each in ("cut JSON", "empty 200", "204", "no object", "byte order mark", "unasked gzip"):
    either(BARE, each)

# --- a proxy ---

EARLY = "A proxy answers before the exchange has counted"
for each in ("plain 429 early", "HTML 502 early", "HTML 503 early", "HTML 520 early"):
    row(EARLY, each, unknown(done=0))
row(EARLY, "504 early, sent on 3 s later", unknown(done=1))
for each in ("HTML 403 early", "gateway 404 early", "401 early", "302 early"):
    row(EARLY, each, refused("RejectedError", tokens="d"))

# --- the connection ---

LINE = "The connection is lost"
for each in ("hang-up", "reset", "hang-up in the body", "reset in the body"):
    either(LINE, each)
row(LINE, "hang-up early", unknown(done=0))
row(LINE, "reset early", unknown(done=0))
row(
    LINE,
    "the server hangs up while it stands idle",
    accepted(all=True),
    later(on_wires(lambda w: w.far.close()), pause),
)
row(
    LINE,
    "the server hangs up as the request leaves",
    unknown(done=0, sent=0, all=True),
    on_wires(lambda wire: wire.far.close()),
)
row(
    LINE,
    "reset while the answer is awaited",
    unknown(done=1, all=True),
    later(on_wires(lambda wire: wire.reset(), after=0.5), strike("4.8 s", times=None, inst_id=None)),
)
row(LINE, "silence, both ways", unknown(done=0, sent=0, all=True), on_wires(lambda wire: wire.vanish()))
row(
    LINE,
    "the answer does not come through",
    unknown(done=1, all=True),
    on_wires(lambda wire: wire.stall(40.0, inward=False)),
)
row(
    LINE,
    "the request stands in our own kernel",
    unknown(done=0, sent=0, all=True),
    on_wires(lambda wire: wire.stall(8.0, outward=False)),
    # Nobody can take back what aiohttp's own sockets were given.
    own=Cell("OutcomeUnknownError", "", 1, 1, "d", all=True, late=1),
)
row(
    LINE,
    "connections refused for 1 s",
    Cell("accepted", "", 1, 1, "rrrs", all=True),
    at_once(lambda world: world.network.refuse(1.0)),
)
row(LINE, "connections refused for 40 s", unsent("rrrrrr"), at_once(lambda world: world.network.refuse(40.0)))
row(LINE, "nobody answers to connect for 40 s", unsent("rrrrrr"), at_once(lambda world: world.network.swallow(40.0)))

# --- slowness ---

SLOW = "The answer is slow (time-out: 5 s)"
row(SLOW, "4.8 s", accepted())
row(SLOW, "5.2 s", unknown(done=1))
row(SLOW, "12 s", unknown(done=1))
row(SLOW, "a refusal after 4.8 s", refused("NothingToCloseError", "51023"))
row(SLOW, "a refusal after 5.2 s", unknown(done=0))
row(SLOW, "headers after 2 s, body after 4.8 s", accepted())
either(SLOW, "headers, then nothing")

# --- size ---

LONG = "The answer is too long"
either(LONG, "20 MB")
either(LONG, "gzip bomb")

# --- fills ---

PART = "The close fills in part"
row(PART, "half filled", accepted())
row(PART, "never filled", accepted())

# --- clocks ---

CLOCK = "Clocks differ"
for each in ("5 s ahead", "5 s behind", "29 s ahead", "29 s behind"):
    row(CLOCK, each, accepted(all=True))
RESIGNED = accepted(2, "ss", asked=1, all=True)
for each in ("31 s ahead", "31 s behind", "1 h ahead", "1 h behind"):
    row(CLOCK, each, RESIGNED)
row(CLOCK, "ahead by 1 h in mid-run", RESIGNED, later(strike("1 h ahead")))
row(CLOCK, "back by 31 s in mid-run", RESIGNED, later(strike("31 s behind")))
row(CLOCK, "right again after it was an hour ahead", RESIGNED, mended)
for each in ("time down", "time hangs up", "time slow", "time refused for rate"):
    row(
        CLOCK,
        f"31 s ahead, {each}",
        refused("ClockSkewError", "50102", asked=1, all=True),
        strike(each, "31 s ahead"),
    )
row(
    CLOCK,
    "31 s ahead, time slow, max_wait=1",
    refused("ClockSkewError", "50102", asked=1, all=True),
    strike("time slow", "31 s ahead"),
    max_wait=1.0,
)

# --- the user id ---

UID = "The user id cannot be learnt"
for each in ("down", "hangs up", "slow", "too slow", "refused for rate", "without a uid"):
    row(UID, f"config {each}", accepted(all=True), user_id=False)

# --- the API key ---

KEY = "The API key is refused"
row(KEY, "key revoked", refused("AuthenticationError", "50119", all=True))
row(KEY, "key revoked in mid-run", refused("AuthenticationError", "50119", all=True), later(revoke))
row(KEY, "IP not allowed", refused("AuthenticationError", "50110", all=True))
row(
    KEY,
    "key revoked, user id unknown",
    refused("AuthenticationError", "50119", 0, "", all=True),
    strike("key revoked"),
    user_id=False,
)
