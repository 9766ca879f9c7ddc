"""Events that happen to the positions of a scene, by other traders or by faults of the exchange, as a table.

One of them makes a reading false: it is empty once although a position is open.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Literal, TypeAlias

from okx_async import MgnMode, PosSide
from okx_async.simulator import Account
from okx_async.torture.mishaps import HELD, LIE
from okx_async.torture.stage import Stage


@dataclass(frozen=True, slots=True)
class ScenePosition:
    """One position of a scene."""

    account: Account
    inst_id: str
    mgn_mode: MgnMode
    pos_side: PosSide
    pos: int

    @property
    def address(self) -> dict[str, Any]:
        """The arguments by which the exchange's methods address the position."""
        return {"mgn_mode": self.mgn_mode, "pos_side": self.pos_side, "account": self.account}

    def sized(self, rng: Random) -> int:
        """Return another size, mostly on the same side."""
        size = rng.randrange(1, 9)
        if self.pos_side != "net" or self.inst_id.count("-") == 1:
            return size
        return size if (self.pos > 0) is (rng.random() < 0.7) else -size


PositionEvent: TypeAlias = Callable[[Stage, Random, ScenePosition], str]


# --- other traders ---


def _moment(rng: Random) -> dict[str, Any]:
    """Return a moment: after a while, or a while after a request to close."""
    if rng.random() < 0.4:
        return {"after": rng.uniform(0.0, 4.0)}
    return {
        "on_close": rng.choice((1, 1, 1, 2)),
        "after": rng.choice((0.0, rng.uniform(0.0, 0.3), rng.uniform(0.0, 3.5))),
    }


def _reopened(stage: Stage, rng: Random, position: ScenePosition) -> str:
    pos, moment = position.sized(rng), _moment(rng)
    stage.exchange.reopen(
        position.inst_id, pos, position.mgn_mode, position.pos_side, account=position.account, **moment
    )
    return f"another trader reopens it as {pos}: {moment}"


def _gone(stage: Stage, rng: Random, position: ScenePosition) -> str:
    moment = _moment(rng)
    stage.exchange.reopen(position.inst_id, 0, position.mgn_mode, position.pos_side, account=position.account, **moment)
    return f"another trader closes it first: {moment}"


def _traded(stage: Stage, rng: Random, position: ScenePosition) -> str:
    """Trade in the position several times: it grows, shrinks or turns."""
    times = sorted(rng.uniform(0.0, 5.0) for _ in range(rng.choice((1, 2, 2, 4))))
    for seconds in times:
        stage.loop.call_later(seconds, _trade, stage, position, position.sized(rng))
    return f"another trader trades in it after {', '.join(f'{seconds:.2f}' for seconds in times)} s"


def _turned(stage: Stage, rng: Random, position: ScenePosition) -> str:
    """Turn the position in one trade, and back; the exchange may keep its creation time."""
    at, back = rng.uniform(0.0, 1.5), rng.choice((rng.uniform(0.05, 0.4), rng.uniform(0.5, 3.0)))
    pos = position.pos if position.pos_side == "net" and position.inst_id.endswith("SWAP") else 0
    stage.loop.call_later(at, _trade, stage, position, -pos)
    stage.loop.call_later(at + back, _trade, stage, position, position.pos)
    return f"turned after {at:.2f} s, and back after {back:.2f} s more"


def _trade(stage: Stage, position: ScenePosition, pos: int) -> None:
    stage.exchange.open_position(position.inst_id, pos, **position.address)


def _forced(stage: Stage, rng: Random, position: ScenePosition) -> str:
    kind: Literal["liquidation", "adl"] = rng.choice(("liquidation", "adl"))
    moment = _moment(rng)
    part, seconds = rng.choice((1.0, 1.0, 0.5, 0.0)), rng.choice((0.0, 0.5, 4.0))
    code = rng.choice((None, None, None, "50009", "50019"))
    stage.exchange.force_close(
        position.inst_id,
        position.mgn_mode,
        position.pos_side,
        kind=kind,
        code=code,
        seconds=seconds,
        part=part,
        account=position.account,
        **moment,
    )
    return f"{kind} of {part:g} of it, {seconds:g} s: {moment}"


def _ordered(stage: Stage, rng: Random, position: ScenePosition) -> str:
    algo = rng.choice(("", "conditional", "oco", "trigger", "move_order_stop"))
    where: Any = {"mgn_mode": position.mgn_mode, "pos_side": position.pos_side, "account": position.account}
    if algo:
        stage.exchange.add_algo_order(position.inst_id, algo, **where)
    else:
        stage.exchange.add_pending_order(position.inst_id, **where)
    return f"an order rests on it: {algo or 'limit'}"


# --- faults of the exchange ---

