"""Trials of the records of positions: what they name, when they appear, what becomes of them."""

import asyncio
from typing import Final

from okx_async._models import Position
from okx_async._quota import Quota
from okx_async._rest.records import positions as read_records
from okx_async.rehearsal.stage import PAUSES, NotTriedError, Observation, Stage
from okx_async.rehearsal.wire import get

_HISTORY: Final = Quota(10, 2.0)
_LONGEST: Final = 10.0
_CLOSED: Final = "2"


async def positions_can_be_read(stage: Stage) -> Observation:
    """Decode the record of a position that was just opened."""
    opened = await stage.open(listed=False)
    await stage.until(bool, _LONGEST)  # a record that cannot be read is told below
    listing = read_records((await stage.reading()).answer)
    here = [one for one in listing.positions if one.inst_id == stage.instrument.inst_id and one.pos != 0]
    if listing.unreadable:
        return Observation.against(f"cannot be read: {listing.unreadable[0].reason}")
    if len(here) != 1:
        return Observation.against(f"one position was opened, {len(here)} are listed")
    found = here[0]
    wrong = [
        name
        for name, right in (
            ("pos", found.pos == stage.instrument.min_sz),
            ("posSide", found.pos_side == opened.pos_side),
            ("mgnMode", found.mgn_mode == "cross"),
            ("posId", bool(found.pos_id)),
            ("cTime", found.c_time > 0),
            ("uTime", found.u_time >= found.c_time),
        )
        if not right
    ]
    return Observation(not wrong, f"wrong: {', '.join(wrong)}" if wrong else "decoded, as it was opened")


async def filled_order_is_listed(stage: Stage) -> Observation:
    """Read once, after the order was told to be filled."""
    opened = await stage.open(listed=False)
    if await stage.held():
        return Observation.confirms("listed by the first reading", {"positions_lag": 0.0})
    seen = await stage.until(bool, _LONGEST)
    lag = None if seen is None else round(seen - opened.filled, 3)
    words = f"not within {_LONGEST:g} s" if lag is None else f"{lag:g} s after its order was told to be filled"
    return Observation.against(f"listed {words}", {} if lag is None else {"positions_lag": lag})


async def flat_is_left_out(stage: Stage) -> Observation:
    """Read everything after a close."""
    await stage.open()
    await stage.close_and_prove()
    records = await stage.records(everything=True)
    open_ones = [record for record in records if str(record.get("pos")).strip("-0.")]
    words = "left out" if not records else "listed with pos 0" if not open_ones else "listed as open"
    return Observation(not open_ones, words, {"flat_in_whole_list": bool(records)})


async def flat_is_listed_by_name(stage: Stage) -> Observation:
    """Read the instrument after a close."""
    opened = await stage.open()
    await stage.close_and_prove()
    records = [record for record in await stage.records() if record.get("posSide") == opened.pos_side]
    words = "listed" if records else "not listed"
    return Observation(bool(records), f"the closed position is {words} by instId", {"flat_by_name": bool(records)})


async def pos_id_outlives_a_close(stage: Stage) -> Observation:
    """Compare posId before a close and after the next opening."""
    first, second = await _reopen(stage)
    same = first.pos_id == second.pos_id
    return Observation(same, f"posId is {'the same' if same else 'another one'}", {"pos_id_stays": same})


async def c_time_is_new(stage: Stage) -> Observation:
    """Compare cTime before a close and after the next opening."""
    first, second = await _reopen(stage)
    new = second.c_time != first.c_time
    words = f"cTime is {'later by' if new else 'the same, by'} {(second.c_time - first.c_time) / 1000:g} s"
    return Observation(new, words, {"c_time_is_new": new})


async def c_time_after_a_turn(stage: Stage) -> Observation:
    """Compare cTime before and after an order that turns a position."""
    if stage.account.two_sided:
        raise NotTriedError("the account is in long/short mode, where no position turns")
    before = await _opened(stage, "buy")
    after = await _opened(stage, "sell", times=2)
    new = after.c_time != before.c_time
    return Observation(new, f"cTime is {'another one' if new else 'the same'}", {"flip_keeps_c_time": not new})


async def history_names_the_period(stage: Stage) -> Observation:
    """Ask for the history of a position that was just closed."""
    position = await _opened(stage)
    await stage.close_and_prove()
    loop = asyncio.get_running_loop()
    began, tries = loop.time(), 0
    path = f"account/positions-history?instId={position.inst_id}&posId={position.pos_id}"
    while True:
        reply = await stage.wire.ask(get(path, "account/positions-history", _HISTORY))
        types = [record.get("type") for record in reply.data if record.get("cTime") == str(position.c_time)]
        if _CLOSED in types:
            late = round(loop.time() - began, 3)
            return Observation.confirms(f"listed at most {late:g} s after it was seen flat", {"history_lag": late})
        if loop.time() - began > _LONGEST:
            return Observation.against(f"not listed within {_LONGEST:g} s ({reply.told()}, types {types})")
        await asyncio.sleep(PAUSES[min(tries, len(PAUSES) - 1)])
        tries += 1


async def _opened(stage: Stage, side: str = "buy", *, times: int = 1) -> Position:
    """Open, and return the position as it is listed."""
    position = (await stage.open(side, times=times)).position
    if position is None:
        raise AssertionError("open waits for the listing")
    return position


async def _reopen(stage: Stage) -> tuple[Position, Position]:
    """Open, close and open again; return both positions, of an earlier trial if there was one."""
    if "reopened" not in stage.notes:
        first = await _opened(stage)
        await stage.close_and_prove()
        stage.notes["reopened"] = first, await _opened(stage)
    found: tuple[Position, Position] = stage.notes["reopened"]
    return found
