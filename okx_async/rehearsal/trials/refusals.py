"""Trials of single refusals, each while the account has nothing on the instrument."""

from typing import Final

from okx_async._models import Outcome
from okx_async._quota import Quota
from okx_async._rest.outcomes import classify
from okx_async.rehearsal.stage import NotTriedError, Observation, Stage
from okx_async.rehearsal.trials.access import body_of, coded
from okx_async.rehearsal.wire import post

NO_INSTRUMENT: Final = "NONE-OKXASYNC-SWAP"
"""An id in the right form that no exchange lists."""
_NO_ORDER: Final = "100000000000000001"
_PAST: Final = 10.0
"""Seconds since the expiry."""
_EXPIRED: Final = ("50036", "50037")
_CANCELS: Final = Quota(15, 2.0)


async def closing_nothing(stage: Stage) -> Observation:
    """Close where nothing is open."""
    return coded(await stage.close_nothing(), "51023")


async def unknown_instrument(stage: Stage) -> Observation:
    """Close an instrument that does not exist."""
    return coded(await stage.close(inst_id=NO_INSTRUMENT), "51001")


async def wrong_side(stage: Stage) -> Observation:
    """Name the side that does not belong to the position mode."""
    return coded(await stage.close_nothing(posSide=None if stage.account.two_sided else "long"), "51000")


async def empty_parameters(stage: Stage) -> Observation:
    """Send empty parameters; they should make no difference."""
    without = await stage.close_nothing()
    reply = await stage.close_nothing(tag="", ccy="")
    same = reply.code == without.code
    return Observation(same, f"answered {reply.told()}, without them {without.told()}", {"empty_is_absent": same})


async def auto_cxl_as_text(stage: Stage) -> Observation:
    """Send autoCxl as a text."""
    seen = coded(await stage.close_nothing(autoCxl="true"), "51000")
    taken = not seen.held  # nothing is open: another refusal came past the check of its form
    return Observation(taken, seen.evidence, {**seen.observed, "lenient_booleans": taken})


async def expired_order(stage: Stage) -> Observation:
    """Place an order whose expiry is past."""
    _, reply = await stage.place("buy", expires=-_PAST)
    seen = coded(reply, *_EXPIRED)
    if not seen.held and classify(reply.answer) is not Outcome.ACCEPTED:
        raise NotTriedError(f"answered {reply.told()}, which says nothing of its expiry")
    return Observation(seen.held, seen.evidence, {**seen.observed, "heeds_exp_time": seen.held})


async def unknown_order(stage: Stage) -> Observation:
    """Look an order up that was never placed."""
    return coded(await stage.order_of(stage.new_id()), "51603")


async def cancel_of_nothing(stage: Stage) -> Observation:
    """Cancel an order that does not exist, in a batch of one."""
    inst_id = stage.instrument.inst_id
    body = b"[%s]" % body_of(instId=inst_id, ordId=_NO_ORDER)
    reply = await stage.wire.ask(
        post("trade/cancel-batch-orders", body, f"trade/cancel-batch-orders {inst_id}", _CANCELS)
    )
    seen = coded(reply, "51400")
    itemized = bool(reply.data) and reply.data[0].get("sCode") == "51400"
    return Observation(
        seen.held and itemized, f"{seen.evidence}, {'in' if itemized else 'not in'} its item", seen.observed
    )
