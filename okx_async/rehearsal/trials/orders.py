"""Trials of the order of checks: requests with many faults, of which each time the one that is named is mended.

The last fault that is left is not sent: its place is known, and each has a trial of its own.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Final

from okx_async._models import Outcome
from okx_async._rest.outcomes import classify
from okx_async._rest.requests import positions
from okx_async.doctor.refusals import OF_THE_OTHER
from okx_async.rehearsal.stage import NotTriedError, Observation, Stage
from okx_async.rehearsal.trials.refusals import NO_INSTRUMENT
from okx_async.rehearsal.wire import Reply, Twist

LOGIN: Final = ("headers", "timestamp", "key", "environment", "passphrase", "signature")
"""The checks of a login in the assumed order."""
CLOSE: Final = ("instId", "mgnMode", "ids", "autoCxl", "instrument", "posSide", "position")
"""The checks of a close of nothing in the assumed order."""
_KEY: Final = "OK-ACCESS-KEY"
_PASSPHRASE: Final = "OK-ACCESS-PASSPHRASE"
_OTHER_KEY: Final = "7d0c95e2-41fb-4a68-b3e7-c2905f8ad614"
_OTHER_PASSPHRASE: Final = "kV7-tQ2w!Xz9"
"""In the right form, and of no account."""
_OLD: Final = 600.0
"""Seconds by which a timestamp is too old, whatever is allowed."""
_OF_LOGIN: Final[Mapping[str, str]] = {
    "50104": "headers",
    "50102": "timestamp",
    "50112": "timestamp",
    "50111": "key",
    "50119": "key",
    **dict.fromkeys(OF_THE_OTHER, "environment"),
    "50105": "passphrase",
    "50113": "signature",
}
_OF_CLOSE: Final[Mapping[str, str]] = {
    **dict.fromkeys(("51001", "51012", "51015"), "instrument"),
    **dict.fromkeys(("51023", "51043", "51169"), "position"),
}
_IN_WORDS: Final = {
    "instId": "instid",
    "mgnMode": "mgnmode",
    "ids": "clordid",
    "autoCxl": "autocxl",
    "posSide": "posside",
}
"""By what a message names a parameter: several share one code."""
_ALONE: Final = frozenset({"autoCxl", "instrument", "posSide"})
"""Faults that have trials of their own, each beside a missing position: that it comes first is told there."""
_NO_ANSWER: Final = frozenset({Outcome.RATE, Outcome.LATER, Outcome.UNKNOWN})
_Namer = Callable[[Reply, Collection[str]], str]


async def login_in_order(stage: Stage) -> Observation:
    """Ask with a login in which everything is wrong."""
    request = positions([stage.instrument.inst_id])

    async def ask(faults: Collection[str]) -> Reply:
        headers: dict[str, str | None] = {_KEY: _OTHER_KEY} if "key" in faults else {}
        if "headers" in faults or "passphrase" in faults:
            headers[_PASSPHRASE] = None if "headers" in faults else _OTHER_PASSPHRASE
        twist = Twist(
            age=_OLD if "timestamp" in faults else 0.0,
            wrong_signature="signature" in faults,
            other_environment="environment" in faults,
            headers=headers,
        )
        return await stage.wire.ask(request, twist)

    order = await _named_in_order(LOGIN, ask, _of_login)
    return _observed("auth_checks", order, held=order == LOGIN)


async def parameters_in_order(stage: Stage) -> Observation:
    """Close nothing with parameters of which all are wrong."""
    wrong: dict[str, dict[str, object]] = {
        "instId": {"instId": None},
        "mgnMode": {"mgnMode": "none"},
        "ids": {"clOrdId": "no-id!"},
        "autoCxl": {"autoCxl": 7},
        "posSide": {"posSide": None if stage.account.two_sided else "long"},
    }

    async def ask(faults: Collection[str]) -> Reply:
        fields = {field: value for fault in faults for field, value in wrong.get(fault, {}).items()}
        return await stage.close_nothing(inst_id=NO_INSTRUMENT if "instrument" in faults else None, **fields)  # type: ignore[arg-type]

    order = await _named_in_order(CLOSE, ask, _of_close, last="position")
    late = order[order.index("position") :]
    judged = tuple(name for name in order if name not in late or name not in _ALONE)
    return _observed("close_checks", order, held=judged == tuple(name for name in CLOSE if name in judged))


async def _named_in_order(
    faults: Sequence[str], ask: Callable[[Collection[str]], Awaitable[Reply]], name_of: _Namer, *, last: str = ""
) -> tuple[str, ...]:
    """Return the faults in the order in which they are named.

    Args:
        faults: All of them.
        ask: Sends a request that has some of them.
        name_of: Returns the fault that an answer names, "" if it names none.
        last: The fault that cannot be mended: what is left when it is named comes after it, or is not checked.
    """
    left, order = list(faults), list[str]()
    while len(left) > 1:
        reply = await ask(left)
        named = "" if classify(reply.answer) in _NO_ANSWER else name_of(reply, left)
        if named not in left:
            raise NotTriedError(f"with {', '.join(left)} wrong, answered {reply.told()}, which names none of these")
        order.append(named)
        left.remove(named)
        if named == last:
            break
    return (*order, *left)


def _observed(name: str, order: Sequence[str], *, held: bool) -> Observation:
    return Observation(held, f"named in the order {', '.join(order)}", {name: " ".join(order)})


def _of_login(reply: Reply, _left: Collection[str]) -> str:
    return _OF_LOGIN.get(reply.code.partition("_")[0], "")


def _of_close(reply: Reply, left: Collection[str]) -> str:
    if (named := _OF_CLOSE.get(reply.code.partition("_")[0])) is not None:
        return named
    words = reply.answer.message.lower()
    found = [name for name in left if name in _IN_WORDS and _IN_WORDS[name] in words]
    return found[0] if len(found) == 1 else ""
