"""Trials of rate limits: closes of nothing, more than the limit allows, on instruments where the account has nothing.

One experiment answers most of them. It exhausts the limit in the middle of a window of the server's clock, where a
window that is fixed ends after about 1 s and one that slides after 2 s.
"""

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from okx_async._quota import Quota
from okx_async._rest.requests import CLOSE_PATH, ApiRequest, positions
from okx_async.rehearsal.stage import MisfiredError, NotTriedError, Observation, Stage, check_refused
from okx_async.rehearsal.trials.access import body_of, coded
from okx_async.rehearsal.wire import Reply, Twist, get

_LIMIT: Final = 20
_PER: Final = 2.0
_REFUSED: Final = "50011"
_NOTHING_THERE: Final = frozenset({"51023", "51043", "51169"})
_STRAIGHT: Final = Twist()
_UNCOUNTED: Final = Twist(uncounted=True)
_MIDDLE: Final = 1.0
"""Seconds into a window of the server's clock."""
_BETWEEN: Final = 1.5
"""Seconds after a burst that tell a fixed window, which ends after 1 s, from a sliding one, which ends after 2 s."""
_PROBES: Final = 0.15
_QUIET: Final = 4.1
"""Seconds after which nothing that was sent before can matter, whatever the window."""
_FAMILIES: Final = ("BTC-USD", "ETH-USD")
_INSTRUMENTS: Final = Quota(20, 2.0)


@dataclass(frozen=True, slots=True)
class _Burst:
    """What the experiment has seen; times are the loop's."""

    codes: tuple[str, ...]
    """Of the first twenty requests."""
    next: Reply
    """The one after them."""
    wrongly_signed: Reply
    malformed: Reply
    """Of a close with a wrong parameter."""
    elsewhere: Reply | None
    """Of another instrument."""
    room: float | None
    """Seconds from the first request to the first one that passed again."""


async def twenty_first_close(stage: Stage) -> Observation:
    """Count how many closes pass."""
    burst = await _burst(stage)
    refused = burst.codes.count(_REFUSED)
    if refused:
        return Observation.against(f"of {_LIMIT} closes {refused} were refused for rate", {"limit": _LIMIT - refused})
    seen = coded(burst.next, _REFUSED)
    return Observation(seen.held, f"{_LIMIT} passed, the next one was {seen.evidence}", seen.observed)


async def window_is_sliding(stage: Stage) -> Observation:
    """Tell from the time at which there is room again."""
    burst = await _exhausted(stage)
    if burst.room is None:
        return Observation.against("no room within 4 s of the first request")
    kind = "sliding" if burst.room > _BETWEEN else "fixed"
    words = f"room again {burst.room:.2f} s after the first request"
    return Observation(kind == "sliding", words, {"window": kind, "room_after": round(burst.room, 3)})


async def refused_requests_count(stage: Stage) -> Observation:
    """Be refused as often as the limit allows, and see whether that moves the end of the window."""
    burst = await _exhausted(stage)
    if burst.room is not None and burst.room <= _BETWEEN:
        raise NotTriedError("the window is fixed: what is refused in it cannot matter after it")
    await asyncio.sleep(_QUIET)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await _many(stage, _LIMIT)
    await asyncio.sleep(max(0.0, began + 1.2 - loop.time()))
    again = await _many(stage, _LIMIT)
    if any(reply.code != _REFUSED for reply in again):
        raise NotTriedError("the limit could not be kept exhausted")
    await asyncio.sleep(max(0.0, began + _PER + 0.3 - loop.time()))
    probe = await stage.close_nothing(_UNCOUNTED)
    if probe.sent - again[0].sent >= _PER - 0.3:
        raise NotTriedError("answers took too long")
    counts = probe.code == _REFUSED
    words = f"2.3 s after {_LIMIT} that passed, 1.1 s after {_LIMIT} that were refused, one is answered {probe.told()}"
    await _rest(stage)
    return Observation(counts, words, {"count_rejected": counts})


