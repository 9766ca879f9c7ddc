"""Mishaps that send bytes over a connection which no request asked for: answers that come early, or twice.

None arrives between the write of a request and its answer: there a client cannot tell them from the answer.
"""

from random import Random
from typing import Final

from okx_async.simulator import Wire
from okx_async.simulator.http.connections import HttpConnection
from okx_async.torture.stage import Stage


def _answer(status: str, body: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


STRAYS: Final[dict[str, bytes]] = {
    "an acceptance": _answer("200 OK", '{"code":"0","data":[],"msg":""}'),  # and an account without positions
    "a refusal": _answer("200 OK", '{"code":"51000","data":[],"msg":"Parameter error."}'),
    "nothing to close": _answer("200 OK", '{"code":"51023","data":[],"msg":"Position does not exist."}'),
    "a throttle": _answer("429 Too Many Requests", '{"code":"50011","msg":"Too Many Requests"}'),
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "an interim answer": b"HTTP/1.1 100 Continue\r\n\r\n",
}


def idle(wire: Wire) -> bool:
    """Whether nothing is asked over a wire and nothing under way on it, in either direction.

    Over a wire that lost bytes an answer may be awaited that will never come.
    """
    near, far = wire.near, wire.far
    if not far.made or near.is_closing() or far.is_closing() or near.outbound.dropped or far.outbound.dropped:
        return False
    if near.unread or far.unread or near.outbound.backlog or far.outbound.backlog:
        return False
    server = far.get_protocol()
    return isinstance(server, HttpConnection) and not server.begun


def early_bytes(stage: Stage, rng: Random) -> str:
    """Let bytes arrive over idle wires, again and again; the client reads them at once, a turn later, or after long."""
    kind = rng.choice((*STRAYS, "a refusal", "nothing to close"))
    seconds = rng.choice((None, 0.0, 0.3, 3.0))
    times, pause, most = rng.choice((1, 60, 100)), rng.choice((0.03, 0.1)), rng.choice((1, 3, 20))
    for number in range(1, times):
        stage.loop.call_later(number * pause, _stray, stage, rng, kind, seconds, most)
    read = "at once" if seconds is None else f"{seconds:g} s later"
    struck = _stray(stage, rng, kind, seconds, most)
    return f"{kind} that was not asked for, read {read}, {times} times, first over {struck} wires"


def _stray(stage: Stage, rng: Random, kind: str, seconds: float | None, most: int) -> int:
    """Let bytes arrive over some idle wires; return over how many."""
    wires = [wire for wire in stage.network.wires.values() if idle(wire)]
    wires = rng.sample(wires, min(len(wires), most))
    for wire in wires:
        near = wire.near
        if seconds is not None:
            near.hold("early bytes")
            stage.loop.call_later(seconds, near.release, "early bytes")
        near.arrive(STRAYS[kind])
        stage.mishap_count += 1
    return len(wires)


def doubled(stage: Stage, rng: Random) -> str:
    """Let the next answers on some wires come twice, in one piece each."""
    wires = list(stage.network.wires.values())
    wires = rng.sample(wires, min(len(wires), rng.choice((1, 5))))
    answers = rng.choice((1, 1, 3))
    for wire in wires:
        wire.far.outbound.double(answers)
        stage.mishap_count += 1
    return f"the next {answers} answers twice, on {len(wires)} wires" if wires else ""
