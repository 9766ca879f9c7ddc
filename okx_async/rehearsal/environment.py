"""Where a rehearsal is: the environment and the account, as the exchange itself tells them.

A flag is not believed. The key must be accepted in the environment that was asked for and refused in the other one,
before anything is sent that could trade.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from okx_async._errors import InvalidRequestError, RejectedError
from okx_async._models import PosSide
from okx_async._rest.records import server_time, uid
from okx_async._rest.requests import ACCOUNT_CONFIG, PUBLIC_TIME
from okx_async.doctor.refusals import OF_THE_OTHER, refusal
from okx_async.rehearsal.exchanges import current_trial
from okx_async.rehearsal.results import TrialResult, Verdict
from okx_async.rehearsal.wire import Reply, Twist, Wire

TRIAL: Final = "environment-is-checked"
_SPOT: Final = "1"
_AUTHENTICATION: Final = "501"


@dataclass(frozen=True, slots=True)
class Account:
    """The account that a rehearsal runs on."""

    user_id: str
    pos_mode: Literal["net_mode", "long_short_mode"]
    acct_lv: str
    checked: TrialResult
    """Whether the exchange refuses the key in the other environment."""

    @property
    def two_sided(self) -> bool:
        """Whether swaps have a long and a short side."""
        return self.pos_mode == "long_short_mode"

    def pos_side(self, side: str) -> PosSide:
        """Return the posSide that an opening order of this side ("buy" or "sell") leads to."""
        if not self.two_sided:
            return "net"
        return "long" if side == "buy" else "short"


class CannotRehearseError(RejectedError):
    """There can be no rehearsal: the environment, the account or the market does not allow it. Nothing was opened."""


async def examine(wire: Wire, *, demo: bool, live_uid: str | None) -> Account:
    """Return the account of the key, once the exchange has told its environment.

    Args:
        wire: Sends the questions.
        demo: Whether demo trading was asked for.
        live_uid: For live trading, the user id that was named.

    Raises:
        CannotRehearseError: The environment is another one or cannot be told, or the account cannot trade swaps.
        InvalidRequestError: `live_uid` is not the account's.
    """
    token = current_trial.set(TRIAL)
    try:
        await _set_clock(wire)
        here = await wire.ask(ACCOUNT_CONFIG)
        user_id = uid(here.answer)
        if here.code != "0" or user_id is None:
            raise _refused(here, demo=demo)
        wire.identity.learn(user_id)
        there = await wire.ask(ACCOUNT_CONFIG, Twist(other_environment=True))
    finally:
        current_trial.reset(token)
    checked = _judge(there, demo=demo)
    if not demo and live_uid != user_id:
        raise InvalidRequestError(f"--live-uid {live_uid} was named, but this key is of the account {user_id}")
    return _account(here.data[0], user_id, checked)


async def _set_clock(wire: Wire) -> None:
    reply = await wire.ask(PUBLIC_TIME)
    told = server_time(reply.answer)
    if told is None:
        raise CannotRehearseError(
            f"public/time did not tell the time ({reply.told()}): nothing was opened; see `okx-async doctor`",
            code=reply.answer.code,
            status=reply.status,
        )
    wire.offset += told - wire.now() + (reply.received - reply.sent) / 2


def _refused(reply: Reply, *, demo: bool) -> CannotRehearseError:
    finding = refusal("account", reply.answer, "account/config", demo=demo)
    text = f"{finding.text}; nothing was opened. {finding.remedy}".rstrip()
    return CannotRehearseError(text, code=reply.answer.code, status=reply.status)


def _judge(there: Reply, *, demo: bool) -> TrialResult:
    """Return what the answer of the other environment says; raises unless it refuses the key."""
    code = there.code.partition("_")[0]
    evidence = f"as {'live' if demo else 'demo'} trading account/config answered {there.told()}"
    if code in OF_THE_OTHER:
        held = code == "50101"
        return TrialResult(TRIAL, Verdict.HELD if held else Verdict.NOT_HELD, evidence, {"code": code})
    if code.startswith(_AUTHENTICATION):
        return TrialResult(TRIAL, Verdict.NOT_HELD, evidence, {"code": code})
    raise CannotRehearseError(
        f"{evidence}, so that it is not certain which environment this key trades in; nothing was opened",
        code=there.answer.code,
        status=there.status,
    )


def _account(record: Mapping[str, Any], user_id: str, checked: TrialResult) -> Account:
    held = {one.strip() for one in str(record.get("perm", "")).split(",")}
    if "trade" not in held:
        raise CannotRehearseError(
            "the key may not trade; nothing was opened. Give it the Trade permission in OKX's settings", code="50120"
        )
    acct_lv, pos_mode = str(record.get("acctLv", "")), record.get("posMode")
    if acct_lv == _SPOT:
        raise CannotRehearseError(
            "the account is in Spot mode, which has no swaps; nothing was opened. Switch it to Futures mode in OKX's "
            "settings"
        )
    if pos_mode not in {"net_mode", "long_short_mode"}:
        raise CannotRehearseError("account/config does not tell the position mode (posMode); nothing was opened")
    return Account(user_id, cast("Literal['net_mode', 'long_short_mode']", pos_mode), acct_lv, checked)
