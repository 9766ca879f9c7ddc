"""The `simulated` commands: steer a simulated exchange while it runs, `okx-async simulate` for one."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

import typer

from okx_async.cli.help import HelpCommand, HelpGroup, one_of

_F = TypeVar("_F", bound=Callable[..., Any])

simulated = typer.Typer(name="simulated", cls=HelpGroup, no_args_is_help=True, rich_markup_mode=None)

_Url = Annotated[
    str | None,
    typer.Option(
        "--base-url",
        metavar="URL",
        envvar="OKX_SIMULATED",
        show_envvar=False,
        help="Address of the simulated exchange. Default: OKX_SIMULATED.",
    ),
]
_Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")]
_Inst = Annotated[str, typer.Argument(metavar="INST_ID", help="For instance BTC-USDT-SWAP.")]
_Pos = Annotated[str, typer.Argument(metavar="POS", help="Contracts, or base currency for MARGIN; 0: flat.")]
_Mode = Annotated[str, typer.Option("--mgn-mode", help="Margin mode.", **one_of("cross", "isolated"))]
_Side = Annotated[
    str, typer.Option("--pos-side", help="long or short in long/short mode.", **one_of("net", "long", "short"))
]
_Uid = Annotated[str | None, typer.Option("--account", metavar="UID", help="Whose; by default the first account's.")]
_After = Annotated[float, typer.Option("--after", metavar="SECONDS", help="Seconds until then.")]
_OnClose = Annotated[
    int,
    typer.Option("--on-close", metavar="N", min=0, help="Count them from the answer to the N-th close; 0: from now."),
]
# A size may be negative, and is no option.
_NUMBERS = {"ignore_unknown_options": True}


def _fault_names(incomplete: str) -> list[str]:
    """Return the names of faults that a shell may complete: those of one word."""
    from okx_async.simulator import CATALOGUE  # noqa: PLC0415 - imports the simulator

    return [name for name in CATALOGUE if name.startswith(incomplete) and " " not in name]


@simulated.callback()
def _about() -> None:
    """Steer a simulated exchange while it runs.

    Needs no keys, and sends to nothing that does not say that it is simulated. From other machines than its own an
    exchange can be steered if it was started with --control. For programs in any language: the same by HTTP.
    """


def _command(name: str, summary: str, **settings: Any) -> Callable[[_F], _F]:
    return simulated.command(name, cls=HelpCommand, short_help=summary, **settings)


@_command("status", "Show accounts and counts.")
def status(*, base_url: _Url = None, as_json: _Json = False) -> None:
    """Show the accounts of a simulated exchange, and what it has counted."""

    def words(answer: Mapping[str, Any]) -> str:
        lines = [
            f"account {one['user_id']}, {one['pos_mode']}{', demo trading' * one['demo']}" for one in answer["accounts"]
        ]
        counts = f"open positions {answer['positions']}, requests {answer['requests']}"
        counts += f", refused for rate {answer['rejections']}"
        return "\n".join([*lines, f"{counts}, worst 2 s window of closes {answer['worst_window']}"])

    _run(base_url, "", None, words, as_json=as_json)


@_command("positions", "List the positions of all accounts.")
def positions(*, base_url: _Url = None, as_json: _Json = False) -> None:
    """List the open positions of all accounts, as they stand in the exchange's books."""

    def words(answer: Mapping[str, Any]) -> str:
        return "\n".join(map(_position_words, answer["positions"])) or "no open positions"

    _run(base_url, "positions", None, words, as_json=as_json)


@_command("journal", "Show the latest requests.")
def journal(
    *,
    last: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="How many.")] = 20,
    base_url: _Url = None,
    as_json: _Json = False,
) -> None:
    """Show the latest requests as the exchange saw them: when (seconds from now), what, whose limit, and the answer."""
    from okx_async.cli.steering import journal_line  # noqa: PLC0415 - not needed for --help

    def words(answer: Mapping[str, Any]) -> str:
        lines = [journal_line(row, answer["now"]) for row in answer["rows"]]
        return "\n".join([*lines, f"{len(lines)} of {answer['requests']} requests"])

    _run(base_url, f"journal?last={last}", None, words, as_json=as_json)


@_command("price", "Set the price of an instrument.")
def price(
    inst_id: _Inst,
    px: Annotated[str, typer.Argument(metavar="PX", help="The price; market orders fill at it.")],
    *,
    base_url: _Url = None,
    as_json: _Json = False,
) -> None:
    """Set the price of an instrument: market orders fill at it, profit and loss are shown by it."""
    _run(base_url, "price", {"inst_id": inst_id, "px": px}, f"{inst_id}: price {px}", as_json=as_json)


