"""Rows of the matrix, written by hand: bytes that were not asked for, contradictions, odd clocks, raising hooks.

As in `answers.py`, whatever goes wrong does so from the start of the call.
"""

from asyncio import CancelledError
from typing import Any

from okx_async.simulator import Wire
from okx_async.simulator.faults.catalogue import TIME_PATH
from tests.faults.arrange import Arrange, at_once, cancelled, hang_up, in_turn, later, on_wires, pause, strike
from tests.faults.cells import Cell, Table, accepted, left, out, refused, unknown, unread, unsent
from tests.faults.world import STRUCK, World

ROWS = Table()
row = ROWS.row


def answer(body: str, **options: Any) -> Arrange:
    """Answer the close of `STRUCK` with these words."""
    return at_once(lambda world: world.exchange.inject(body=body, status=200, inst_id=STRUCK, **options))


# --- bytes over an idle connection ---

UNASKED = "Bytes come over an idle connection"
DONE = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 31\r\n\r\n{"code":"0","data":[],"msg":""}'
NO = DONE.replace(b'"0"', b'"51000"').replace(b"31", b"35")


def unasked(data: bytes) -> Arrange:
    """Let bytes arrive over each connection that stands ready."""
    return later(on_wires(lambda wire: wire.far.write(data)), pause)


row(
    UNASKED,
    "an acceptance, before a close that is refused with 51000",
    refused("RejectedError", "51000"),
    in_turn(unasked(DONE), strike("51000")),
    flatten=left("refused", "51000"),
)
row(UNASKED, "a refusal", accepted(every_leg=True), unasked(NO), flatten=out(every_leg=True))
row(UNASKED, "a flood", accepted(every_leg=True), unasked(DONE * 20_000), flatten=out(every_leg=True))


def doubled(wire: Wire) -> None:
    """Send the next answers on a wire twice."""
    wire.far.outbound.double(3)


row(
    UNASKED,
    "each answer twice",
    accepted(every_leg=True),
    later(on_wires(doubled)),
    flatten=out(every_leg=True),
)

# --- contradictions ---

BOTH = "The answer contradicts itself"
for words, body in {
    "an item 0 under 50011": '{"code":"50011","data":[{"sCode":"0","sMsg":""}],"msg":""}',
    "an item 0 beside an item 50011": '{"code":"1","data":[{"sCode":"0"},{"sCode":"50011"}],"msg":""}',
    "code twice, 0 and 50011": '{"code":"0","code":"50011","data":[],"msg":""}',
    "items nested in lists": '{"code":"50011","data":[[{"sCode":"0","sMsg":""}]],"msg":""}',
}.items():
    for how, done, tokens in (("executed", 1, "d"), ("not executed", 0, "ds")):
        arrange = answer(body, executed=bool(done))
        row(BOTH, f"{words}, {how}", unknown(done=done), arrange, flatten=out(tokens))

# --- in plain sight ---

ODD = "The code is in plain sight, in an odd answer"
for words, message in {"half an emoji": r"\ud83d", "a raw control character": "\x01\x1f"}.items():
    body = f'{{"code":"0","data":[],"msg":"{message}"}}'
    row(ODD, f"accepted with {words}", accepted(), answer(body, executed=True), flatten=out())
row(
    ODD,
    "accepted with NaN",
    accepted(),
    answer('{"code":"0","data":[],"msg":"","x":NaN}', executed=True),
    flatten=out(),
)
row(
    ODD,
    "accepted with a header of 9 kB",
    accepted(),
    answer('{"code":"0","data":[],"msg":""}', executed=True, headers={"X-Trace": "x" * 9000}),
    flatten=out(),
)

# --- connecting ---

LINE = "Connecting takes long, or ends at once"
row(
    LINE,
    "a handshake of 1.2 s",
    accepted(every_leg=True),
    at_once(lambda world: world.network.slow_down(40.0, by=1.2)),
    flatten=out(every_leg=True),
)
row(
    LINE,
    "a handshake of 1.2 s, max_wait=1",
    unsent("r"),
    at_once(lambda world: world.network.slow_down(40.0, by=1.2)),
    flatten=unread("NotSentError"),
    max_wait=1.0,
)

row(
    LINE,
    "the server hangs up before a byte of the request can have left, for 1 s",
    accepted(1, "rrs", every_leg=True),
    hang_up(1.0),
    flatten=out(every_leg=True),
)
row(
    LINE,
    "the server hangs up before a byte of the request can have left, for 40 s",
    unsent("rrrrrr"),
    hang_up(40.0),
    flatten=unread("NotSentError"),
)

# --- cancellation ---

CANCEL = "The caller cancels while the closes are on the wire"
SENT = Cell("CancelledError: already sent, outcome unknown", "", 1, 1, "d", every_leg=True)
for words, times in {
    "once": (0.5,),
    "twice": (0.5, 0.0),
    "three times": (0.5, 0.0, 0.0),
}.items():
    row(
        CANCEL,
        f"cancelled {words}",
        SENT,
        in_turn(strike("4.8 s", times=None, inst_id=None), cancelled(*times)),
        flatten=SENT,
    )

# --- clocks ---

TIME = "The exchange's time cannot be true, or ours cannot be read"
for words, ts in {"in microseconds": "1768519672373000", "negative": "-1", "text": "soon"}.items():
    body = f'{{"code":"0","data":[{{"ts":"{ts}"}}],"msg":""}}'

    def tell(world: World, body: str = body) -> None:
        """Answer each question for the time so."""
        world.exchange.inject(path=TIME_PATH, times=None, body=body, status=200)

    row(
        TIME,
        f"31 s ahead, time {words}",
        refused("ClockSkewError", "50102", asked=1, every_leg=True),
        in_turn(strike("31 s ahead"), at_once(tell)),
        flatten=unread("ClockSkewError", "50102", asked=1),
    )


def stopped(world: World) -> None:
    """Let the wall clock of the client raise."""

    def fails() -> float:
        raise CancelledError

    world.client._caller._clock._wall_clock = fails


row(TIME, "the wall clock raises", unsent("r"), at_once(stopped), flatten=unread("NotSentError"))

# --- calls back ---

HOOK = "A function that the client calls back raises"


def raising(error: BaseException) -> Arrange:
    """Let `on_attempt` raise."""

    def arrange(world: World) -> None:
        told = world.client._caller._reports._on_attempt
        assert told is not None

        def raises(attempt: Any) -> None:
            told(attempt)
            raise error

        world.client._caller._reports._on_attempt = raises

    return at_once(arrange)


for error in (ValueError("no"), CancelledError()):
    title = f"on_attempt raises {type(error).__name__}"
    row(HOOK, title, accepted(every_leg=True), raising(error), flatten=out(every_leg=True))
row(
    HOOK,
    "on_attempt raises CancelledError, 50011 once",
    accepted(2, "ss"),
    in_turn(raising(CancelledError()), strike("50011")),
    flatten=out("ss"),
)


def limits_raise(world: World) -> None:
    """Let `on_limit` raise."""

    def raises(_: Any) -> None:
        raise CancelledError

    world.client._caller._reports._on_limit = raises


row(
    HOOK,
    "on_limit raises CancelledError, 50011 once",
    accepted(2, "ss"),
    in_turn(at_once(limits_raise), strike("50011")),
    flatten=out("ss"),
)
