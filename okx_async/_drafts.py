"""Records that are made for every close, filled in for a third of the price.

A frozen dataclass is filled in by a call of `object.__setattr__` for each field. A draft has the same slots without the
lock; once they are full it becomes the record by its `__class__`, and from then on it is frozen like any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from okx_async._models import Attempt, ClosedPosition, ClosePosition

if TYPE_CHECKING:
    from collections.abc import Hashable

    from okx_async._models import MgnMode, Outcome, PosSide, TokenState

_new = object.__new__


class _Attempt:
    __slots__ = Attempt.__slots__


class _ClosePosition:
    __slots__ = ClosePosition.__slots__


class _ClosedPosition:
    __slots__ = ClosedPosition.__slots__


def attempt(  # noqa: PLR0917 - as the record's own
    request: ClosePosition,
    key: Hashable,
    waited: float,
    sent: float | None,
    settled: float | None,
    code: str,
    status: int | None,
    outcome: Outcome,
    token: TokenState,
) -> Attempt:
    """Return ``Attempt(request, key, …)``."""
    draft: Any = _new(_Attempt)
    draft.request = request
    draft.key = key
    draft.waited = waited
    draft.sent = sent
    draft.settled = settled
    draft.code = code
    draft.status = status
    draft.outcome = outcome
    draft.token = token
    draft.__class__ = Attempt
    return draft  # type: ignore[no-any-return]


def close_position(  # noqa: PLR0917 - as the record's own
    inst_id: str,
    mgn_mode: MgnMode,
    pos_side: PosSide | None,
    ccy: str | None,
    auto_cxl: bool,  # noqa: FBT001 - as above
    cl_ord_id: str | None,
    tag: str | None,
) -> ClosePosition:
    """Return ``ClosePosition(inst_id, mgn_mode, …)``."""
    draft: Any = _new(_ClosePosition)
    draft.inst_id = inst_id
    draft.mgn_mode = mgn_mode
    draft.pos_side = pos_side
    draft.ccy = ccy
    draft.auto_cxl = auto_cxl
    draft.cl_ord_id = cl_ord_id
    draft.tag = tag
    draft.__class__ = ClosePosition
    return draft  # type: ignore[no-any-return]


def closed_position(
    inst_id: str, pos_side: str, cl_ord_id: str, tag: str, attempts: tuple[Attempt, ...]
) -> ClosedPosition:
    """Return ``ClosedPosition(inst_id, pos_side, …)``, which proves nothing yet."""
    draft: Any = _new(_ClosedPosition)
    draft.inst_id = inst_id
    draft.pos_side = pos_side
    draft.cl_ord_id = cl_ord_id
    draft.tag = tag
    draft.attempts = attempts
    draft.flat = False
    draft.__class__ = ClosedPosition
    return draft  # type: ignore[no-any-return]
