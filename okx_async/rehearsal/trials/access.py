"""Trials of environment, connections, clock and signature: nothing is opened."""

import asyncio
from typing import Final

import orjson

from okx_async._errors import OutcomeUnknownError
from okx_async._models import Outcome
from okx_async._rest.outcomes import classify
from okx_async._rest.requests import ACCOUNT_CONFIG, CLOSE_PATH, PUBLIC_TIME, ApiRequest, positions
from okx_async.rehearsal.results import Verdict
from okx_async.rehearsal.stage import NotTriedError, Observation, Stage
from okx_async.rehearsal.wire import Reply, Twist

_LONGEST_LINE: Final = 8190
_MOST_LINES: Final = 128
_HEADS: Final = (2_048, 4_096, 8_192, 16_384, 32_768)
"""Bytes of the heads of requests that are tried."""
_NEEDED_HEAD: Final = 4_096
_PADDING: Final = "X-Padding"
_IDLE: Final = 16.0
_TAKEN_AGE: Final = 25.0
_REFUSED_AGE: Final = 60.0
_NO_JSON: Final = b'{"instId":'


def coded(reply: Reply, *expected: str) -> Observation:
    """Return the observation of an answer that should have one of some codes."""
    code = reply.code.partition("_")[0]
    return Observation(code in expected, f"answered {reply.told()}", {"code": code, "status": reply.status})


async def environment_is_checked(stage: Stage) -> Observation:
    """Repeat what was found before the first trial."""
    checked = stage.account.checked
    return Observation(checked.verdict is Verdict.HELD, checked.evidence, checked.observed)


async def query_is_signed_as_sent(stage: Stage) -> Observation:
    """Ask for two instruments with a raw comma between them."""
    second = stage.other.inst_id if stage.other else "ETH-USDT-SWAP"
    return coded(await stage.wire.ask(positions([stage.instrument.inst_id, second])), "0")


async def answers_have_short_heads(stage: Stage) -> Observation:
    """Measure the heads of all answers so far."""
    await stage.wire.ask(PUBLIC_TIME)
    wire = stage.wire
    return Observation(
        wire.longest_line <= _LONGEST_LINE and wire.most_lines <= _MOST_LINES,
        f"the longest line of a head had {wire.longest_line} bytes; of all lines together there were at most "
        f"{wire.most_lines}, of {wire.largest_head} bytes",
        {"longest_line": wire.longest_line, "lines": wire.most_lines, "head": wire.largest_head},
    )


async def long_heads_are_taken(stage: Stage) -> Observation:
    """Send requests with ever larger heads, until one is refused."""
    usual = taken = (await stage.wire.ask(PUBLIC_TIME)).head
    refused, words = 0, ""
    for size in _HEADS:
        padding = {_PADDING: "x" * (size - usual - len(f"{_PADDING}: \r\n"))}
        try:
            reply = await stage.wire.ask(PUBLIC_TIME, Twist(headers=padding))
        except OutcomeUnknownError:
            refused, words = size, f"one of {size} bytes is not answered"
            break
        if classify(reply.answer) is Outcome.RATE:
            raise NotTriedError(f"refused for rate ({reply.told()})")
        if reply.code != "0":
            refused, words = size, f"one of {size} bytes is answered {reply.told()}"
            break
        taken = reply.head
    if refused and (after := await stage.wire.ask(PUBLIC_TIME)).code != "0":
        raise NotTriedError(f"requests of the usual size are refused too ({after.told()})")
    seen = {"head_taken": taken} | ({"head_refused": refused} if refused else {})
    return Observation(taken >= _NEEDED_HEAD, f"a head of {taken} bytes is taken; {words or 'none was refused'}", seen)


async def idle_connections_last(stage: Stage) -> Observation:
    """Leave a connection idle for longer than the client does."""
    async with stage.wire.again() as wire:
        await wire.ask(PUBLIC_TIME)
        await asyncio.sleep(_IDLE)
        await wire.ask(PUBLIC_TIME)
        kept = wire.connections == 1
    words = "was used again" if kept else "was gone: a second one was made"
    return Observation(kept, f"after {_IDLE:g} s without a request the connection {words}", {"kept_idle": kept})


async def timestamp_of_25_s(stage: Stage) -> Observation:
    """Ask with a timestamp that is nearly too old."""
    reply = await stage.wire.ask(ACCOUNT_CONFIG, Twist(age=_TAKEN_AGE))
    taken = coded(reply, "0")
    return Observation(taken.held, taken.evidence, {**taken.observed, "age": _TAKEN_AGE})


async def old_timestamp(stage: Stage) -> Observation:
    """Ask with a timestamp that is too old."""
    refused = coded(await stage.wire.ask(ACCOUNT_CONFIG, Twist(age=_REFUSED_AGE)), "50102")
    return Observation(refused.held, refused.evidence, {**refused.observed, "age": _REFUSED_AGE})


async def wrong_signature(stage: Stage) -> Observation:
    """Ask with a wrong signature."""
    return coded(await stage.wire.ask(ACCOUNT_CONFIG, Twist(wrong_signature=True)), "50113")


async def body_before_signature(stage: Stage) -> Observation:
    """Send half a body under a wrong signature."""
    request = ApiRequest("POST", CLOSE_PATH, _NO_JSON, stage.instrument.inst_id)
    seen = coded(await stage.wire.ask(request, Twist(wrong_signature=True)), "50002")
    return Observation(seen.held, seen.evidence, {**seen.observed, "body_first": seen.held})


def body_of(**fields: object) -> bytes:
    """Return a body of JSON."""
    return orjson.dumps(fields)