_UNKNOWN = (
    *("50004", "50026", "51149", "a code of tomorrow", "code 0 under 500", "HTML 502", "HTML 504", "plain 429"),
    *("cut JSON", "empty 200", "hang-up", "reset", "hang-up in the body", "headers, then nothing"),
)
_REFUSED = ("50001", "51030", "50011", "51113", "51023", "51023", "51032", "51032", "50020", "51115", "51000")
_EARLY = ("HTML 502 early", "hang-up early", "HTML 403 early")
_DUST = ("51020", "51120", "51121", "51132")


def _doubtful(stage: Stage, rng: Random, position: ScenePosition) -> str:
    kind, executed, times = rng.choice(_UNKNOWN), rng.random() < 0.5, rng.choice((1, 1, 2))
    stage.exchange.inject(kind, inst_id=position.inst_id, executed=executed, times=times)
    return f"{kind}, {times} times, {'' if executed else 'not '}executed"


def _refused(stage: Stage, rng: Random, position: ScenePosition) -> str:
    code, times = rng.choice(_REFUSED), rng.choice((1, 1, 2, 4))
    stage.exchange.inject(code=code, inst_id=position.inst_id, times=times)
    return f"refused {times} times: {code}"


def _missed(stage: Stage, rng: Random, position: ScenePosition) -> str:
    times = rng.choice((1, 6, 6))
    stage.exchange.inject(code="51023", inst_id=position.inst_id, times=times)
    return f"not found {times} times"


def _early(stage: Stage, rng: Random, position: ScenePosition) -> str:
    kind = rng.choice(_EARLY)
    stage.exchange.inject(kind, inst_id=position.inst_id)
    return kind


def _held(stage: Stage, rng: Random, position: ScenePosition) -> str:
    after = rng.uniform(0.0, stage.plan.spare)
    stage.exchange.inject(HELD, forwarded=after, inst_id=position.inst_id)
    return f"a proxy gives up on its close, and sends it on {after:.3f} s later"


def _dust(stage: Stage, rng: Random, position: ScenePosition) -> str:
    code, after = rng.choice(_DUST), rng.choice((0, 0, 1))
    stage.exchange.inject(code=code, inst_id=position.inst_id, times=None, after=after)
    if after:  # what is left of it is too small
        stage.exchange.inject("half filled", inst_id=position.inst_id)
    return f"dust after {after} closes: {code}"


def _partly(stage: Stage, rng: Random, position: ScenePosition) -> str:
    kind, times = rng.choice(("half filled", "half filled", "never filled")), rng.choice((1, 2, 4))
    stage.exchange.inject(kind, inst_id=position.inst_id, times=times)
    return f"{kind}, {times} times"


# --- faults of readings ---

_READINGS = ("positions hang up", "positions cut", "positions refused for rate", "positions slow")


def _lied(stage: Stage, rng: Random, position: ScenePosition) -> str:
    after = rng.choice((0, 1, 1, 2, 2, 3))
    stage.exchange.inject(LIE, user_id=position.account.user_id, after=after)
    return f"positions are empty once, after {after} readings"


def _unread(stage: Stage, rng: Random, position: ScenePosition) -> str:
    kind, after, times = rng.choice(_READINGS), rng.choice((0, 1, 1, 2)), rng.choice((1, 1, 3))
    stage.exchange.inject(kind, user_id=position.account.user_id, after=after, times=times)
    return f"{kind}, {times} times after {after} readings"


def _blind(stage: Stage, rng: Random, position: ScenePosition) -> str:
    code, times = rng.choice(("50001", "51030")), rng.choice((3, 8))
    stage.exchange.inject(code=code, inst_id=position.inst_id)
    stage.exchange.inject(rng.choice(_READINGS), user_id=position.account.user_id, after=1, times=times)
    return f"{code} once, and after one reading {times} fail"


def _barred(stage: Stage, rng: Random, position: ScenePosition) -> str:
    code, seconds = rng.choice(("50027", "51024", "50009")), rng.uniform(0.5, 6.0)
    account = position.account
    account.refusal = code

    def over() -> None:
        account.refusal = ""

    stage.loop.call_later(seconds, over)
    return f"the account's closes are refused for {seconds:.2f} s: {code}"


# What happens to a position, and its weight among the others.
EVENTS: dict[str, tuple[int, PositionEvent]] = {
    "reopened": (8, _reopened),
    "gone": (3, _gone),
    "traded": (3, _traded),
    "turned": (8, _turned),
    "forced": (3, _forced),
    "ordered": (2, _ordered),
    "doubtful": (8, _doubtful),
    "refused": (6, _refused),
    "missed": (6, _missed),
    "early": (2, _early),
    "held": (2, _held),
    "dust": (2, _dust),
    "partly": (4, _partly),
    "lied": (4, _lied),
    "unread": (3, _unread),
    "blind": (3, _blind),
    "barred": (1, _barred),
}