@_command("position", "Set a position.", context_settings=_NUMBERS)
def position(
    inst_id: _Inst,
    pos: _Pos,
    *,
    mgn_mode: _Mode = "cross",
    pos_side: _Side = "net",
    ccy: Annotated[str | None, typer.Option(metavar="CCY", help="Margin currency; by default the natural one.")] = None,
    account: _Uid = None,
    base_url: _Url = None,
    as_json: _Json = False,
) -> None:
    """Set a position, as if traded at this moment; 0 makes it flat, as if another program had closed it."""
    fields = _given(inst_id=inst_id, pos=pos, mgn_mode=mgn_mode, pos_side=pos_side, ccy=ccy, user_id=account)
    _run(base_url, "position", fields, lambda answer: _position_words(answer["result"]), as_json=as_json)


@_command("reopen", "Let another party open a position anew.", context_settings=_NUMBERS)
def reopen(
    inst_id: _Inst,
    pos: _Pos,
    *,
    mgn_mode: _Mode = "cross",
    pos_side: _Side = "net",
    after: _After = 0.0,
    on_close: _OnClose = 0,
    account: _Uid = None,
    base_url: _Url = None,
    as_json: _Json = False,
) -> None:
    """Let another party close a position and open it anew, which begins another holding period."""
    fields = _given(inst_id=inst_id, pos=pos, mgn_mode=mgn_mode, pos_side=pos_side, user_id=account)
    fields |= {"after": after, "on_close": on_close}
    _run(base_url, "reopen", fields, f"{inst_id}: {pos}, {_when(after, on_close)}", as_json=as_json)


@_command("liquidation", "Liquidate a position, or close it by ADL.")
def liquidation(
    inst_id: _Inst,
    *,
    kind: Annotated[str, typer.Option(help="What it is.", **one_of("liquidation", "adl"))] = "liquidation",
    seconds: Annotated[float, typer.Option(metavar="SECONDS", help="How long it takes.")] = 1.0,
    part: Annotated[float, typer.Option(metavar="0..1", help="The part of the position that it closes.")] = 1.0,
    mgn_mode: _Mode = "cross",
    pos_side: _Side = "net",
    after: _After = 0.0,
    on_close: _OnClose = 0,
    account: _Uid = None,
    base_url: _Url = None,
    as_json: _Json = False,
) -> None:
    """Let the exchange close a position by liquidation or ADL; closes are refused meanwhile."""
    fields = _given(inst_id=inst_id, kind=kind, seconds=seconds, part=part, after=after, on_close=on_close)
    fields |= _given(mgn_mode=mgn_mode, pos_side=pos_side, user_id=account)
    _run(base_url, "liquidation", fields, f"{inst_id}: {kind}, {_when(after, on_close)}", as_json=as_json)


@_command("order", "Add a pending order.")
def order(
    inst_id: _Inst,
    *,
    side: Annotated[str | None, typer.Option(help="By default the closing one.", **one_of("buy", "sell"))] = None,
    px: Annotated[str | None, typer.Option(metavar="PX", help="Its price; by default the instrument's.")] = None,
    sz: Annotated[str, typer.Option(metavar="SZ", help="Its size.")] = "1",
    opens: Annotated[
        bool, typer.Option("--opens", help="It may open a position; by default it only reduces one.")
    ] = False,
    mgn_mode: _Mode = "cross",
    pos_side: _Side = "net",
    account: _Uid = None,
    base_url: _Url = None,
    as_json: _Json = False,
) -> None:
    """Add a pending limit order, which never fills. A closing one makes closes answer 51115."""
    fields = _given(inst_id=inst_id, side=side, px=px, sz=sz, reduce_only=not opens)
    fields |= _given(mgn_mode=mgn_mode, pos_side=pos_side, user_id=account)

    def words(answer: Mapping[str, Any]) -> str:
        one = answer["result"]
        return f"{inst_id}: limit {one['side']} {one['sz']} at {one['px']}, {one['ord_id']}"

    _run(base_url, "order", fields, words, as_json=as_json)


@_command("instrument", "Suspend an instrument, or let it trade again.")
def instrument(
    inst_id: _Inst,
    state: Annotated[
        str,
        typer.Argument(metavar="STATE", help="live, or suspend, preopen, post_only, settling, which refuse a close."),
    ],
    *,
    base_url: _Url = None,
    as_json: _Json = False,
) -> None:
    """Set the state of an instrument."""
    fields = {"inst_id": inst_id, "state": state}
    _run(base_url, "instrument", fields, f"{inst_id}: {state}", as_json=as_json)