async def signature_before_rate(stage: Stage) -> Observation:
    """Send a wrong signature while the limit is exhausted."""
    reply = (await _exhausted(stage)).wrongly_signed
    rate_first = reply.code == _REFUSED
    return Observation(not rate_first, f"answered {reply.told()}", {"code": reply.code, "rate_first": rate_first})


async def limit_before_parameters(stage: Stage) -> Observation:
    """Send a wrong parameter while the limit is exhausted."""
    reply = (await _exhausted(stage)).malformed
    form_first = reply.code != _REFUSED
    return Observation(not form_first, f"answered {reply.told()}", {"code": reply.code, "form_first": form_first})


async def instruments_apart(stage: Stage) -> Observation:
    """Close nothing of another instrument while the limit of the first one is exhausted."""
    reply = (await _exhausted(stage)).elsewhere
    if reply is None:
        raise NotTriedError("there is no other instrument on which the account has nothing")
    return Observation(reply.code != _REFUSED, f"another instrument answered {reply.told()}", {"code": reply.code})


async def options_by_family(stage: Stage) -> Observation:
    """Close nothing of several options of one family."""
    await _as_assumed(stage)
    inst_ids = await _options(stage)
    replies = await _together(_close_option(stage, inst_id, _UNCOUNTED) for inst_id in inst_ids[:_LIMIT])
    codes = [reply.code for reply in replies]
    last = await _close_option(stage, inst_ids[-1], _UNCOUNTED)
    await stage.wire.block(_nothing(inst_ids[0]), _QUIET)
    if _REFUSED in codes:
        return Observation.against(f"of {_LIMIT} closes {codes.count(_REFUSED)} were refused for rate")
    evidence = f"after {_LIMIT} closes of options, one of another option of the family is answered {last.told()}"
    return Observation(last.code == _REFUSED, evidence, {"options_by_family": last.code == _REFUSED})


async def hosts_share_one_limit(stage: Stage) -> Observation:
    """Exhaust the limit at two hosts in turn."""
    if not stage.other_base_url:
        raise NotTriedError("no other name of this host is known")
    await _as_assumed(stage)
    await _align(stage)
    there = Twist(uncounted=True, base_url=stage.other_base_url)
    half = _LIMIT // 2
    await _together(stage.close_nothing(twist) for twist in (_UNCOUNTED, there) for _ in range(half))
    last = [await stage.close_nothing(there), await stage.close_nothing(_UNCOUNTED)]
    await _rest(stage)
    shared = all(reply.code == _REFUSED for reply in last)
    words = " and ".join(reply.told() for reply in last)
    return Observation(shared, f"after {half} closes at each of two hosts, one more at each is answered {words}")


async def _exhausted(stage: Stage) -> _Burst:
    burst = await _burst(stage)
    if burst.next.code != _REFUSED:
        raise NotTriedError(f"the limit was not exhausted by {_LIMIT} closes ({burst.next.told()})")
    return burst


async def _as_assumed(stage: Stage) -> None:
    """Raise NotTriedError unless exactly twenty closes pass: with another limit their number says nothing of others."""
    burst = await _exhausted(stage)
    if refused := burst.codes.count(_REFUSED):
        raise NotTriedError(f"the limit is another one: of {_LIMIT} closes {refused} were refused for rate")


async def _burst(stage: Stage) -> _Burst:
    """Make the experiment, once for all trials."""
    if "burst" not in stage.notes:
        stage.notes["burst"] = await _experiment(stage)
    found: _Burst = stage.notes["burst"]
    return found


