"""Invariants of flattens that cancel orders, against what the exchange did with the orders."""

from collections.abc import Iterator
from math import inf

from okx_async.torture.evidence import Evidence
from okx_async.torture.flatten_records import FlattenRecord
from okx_async.torture.invariants.readings import TOLERANCE, readings_of
from okx_async.torture.resting_orders import ELSEWHERE
from okx_async.torture.witness import Address


def orders(evidence: Evidence) -> Iterator[str]:
    """Orders that could open a position are cancelled or told, and what protects one goes after it."""
    for flatten in evidence.flattens.values():
        if flatten.orders:
            yield from _kept(evidence, flatten)
            yield from _told(evidence, flatten)
            yield from _looked_again(evidence, flatten)


def _kept(evidence: Evidence, flatten: FlattenRecord) -> Iterator[str]:
    """Yield each order that was cancelled before any reading did not list the position that it protects."""
    for order in flatten.orders:
        at = max(evidence.witness.cancels.get(order.id, ()), default=inf)
        if order.entry or at == inf:
            continue
        address = Address(order.inst_id, order.mgn_mode, order.pos_side, "")
        target = flatten.targets.get(address)
        if target is None:  # the position was gone before
            continue
        listings = [
            told.at_address(address)
            for told in evidence.witness.answers
            if told.at <= at and told.listing is not None and told.covers(order.inst_id)
        ]
        if not any(listed is None or listed.identity != target.identity for listed in listings):
            yield f"{flatten.name}: {order} was cancelled while every reading listed its position"


def _told(evidence: Evidence, flatten: FlattenRecord) -> Iterator[str]:
    """Yield each order of which the report tells what is not so."""
    report = flatten.report
    if report is None:
        return
    cancelled = {order.ord_id or order.algo_id for order in report.cancelled}
    left = None if report.open_orders is None else {order.ord_id or order.algo_id for order in report.open_orders}
    for order in flatten.orders:
        if not order.certain or order.id not in evidence.resting:
            continue
        if order.id in cancelled:
            yield f"{flatten.name}: {order} is told to be cancelled, and it rests"
        if left is not None and order.id not in left:
            yield f"{flatten.name}: {order} rests, and is not among the open orders"
        # Beside a position that has turned since, it is against it: it stays until all is flat.
        target = flatten.targets.get(Address(order.inst_id, order.mgn_mode, order.pos_side, ""))
        adding = order.inst_id == ELSEWHERE or (target is not None and target.side == order.side)
        if order.entry and (adding or report.flat) and not report.notes:
            yield f"{flatten.name}: {order} was not cancelled, and no note says so"


def _looked_again(evidence: Evidence, flatten: FlattenRecord) -> Iterator[str]:
    """Yield a report of flat, without a note, by readings that were begun before the last cancel was answered."""
    report, ended = flatten.report, inf if flatten.ended is None else flatten.ended
    if report is None or not report.flat or report.notes or not flatten.look_again:
        return
    cancelled = (evidence.witness.cancels.get(order.ord_id or order.algo_id, ()) for order in report.cancelled)
    # Another flatten may cancel the same orders once more, when this one has told its report.
    last = max((at for times in cancelled for at in times if at <= ended), default=-inf)
    if not any(reading.begun >= last - TOLERANCE for reading in readings_of(evidence, flatten)):
        yield f"{flatten.name}: flat, without a reading after the cancels"
