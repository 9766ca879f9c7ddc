"""The mishaps of histories, as a table. A new one is a row, with a function where the exchange or network lack it.

None makes an answer false: an answer to a close agrees with what the exchange did, or says nothing certain.
"""

from asyncio import CancelledError
from collections.abc import Callable
from random import Random
from typing import Any, TypeAlias

from okx_async.simulator import Wire
from okx_async.simulator.api.codes import Shape
from okx_async.simulator.api.endpoints import CLOSE_PATH
from okx_async.simulator.books.instruments import rate_scope
from okx_async.simulator.faults.catalogue import CATALOGUE, CONFIG_PATH, TIME_PATH
from okx_async.simulator.faults.faults import Options
from okx_async.torture.stage import Stage
from okx_async.torture.stray_bytes import doubled, early_bytes

Mishap: TypeAlias = Callable[[Stage, Random], str]
HELD = "504 early, sent on 3 s later"
"""A fault of the catalogue that only `_proxy` uses, with a time within the plan's grace."""
LIE = "positions empty once"
"""A false reading, which a client cannot tell from a true one; scenes use it, mishaps do not."""
ODD_TIMES = (float("nan"), float("inf"), -1.0, 1e300)
ODD_ERRORS = (ValueError, OSError, CancelledError)


# --- answers of the exchange ---


def _named(name: str) -> Mishap:
    """Return a mishap that injects a fault of the catalogue, executed or not where it may be either."""
    kind = CATALOGUE[name]

    def mishap(stage: Stage, rng: Random) -> str:
        options: Options = {"times": rng.choice((1, 1, 2, 5)), "path": kind.what.get("path") or CLOSE_PATH}
        if kind.executed is None and kind.what.get("counted", True):
            options["executed"] = rng.random() < 0.5
        if options["path"] == TIME_PATH:  # which is asked for only when a timestamp is refused
            stage.exchange.inject("31 s ahead", path=CLOSE_PATH, times=1)
        stage.exchange.inject(name, **options)
        return f"{name}: {options}"

    return mishap


def _late(stage: Stage, rng: Random) -> str:
    seat = rng.choice(stage.plan.seats)
    delay = seat.timeout * rng.choice((0.5, 0.97, 1.03, 2.0))
    times = rng.choice((1, 5, 25))
    stage.exchange.inject(delay=delay, times=times)
    return f"{times} answers to be {delay:.3f} s late"


def _refusal(stage: Stage, rng: Random) -> str:
    code = rng.choice(
        ("50001", "50001", "50005", "51030", "51109", "51022", "50009", "51032", "51115", "51066", "51000", "50120")
    )
    shapes: tuple[Shape | None, ...] = (None, None, "item", "suffix", "integer", "object", "bare")
    shape = rng.choice(shapes)
    stage.exchange.inject(code=code, shape=shape, times=rng.choice((1, 3, 8)))
    return f"a refusal: {code} in shape {shape}"


def _throttle(stage: Stage, rng: Random) -> str:
    code = rng.choice(("50011", "50011", "51113", "50061"))
    times = rng.choice((1, 1, 4, 30))
    stage.exchange.inject(code=code, times=times, shape=rng.choice((None, "suffix")))
    return f"{times} refusals for rate: {code}"


def _config(stage: Stage, rng: Random) -> str:
    times = rng.choice((1, 2, 6))
    what: dict[str, Any] = rng.choice(
        (
            {"code": "50001"},
            {"code": "50120"},
            {"delay": 0.7},
            {"delay": 8.0},
            {"disconnect": True},
            {"body": "<html>", "status": 502},
            {"body": '{"code":"0","data":[{"uid":""}],"msg":""}', "status": 200},
            {"code": "50011"},
            {"code": "50111"},
        )
    )
    stage.exchange.inject(path=CONFIG_PATH, times=times, **what)
    return f"account/config, {times} times: {what}"


def _late_config(stage: Stage, rng: Random) -> str:  # noqa: ARG001 - as all mishaps
    stage.exchange.inject(path=CONFIG_PATH, code="50001")
    return "account/config, once: 50001"


def _odd_time(stage: Stage, rng: Random) -> str:
    times = rng.choice((1, 3))
    ts = rng.choice(("1768519672373000", "1768519672", "-1", "0", "99999999999999999", "soon", ""))
    stage.exchange.inject(path=TIME_PATH, times=times, body=f'{{"code":"0","data":[{{"ts":"{ts}"}}],"msg":""}}')
    stage.mishap_count += 1
    return f"public/time, {times} times: {ts!r}"


def _proxy(stage: Stage, rng: Random) -> str:
    after = rng.uniform(0.0, stage.plan.spare)
    times = rng.choice((1, 5, 20))
    stage.exchange.inject(HELD, forwarded=after, times=times)
    return f"{times} closes that a proxy gives up on, and sends on {after:.3f} s later"


def _crowd(stage: Stage, rng: Random) -> str:
    account, scope = rng.choice(stage.accounts), rate_scope(stage.inst_id(rng))
    requests, seconds = rng.choice((5, 10, 25)), rng.uniform(2.0, 15.0)
    stage.exchange.crowd(account.user_id, scope, requests)
    stage.loop.call_later(seconds, stage.exchange.crowd, account.user_id, scope, 0)
    stage.mishap_count += 1
    return f"another program sends {requests} in 2 s to {scope}, for {seconds:.1f} s"


