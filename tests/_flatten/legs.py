"""Closes and readings of a leg, in one call each."""

from okx_async import Attempt, ClosePosition, FlattenState, OkxError, Outcome, Position, RejectedError
from okx_async._flatten.guard import Reading
from okx_async._flatten.leg import Leg


def attempt(outcome: Outcome) -> Attempt:
    return Attempt(ClosePosition("BTC-USDT-SWAP", "cross"), None, 0.0, 1.0, 2.0, "", 200, outcome, "settled")


def close(leg: Leg, outcome: Outcome, now: float, *, code: str = "", draw: float = 1.0) -> None:
    """Send a close that ends with this outcome."""
    error: OkxError | None = None if outcome is Outcome.ACCEPTED else RejectedError(code, code=code)
    leg.close_started()
    leg.answered(outcome, error, (attempt(outcome),), now, draw)


def read(leg: Leg, at: float, *listed: Position) -> bool:
    return leg.observe(Reading(at, listed), at)


def state(leg: Leg, *, wanted: bool = True) -> FlattenState:
    return leg.state(lambda _: wanted)