async def _experiment(stage: Stage) -> _Burst:
    loop = asyncio.get_running_loop()
    if (await stage.close_nothing()).code == _REFUSED:
        raise NotTriedError("another program exhausts the limit of this instrument")
    other = await _other(stage)
    await _many(stage, _LIMIT)  # opens the connections: requests over new ones arrive too far apart
    await _align(stage)
    first = await _many(stage, _LIMIT)
    began = min((reply.sent + reply.received) / 2 for reply in first)
    following = await stage.close_nothing(_UNCOUNTED)
    wrongly_signed = await stage.close_nothing(Twist(uncounted=True, wrong_signature=True))
    malformed = await stage.close_nothing(_UNCOUNTED, mgnMode="none")
    elsewhere = await stage.close_nothing(inst_id=other) if other else None
    room = None
    while following.code == _REFUSED and loop.time() - began < 2 * _PER:
        probe = await stage.close_nothing(_UNCOUNTED)
        if probe.code != _REFUSED:
            room = (probe.sent + probe.received) / 2 - began
            break
        await asyncio.sleep(_PROBES)
    await _rest(stage)
    return _Burst(tuple(reply.code for reply in first), following, wrongly_signed, malformed, elsewhere, room)


async def _other(stage: Stage) -> str | None:
    """Return another instrument on which the account has nothing, by a reading of this moment."""
    if stage.other is None:
        return None
    held = await stage.reading(everything=True)
    taken = {record.get("instId") for record in held.data}
    return None if held.code != "0" or stage.other.inst_id in taken else stage.other.inst_id


async def _align(stage: Stage) -> None:
    """Wait until nothing sent before can matter, and then for the middle of a window of the server's clock."""
    await asyncio.sleep(_QUIET)
    await asyncio.sleep((_MIDDLE - stage.wire.now()) % _PER)


async def _many(stage: Stage, number: int) -> Sequence[Reply]:
    return await _together(stage.close_nothing(_UNCOUNTED) for _ in range(number))


async def _together(closes: Iterable[Coroutine[Any, Any, Reply]]) -> list[Reply]:
    """Send closes at once; raise the error of one of them only after all have ended."""
    ended = await asyncio.gather(*closes, return_exceptions=True)
    failed = [one for one in ended if isinstance(one, BaseException)]
    for error in sorted(failed, key=lambda one: not isinstance(one, MisfiredError)):
        raise error
    return [one for one in ended if not isinstance(one, BaseException)]


async def _close_option(stage: Stage, inst_id: str, twist: Twist = _STRAIGHT) -> Reply:
    reply = await stage.wire.ask(_nothing(inst_id), twist)
    check_refused(reply, inst_id)
    return reply


async def _rest(stage: Stage) -> None:
    """Tell the limiter that the exchange has counted more than it knows."""
    await stage.wire.block(_nothing(stage.instrument.inst_id), _QUIET)


def _nothing(inst_id: str) -> ApiRequest:
    return ApiRequest("POST", CLOSE_PATH, body_of(instId=inst_id, mgnMode="cross"), inst_id)


async def _options(stage: Stage) -> list[str]:
    """Return more options of one family than the limit has requests, on which the account has nothing."""
    held = await stage.wire.ask(positions(None))
    if held.code != "0":
        raise NotTriedError(f"positions could not be read ({held.told()})")
    taken = {str(record.get("instId")) for record in held.data}
    if any(inst_id.count("-") > 2 for inst_id in taken):  # noqa: PLR2004 - an option's id has four
        raise NotTriedError("the account has options, which stay untouched")
    for family in _FAMILIES:
        path = f"public/instruments?instType=OPTION&instFamily={family}"
        listed = await stage.wire.ask(get(path, "public/instruments/OPTION", _INSTRUMENTS, signed=False))
        inst_ids = [str(record.get("instId")) for record in listed.data if record.get("state") == "live"]
        if len(inst_ids) > 1:
            several = (inst_ids * _LIMIT)[:_LIMIT]
            one = await _close_option(stage, inst_ids[0])
            if one.code.partition("_")[0] not in _NOTHING_THERE:
                raise NotTriedError(f"a close of an option is answered {one.told()}")
            await _align(stage)
            return [*several, inst_ids[-1] if inst_ids[-1] not in several else inst_ids[0]]
    raise NotTriedError("no options are listed")