@_command("fault", "Let closes meet a fault, or a code.")
def fault(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", autocompletion=_fault_names, help="Of the catalogue, for instance 50026; see `faults`."
        ),
    ] = None,
    *,
    code: Annotated[
        str | None, typer.Option(metavar="CODE", help="In place of NAME: any code of the exchange, such as 51108.")
    ] = None,
    times: Annotated[
        str | None, typer.Option(metavar="N|always", help="How many closes meet it; by default one, of most faults.")
    ] = None,
    executed: Annotated[bool, typer.Option("--executed", help="The position is closed all the same.")] = False,
    inst: Annotated[str | None, typer.Option("--inst", metavar="INST_ID", help="Only closes of this one.")] = None,
    account: Annotated[
        str | None, typer.Option("--account", metavar="UID", help="Only closes of this account.")
    ] = None,
    base_url: _Url = None,
    as_json: _Json = False,
) -> None:
    """Let the next close meet a fault of the catalogue, or be answered a code; or the next N."""
    if not (times in {None, "always"} or (times.isascii() and times.isdecimal() and int(times))):
        raise typer.BadParameter(f"must be a number of closes or always, got {times!r}", param_hint="--times")
    fields = _given(name=name, code=code, inst_id=inst, user_id=account)
    # A fault of the catalogue has its own say of how often it strikes, and whether the close is executed.
    if times is not None:
        fields["times"] = None if times == "always" else int(times)
    if executed:
        fields["executed"] = True

    def words(answer: Mapping[str, Any]) -> str:
        one = answer["result"]
        often = (
            "until it is taken back"
            if one["times"] is None
            else "once"
            if one["times"] == 1
            else f"{one['times']} times"
        )
        return f"{one['name']}: {often}{', the close is executed all the same' * one['executed']}"

    _run(base_url, "fault", fields, words, as_json=as_json)


@_command("faults", "List the catalogue of faults.")
def faults(*, base_url: _Url = None, as_json: _Json = False) -> None:
    """List the names of the catalogue of faults."""
    _run(base_url, "faults", None, lambda answer: "\n".join(answer["faults"]), as_json=as_json)


@_command("clear-faults", "Take back the faults that have not struck.")
def clear_faults(*, base_url: _Url = None, as_json: _Json = False) -> None:
    """Take back the faults that have not struck yet."""
    _run(base_url, "clear-faults", {}, "no fault is left", as_json=as_json)


@_command("crowd", "Let another program use a rate limit, too.")
def crowd(
    scope: Annotated[str, typer.Argument(metavar="SCOPE", help="An instrument id, or an option family.")],
    requests: Annotated[float, typer.Argument(metavar="REQUESTS", min=0, help="Its requests in each 2 s; 0: none.")],
    *,
    account: _Uid = None,
    base_url: _Url = None,
    as_json: _Json = False,
) -> None:
    """Let another program use up a part of the rate limit of closes."""
    fields = _given(scope=scope, requests=requests, user_id=account)
    _run(base_url, "crowd", fields, f"{scope}: {requests:g} requests of another program in each 2 s", as_json=as_json)


def _given(**fields: Any) -> dict[str, Any]:
    """Return the fields that were given: those that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def _position_words(one: Mapping[str, Any]) -> str:
    closing = ", closing" * one["closing"]
    return f"{one['user_id']} {one['inst_id']} {one['mgn_mode']} {one['pos_side']}: {one['pos']}{closing}"


def _when(after: float, on_close: int) -> str:
    later = f"in {after:g} s" if after else "at once"
    return f"{later}, counted from the answer to the {on_close}. close" if on_close else later


def _run(
    base_url: str | None,
    path: str,
    fields: Mapping[str, Any] | None,
    words: str | Callable[[Mapping[str, Any]], str],
    *,
    as_json: bool,
) -> None:
    """Ask or steer the exchange, print what came of it, and end the command."""
    from okx_async.cli import steering  # noqa: PLC0415 - not needed for --help
    from okx_async.cli.exits import ExitCode  # noqa: PLC0415 - the same

    try:
        answer = steering.steer(base_url, path, fields)
    except steering.NoAnswerError as error:
        raise typer.Exit(steering.fail(error)) from error
    steering.print_answer(answer, words if isinstance(words, str) else words(answer), as_json=as_json)
    raise typer.Exit(ExitCode.DONE)
