"""Trials of closes: each opens the smallest position and ends flat."""

import asyncio
from decimal import Decimal
from typing import Final

from okx_async._errors import OutcomeUnknownError
from okx_async._models import ClosePosition
from okx_async._quota import Quota
from okx_async.rehearsal.stage import NotTriedError, Observation, Stage, check_refused
from okx_async.rehearsal.trials.access import coded
from okx_async.rehearsal.trials.refusals import NO_INSTRUMENT
from okx_async.rehearsal.wire import Reply, get

GOES_FLAT: Final = "accepted-close-goes-flat"
LONGEST: Final = 10.0
"""Seconds from code 0 until a position must be gone."""
_PATIENCE: Final = 25.0
"""Seconds for a close, where the trial is about another thing than its time."""
_STAND_STILL: Final = 0.5
_FAR: Final = Decimal("1.02")
"""Times the price: where an order rests and is still within the price limits."""
_NOTHING_THERE: Final = frozenset({"51023", "51043", "51169"})
_PENDING_ORDERS: Final = "51115"
_NOTHING_DONE: Final = frozenset({"51023", "51032", "51342", "51169", "51043"})
_PENDING: Final = Quota(60, 2.0)


async def accepted_close_goes_flat(stage: Stage) -> Observation:
    """Measure the time from an accepted close to the first reading without the position."""
    await stage.open()
    reply = await stage.close()
    if reply.code != "0":
        return Observation.against(f"the close was refused ({reply.told()})", {"code": reply.code})
    gone = await stage.until(lambda here: not here, LONGEST)
    if gone is None:
        for one in await stage.held():
            if abs(one.pos) > stage.instrument.min_sz:
                raise NotTriedError(f"another program has traded the instrument meanwhile: {one.pos} is open")
        return Observation.against(f"still listed {LONGEST:g} s after code 0")
    delay = round(gone - reply.received, 3)
    return Observation.confirms(f"gone at most {delay:g} s after code 0", {"fill_delay": delay})


async def echo_names_the_side(stage: Stage) -> Observation:
    """Look at the side in the answer to a close."""
    opened = await stage.open()
    reply, _ = await stage.close_and_prove()
    echo = reply.data[0].get("posSide") if reply.data else None
    return Observation(echo == opened.pos_side, f"the answer names the side {echo!r}", {"pos_side": str(echo)})


async def wrong_margin_mode(stage: Stage) -> Observation:
    """Close the isolated position while the cross one is open."""
    await stage.open()
    reply = await _close_isolated(stage)
    here = await stage.held()
    seen = coded(reply, "51023")
    left = "is still open" if here else "is gone"
    return Observation(seen.held and bool(here), f"{seen.evidence}; the cross position {left}", seen.observed)


async def resting_close_order(stage: Stage) -> Observation:
    """Close while a reduce-only order rests."""
    await _open_with_order(stage)
    seen = coded(await stage.close(), "51115")
    here = await stage.held()
    return Observation(
        seen.held and bool(here),
        f"{seen.evidence}; the position {'is still open' if here else 'is gone'}",
        seen.observed,
    )


async def position_before_orders(stage: Stage) -> Observation:
    """Close the isolated position while the cross one is open, and a reduce-only order of it rests."""
    await _open_with_order(stage)
    reply = await _close_isolated(stage)
    code = reply.code.partition("_")[0]
    if code not in {*_NOTHING_THERE, _PENDING_ORDERS}:
        raise NotTriedError(f"answered {reply.told()}, which names neither")
    order = ("orders", "position") if code == _PENDING_ORDERS else ("position", "orders")
    seen = {"code": code, "close_checks": " ".join(order)}
    return Observation(code != _PENDING_ORDERS, f"answered {reply.told()}", seen)


async def auto_cxl_cancels_first(stage: Stage) -> Observation:
    """Close while a reduce-only order rests, and have it cancelled."""
    cl_ord_id = await _open_with_order(stage)
    reply = await stage.close(autoCxl=True)
    if reply.code != "0":
        return Observation.against(f"answered {reply.told()}", {"code": reply.code})
    gone = await stage.until(lambda here: not here, _PATIENCE)
    inst_id = stage.instrument.inst_id
    pending = await stage.wire.ask(get(f"trade/orders-pending?instId={inst_id}", "trade/orders-pending", _PENDING))
    rests = any(order.get("clOrdId") == cl_ord_id for order in pending.data)
    words = f"the position is {'still there' if gone is None else 'gone'}, the order {'rests' if rests else 'is gone'}"
    return Observation(gone is not None and not rests and pending.code == "0", words)


