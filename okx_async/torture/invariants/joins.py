"""Invariants of several closes of one position by one client: which may overlap, and what joined calls are told."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

from okx_async.torture.calls import ACCEPTED, CANCELLED, REFUSED, Call
from okx_async.torture.evidence import SLACK, Evidence
from okx_async.torture.invariants.readings import TOLERANCE
from okx_async.torture.witness import Address, address_of_request


class _Span(NamedTuple):
    """One close on the wire; times are the loop's clock."""

    sent: float
    ended: float
    name: str
    kind: str
    """Whose it is: "guarded" of a flatten or a confirmed close, "joined" of calls that may be joined, or "plain"."""


def joins(evidence: Evidence) -> Iterator[str]:
    """No joined call is told of another position, or ended by the cancellation of another one."""
    for call in evidence.calls.values():
        if not call.join or call.ended is None:
            continue
        who = f"{call.name} {call.request.inst_id}"
        if call.told == CANCELLED and not call.stopped:
            yield f"{who}: cancelled, and not by its caller"
        if call.told not in {ACCEPTED, REFUSED} or (call.told == REFUSED and not call.carried):
            continue  # refused without an attempt: its API key is
        if call.told == ACCEPTED and not call.carried and _by_flatten(evidence, call):
            continue
        made = evidence.calls.get(call.carried)
        if made is None:
            yield f"{who}: told {call.told} of {call.carried!r}, which no call made"
            continue
        if address_of_request(made.request) != address_of_request(call.request):
            yield f"{who}: told {call.told} of {made.name}, which closes another position"
        executed = [row for row in evidence.rows.get(made.name, ()) if row.executed]
        if call.told == ACCEPTED and len(executed) != 1:
            yield f"{who}: told accepted of {made.name}, executed {len(executed)} times"
        # A call whose time is over is told of the last refusal; the close may go on for others.
        if call.told == REFUSED and any(row.at < call.ended - SLACK for row in executed):
            yield f"{who}: told refused ({call.words}), but {made.name} was executed"


def _by_flatten(evidence: Evidence, call: Call) -> bool:
    """Return whether a flatten of the same client had a close of the position accepted while the call was waiting."""
    address = address_of_request(call.request)
    return any(
        one.attempt.outcome.value == "accepted" and call.at <= one.ended <= (call.ended or call.at) + TOLERANCE
        for flatten in evidence.flattens.values()
        if flatten.seat == call.seat and flatten.request is None
        for one in flatten.closes.get(address, ())
    )


def overlaps(evidence: Evidence) -> Iterator[str]:
    """No close of a flatten overlaps another of its position and client, and no joined one another joined one."""
    spans: dict[tuple[int, Address], list[_Span]] = defaultdict(list)
    for call in evidence.calls.values():
        kind = "joined" if call.join else "plain"
        spans[call.seat, address_of_request(call.request)] += [_Span(*span, call.name, kind) for span in call.spans]
    for flatten in evidence.flattens.values():
        for address, closes in flatten.closes.items():
            spans[flatten.seat, address] += [
                _Span(one.sent, one.ended, flatten.name, "guarded")
                for one in closes
                if one.sent is not None and one.written
            ]
    for (seat, address), found in spans.items():
        if all(span.kind == "plain" for span in found):
            continue
        for one, other in combinations(sorted(found), 2):
            kinds = {one.kind, other.kind}
            together = other.sent < one.ended - TOLERANCE
            if together and ("guarded" in kinds or kinds == {"joined"}):
                yield (
                    f"{address.inst_id} {address.mgn_mode} {address.pos_side} at seat {seat}: {one.name} ({one.kind}) "
                    f"is on the wire until {one.ended:.6f}, and {other.name} ({other.kind}) from {other.sent:.6f}"
                )