def _jump(stage: Stage, rng: Random) -> str:
    desk, seconds = rng.choice(stage.desks), rng.choice((-3600.0, -31.5, -2.0, 2.0, 31.5, 3600.0))
    desk.wall_clock.step(seconds)
    stage.mishap_count += 1
    return f"the clock of seat {desk.number} jumps by {seconds:g} s"


def _fail(stage: Stage, rng: Random) -> str:
    desk, seconds, times = rng.choice(stage.desks), rng.choice((0.0, 0.05, 0.5)), rng.choice((1, 10))
    failure = rng.choice((*ODD_TIMES, *ODD_ERRORS))
    for number in range(times):
        stage.loop.call_later(number, desk.wall_clock.fail, failure)
        stage.loop.call_later(number + seconds, desk.wall_clock.fail, None)
    stage.mishap_count += 1
    return f"the clock of seat {desk.number} fails {times} times for {seconds:g} s: {failure!r}"


# --- the network ---


def _wire(stage: Stage, rng: Random) -> Wire | None:
    wires = list(stage.network.wires.values())
    return rng.choice(wires) if wires else None


def _on_a_wire(act: Callable[[Stage, Random, Wire], str]) -> Mishap:
    def mishap(stage: Stage, rng: Random) -> str:
        wire = _wire(stage, rng)
        if wire is None:
            return ""
        stage.mishap_count += 1
        return f"{act(stage, rng, wire)} wire {wire.number}"

    return mishap


def _reset(_: Stage, __: Random, wire: Wire) -> str:
    wire.reset()
    return "reset of"


def _vanish(_: Stage, __: Random, wire: Wire) -> str:
    wire.vanish()
    return "silence on"


def _hang_up(_: Stage, __: Random, wire: Wire) -> str:
    wire.far.close()
    return "the server hangs up"


def _stall(stage: Stage, rng: Random, wire: Wire) -> str:
    seconds = stage.plan.stall * rng.choice((0.05, 0.3, 1.0))
    inward = rng.random() < 0.7
    wire.stall(seconds, inward=inward, outward=not inward or rng.random() < 0.5)
    return f"{seconds:.2f} s without departures on"


def _deaf(stage: Stage, rng: Random, wire: Wire) -> str:
    end, seconds = rng.choice((wire.near, wire.far)), stage.plan.stall * rng.choice((0.05, 0.3))
    end.hold("deaf")

    def read_on() -> None:
        # A reset that was lost is not sent again, and what was unread would be counted long after the grace, which the
        # window proof rules out. Where a caller's session delivers all it wrote, `stall` is within the grace.
        if end is wire.far and end.made and wire.near.is_closing() and stage.plan.stall > stage.plan.grace:
            end.reset()
        end.release("deaf")

    stage.loop.call_later(seconds, read_on)
    return f"{end.name} reads nothing for {seconds:.2f} s on"


def _for_all(act: Callable[[Stage, float], None], *lengths: float) -> Mishap:
    def mishap(stage: Stage, rng: Random) -> str:
        seconds = rng.choice(lengths)
        act(stage, seconds)
        stage.mishap_count += 1
        return f"{getattr(act, '__name__', 'network')} for {seconds:g} s"

    return mishap


def refused(stage: Stage, seconds: float) -> None:
    """Refuse connections."""
    stage.network.refuse(seconds)


def swallowed(stage: Stage, seconds: float) -> None:
    """Answer no attempt to connect."""
    stage.network.swallow(seconds)


def slow(stage: Stage, seconds: float) -> None:
    """Let connecting take long."""
    stage.network.slow_down(seconds, by=min(seconds, 1.2))


def outage(stage: Stage, seconds: float) -> None:
    """Let nothing through."""
    stage.network.outage(min(seconds, stage.plan.stall))


def frozen(stage: Stage, seconds: float) -> None:
    """Let the machine stand still."""
    stage.loop.freeze(min(seconds, stage.plan.conditions.freeze))


# A mishap and its weight among the others.
MISHAPS: dict[str, tuple[int, Mishap]] = {
    **{name: (1, _named(name)) for name in CATALOGUE if name not in {HELD, LIE}},
    "late": (8, _late),
    "refusal": (8, _refusal),
    "throttle": (6, _throttle),
    "proxy": (8, _proxy),
    "config": (8, _config),
    "late_config": (0, _late_config),  # in plans that name it
    "odd time": (4, _odd_time),
    "crowd": (4, _crowd),
    "clock jumps": (2, _jump),
    "clock fails": (8, _fail),
    "wire reset": (12, _on_a_wire(_reset)),
    "silence": (6, _on_a_wire(_vanish)),
    "server hangs up": (8, _on_a_wire(_hang_up)),
    "stall": (12, _on_a_wire(_stall)),
    "deaf": (6, _on_a_wire(_deaf)),
    "early bytes": (20, early_bytes),
    "answered twice": (6, doubled),
    "refused": (4, _for_all(refused, 0.5, 3.0)),
    "swallowed": (4, _for_all(swallowed, 0.5, 3.0)),
    "slow": (4, _for_all(slow, 1.0, 5.0)),
    "outage": (8, _for_all(outage, 0.3, 1.5, 8.0)),
    "frozen": (8, _for_all(frozen, 0.02, 0.4)),
}


def strike(kind: str, stage: Stage, rng: Random) -> None:
    """Run the mishap of this name."""
    words = MISHAPS[kind][1](stage, rng)
    if words:
        stage.note(f"MISHAP {words}")