async def close_carries_its_id(stage: Stage) -> Observation:
    """Look the order of a close up by the clOrdId of the close."""
    await stage.open()
    cl_ord_id = stage.new_id()
    await stage.close_and_prove(clOrdId=cl_ord_id)
    reply = await stage.order_of(cl_ord_id)
    state = reply.data[0].get("state") if reply.code == "0" and reply.data else None
    return Observation(state == "filled", f"trade/order answered {reply.told()}, state {state}", {"code": reply.code})


async def ended_id_again(stage: Stage) -> Observation:
    """Close two positions, one after the other, under one clOrdId."""
    cl_ord_id = stage.new_id()
    await stage.open()
    await stage.close_and_prove(clOrdId=cl_ord_id)
    await stage.open()
    return coded(await stage.close(clOrdId=cl_ord_id), "0")


async def overlapping_closes(stage: Stage) -> Observation:
    """Send two closes of one position at the same moment."""
    await stage.open()
    replies = await asyncio.gather(stage.close(), stage.close())
    codes = sorted(reply.code.partition("_")[0] for reply in replies)
    gone = await stage.until(lambda here: not here, _PATIENCE)
    await asyncio.sleep(_STAND_STILL)
    after = await stage.held()
    held = "0" in codes and set(codes) <= {"0", *_NOTHING_DONE} and gone is not None and not after
    left = f"left {after[0].pos}" if after else "left nothing"
    return Observation(held, f"answered {' and '.join(codes)}, {left}", {"codes": " ".join(codes)})


async def sides_apart(stage: Stage) -> Observation:
    """Close the long side while the short one is open."""
    if not stage.account.two_sided:
        raise NotTriedError("the account is in net mode, which has no sides")
    await stage.open("buy")
    await stage.open("sell")
    reply = await stage.close(posSide="long")
    gone = await stage.until(lambda here: all(one.pos_side != "long" for one in here), _PATIENCE)
    await asyncio.sleep(_STAND_STILL)
    sides = [one.pos_side for one in await stage.held()]
    held = reply.code == "0" and gone is not None and sides == ["short"]
    return Observation(held, f"answered {reply.told()}, afterwards open: {', '.join(sides) or 'nothing'}")


async def confirm_proves_flat(stage: Stage) -> Observation:
    """Close with a proof."""
    opened = await stage.open()
    inst_id, side = stage.instrument.inst_id, None if opened.pos_side == "net" else opened.pos_side
    try:
        closed = await stage.client.close_position(inst_id, "cross", pos_side=side, confirm=True)
    except OutcomeUnknownError as error:
        return Observation.against(f"not proven: {error.code or 'no code'}")
    here = await stage.held()
    return Observation(closed.flat and not here, f"proven flat, then {'listed again' if here else 'not listed'}")


async def batch_closes(stage: Stage) -> Observation:
    """Close in a batch, beside a leg that must fail."""
    opened = await stage.open()
    side = None if opened.pos_side == "net" else opened.pos_side
    legs = [ClosePosition(NO_INSTRUMENT, "cross"), ClosePosition(stage.instrument.inst_id, "cross", side)]
    failed, closed = await stage.client.close_positions(legs)
    gone = await stage.until(lambda here: not here, _PATIENCE)
    told = "accepted" if closed.ok else f"failed ({closed.error.code if closed.error else ''})"
    held = closed.ok and not failed.ok and gone is not None
    return Observation(held, f"the leg of the position {told}; it is {'still there' if gone is None else 'gone'}")


async def flatten_proves_flat(stage: Stage) -> Observation:
    """Flatten the instrument."""
    await stage.open()
    report = await stage.client.flatten([stage.instrument.inst_id], deadline=20.0)
    states = ", ".join(row.state.value for row in report.rows) or "no row"
    here = await stage.held()
    return Observation(report.flat and bool(report.rows) and not here, f"flat={report.flat}: {states}")


async def _close_isolated(stage: Stage) -> Reply:
    """Close the isolated position, of which there is none."""
    reply = await stage.close(mgnMode="isolated")
    await asyncio.sleep(_STAND_STILL)
    if reply.code == "0" and await stage.until(lambda here: not here, LONGEST) is None:
        check_refused(reply, stage.instrument.inst_id)  # it has closed something, and not what the trial had opened
    return reply


async def _open_with_order(stage: Stage) -> str:
    """Open a position and rest a closing order beside it; return the order's clOrdId."""
    position = (await stage.open()).position
    price = position.mark_px or position.avg_px if position else None
    if not price:
        raise NotTriedError("the position is listed without a price")
    tick = stage.instrument.tick_sz
    return await stage.rest(f"{(price * _FAR // tick * tick).normalize():f}")
