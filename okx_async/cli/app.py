"""The typer application: the commands and their options.

Each command imports the module that does its work when it runs, so that --help stays fast.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from okx_async import ClosePosition, __version__
from okx_async.cli.exits import show
from okx_async.cli.help import HelpCommand, one_of
from okx_async.cli.log import log_to_stderr
from okx_async.cli.options import Json, seconds, with_target
from okx_async.cli.root import RootGroup
from okx_async.cli.simulated import simulated
from okx_async.cli.workbench import bench, demo, simulate, torture

if TYPE_CHECKING:
    from okx_async.cli.target import Target

_F = TypeVar("_F", bound=Callable[..., Any])

app = typer.Typer(
    name="okx-async",
    help="Close OKX positions: never refused for rate, honest about every outcome.",
    epilog="Exit codes: 0 done, 1 refused, not sent or failed, 2 wrong usage, 3 outcome unknown.",
    no_args_is_help=True,
    cls=RootGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,  # boxes cut long options off, and stand in the way in pipes and narrow terminals
    # A traceback with locals would print keys.
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
)


def _command(summary: str) -> Callable[[_F], _F]:
    """Return the decorator of a command; `summary` is its line in the list of commands."""
    return app.command(cls=HelpCommand, short_help=summary)


def _version(asked: bool) -> None:  # noqa: FBT001 - typer calls it with the option's value
    if asked:
        show(f"okx-async {__version__}")
        raise typer.Exit


_Insts = Annotated[list[str] | None, typer.Option("--inst", metavar="INST_ID", help="Only this one; may be repeated.")]
_Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before sending.")]


@app.callback()
def _options(
    *,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="The library's whole log on stderr, with times.")
    ] = False,
    version: Annotated[  # noqa: ARG001 - its callback does the work
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    log_to_stderr(verbose=verbose)


_command("Close 140 positions on a simulated exchange: no keys needed.")(demo)


@_command("Close one position at market.")
@with_target
def close(
    inst_id: Annotated[str, typer.Argument(metavar="INST_ID", help="For instance BTC-USDT-SWAP.")],
    *,
    mgn_mode: Annotated[str, typer.Option(help="Margin mode of the position.", **one_of("cross", "isolated"))],
    pos_side: Annotated[
        str | None, typer.Option(help="Needed in long/short mode.", **one_of("net", "long", "short"))
    ] = None,
    ccy: Annotated[
        str | None, typer.Option(metavar="CCY", help="Margin currency: cross MARGIN positions only.")
    ] = None,
    auto_cxl: Annotated[bool, typer.Option("--auto-cxl", help="Cancel pending close orders first.")] = False,
    cl_ord_id: Annotated[str | None, typer.Option(metavar="ID", help="Your id: up to 32 letters and digits.")] = None,
    tag: Annotated[str | None, typer.Option(metavar="TAG", help="Order tag: up to 16 letters and digits.")] = None,
    max_wait: Annotated[
        float | None, typer.Option(callback=seconds, metavar="SECONDS", help="Seconds to the last send.")
    ] = None,
    confirm: Annotated[bool, typer.Option("--confirm", help="Return once the exchange no longer lists it.")] = False,
    target: "Target",
    yes: _Yes = False,
    as_json: Json = False,
) -> None:
    """Close the whole position of one instrument at market.

    Keys come from OKX_API_KEY, OKX_SECRET_KEY and OKX_PASSPHRASE only. Asks before it sends unless --yes is given
    (simulated exchanges apart); without a terminal and without --yes nothing is sent. The exchange counts all
    programs of one account together: a refusal for rate is repeated after its window.
    """
    from okx_async.cli import trading  # noqa: PLC0415 - not needed for --help

    # mgn_mode and pos_side are checked with the other fields, by the library itself.
    request = ClosePosition(inst_id, mgn_mode, pos_side, ccy, auto_cxl, cl_ord_id, tag)  # type: ignore[arg-type]
    raise typer.Exit(trading.close(request, target, max_wait=max_wait, confirm=confirm, yes=yes, as_json=as_json))


@_command("Close all positions, and prove that they are gone.")
@with_target
def flatten(
    *,
    inst: _Insts = None,
    mgn_mode: Annotated[str | None, typer.Option(help="Only this margin mode.", **one_of("cross", "isolated"))] = None,
    pos_side: Annotated[
        str | None, typer.Option(help="Only this position side.", **one_of("net", "long", "short"))
    ] = None,
    inst_type: Annotated[
        str | None, typer.Option(help="Only instruments of this type.", **one_of("MARGIN", "SWAP", "FUTURES", "OPTION"))
    ] = None,
    quota: Annotated[
        int | None,
        typer.Option(metavar="1..20", help="Closes of an instrument in 2 s, where programs share the limit."),
    ] = None,
    auto_cxl: Annotated[
        bool, typer.Option("--auto-cxl/--no-auto-cxl", help="Cancel pending close orders first, or let them refuse it.")
    ] = True,
    keep_orders: Annotated[
        bool, typer.Option("--keep-orders", help="Cancel no resting orders that may open a position again.")
    ] = False,
    look_again: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", help="Seconds until a second look for what such orders opened meanwhile; 0: none."
        ),
    ] = 2.0,
    deadline: Annotated[float, typer.Option(metavar="SECONDS", help="Seconds until nothing more is sent.")] = 30.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be closed, and send nothing.")] = False,
    target: "Target",
    yes: _Yes = False,
    as_json: Json = False,
) -> None:
    """Close all positions at market, and prove that they are gone.

    Resting orders that could open a position are cancelled at the same time, protective ones once all is flat. Keys
    come from OKX_API_KEY, OKX_SECRET_KEY and OKX_PASSPHRASE only. Shows what it will close and cancel and asks, unless
    --yes is given (simulated exchanges apart); without a terminal and without --yes nothing is sent. Exit code 0 only
    if the exchange itself lists none of them any more, 1 if something is left, 3 if it cannot be told.
    """
    from okx_async.cli.flatten import flatten as run  # noqa: PLC0415 - not needed for --help
    from okx_async.cli.flatten_consent import FlattenOptions  # noqa: PLC0415 - the same

    options = FlattenOptions(
        inst or None, mgn_mode, auto_cxl, deadline, dry_run, keep_orders, look_again, pos_side, inst_type, quota
    )
    raise typer.Exit(run(options, target, yes=yes, as_json=as_json))


@_command("List the open positions.")
@with_target
def positions(
    *,
    inst: _Insts = None,
    target: "Target",
    as_json: Json = False,
) -> None:
    """List the open positions.

    Keys come from OKX_API_KEY, OKX_SECRET_KEY and OKX_PASSPHRASE only.
    """
    from okx_async.cli import trading  # noqa: PLC0415 - not needed for --help

    raise typer.Exit(trading.positions(inst or None, target, as_json=as_json))


@_command("Check machine, keys, host, clock and account.")
@with_target
def doctor(
    *,
    user_id: Annotated[
        str | None, typer.Option(metavar="UID", help="The UID that your clients are given, to be compared.")
    ] = None,
    target: "Target",
    as_json: Json = False,
) -> None:
    """Look at everything that could stand between you and the exit, and say what to do about it.

    This machine, the keys in OKX_API_KEY, OKX_SECRET_KEY and OKX_PASSPHRASE (never shown), the exchange's host and
    clock, the account. Changes nothing, runs without keys and without a network, and says what it could not look at.
    Exit code 1 if something will not work.
    """
    from okx_async.cli.doctor import examine  # noqa: PLC0415 - not needed for --help

    raise typer.Exit(examine(target, user_id, as_json=as_json))


@_command("Try on demo trading what is assumed of the exchange.")
@with_target
def rehearse(
    *,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="ID", help="Only this assumption; may be repeated.")
    ] = None,
    inst: Annotated[
        str | None, typer.Option("--inst", metavar="INST_ID", help="Trade this instrument; by default a liquid swap.")
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="With real money; needs --live-uid.")] = False,
    live_uid: Annotated[
        str | None, typer.Option("--live-uid", metavar="UID", help="The account that --live may trade on.")
    ] = None,
    deadline: Annotated[float, typer.Option(metavar="SECONDS", help="Seconds until no further trial begins.")] = 300.0,
    list_only: Annotated[bool, typer.Option("--list", help="Print the assumptions and how each is tried.")] = False,
    record: Annotated[
        str | None, typer.Option("--record", metavar="FILE", help="Write all requests and answers, without secrets.")
    ] = None,
    replay: Annotated[
        str | None,
        typer.Option("--replay", metavar="FILE", help="Send nothing: hold the simulated exchange against a recording."),
    ] = None,
    target: "Target",
    yes: _Yes = False,
    as_json: Json = False,
) -> None:
    """Try on demo trading what the library assumes of the exchange, and say for each assumption whether it held.

    Opens the smallest positions it needs on an instrument where the account has nothing, and closes them; ends with
    the proof that nothing is left. After a crash the next start closes first what is left. Keys come from OKX_API_KEY,
    OKX_SECRET_KEY and OKX_PASSPHRASE only. Shows what it will do and asks, unless --yes is given. Exit code 0 if
    nothing was found wrong and all is flat, 1 if an assumption did not hold, not all was tried or something is left, 3
    if it cannot be told what is left. With --replay: 1 if the simulated exchange differs, which needs no keys.
    """
    from okx_async.cli import rehearse as command  # noqa: PLC0415 - not needed for --help

    if list_only:
        raise typer.Exit(command.list_assumptions(as_json=as_json))
    if replay is not None and record is not None:
        raise typer.BadParameter("--replay sends nothing that could be recorded: leave --record out")
    if replay is not None:
        from okx_async.cli.recordings import replay_file  # noqa: PLC0415 - imports the simulator

        raise typer.Exit(replay_file(replay, as_json=as_json))
    options = command.RehearseOptions(live, live_uid, inst, tuple(only or ()), deadline, record)
    raise typer.Exit(command.rehearse(options, target, yes=yes, as_json=as_json))


@_command("Show the limits that programs share.")
def limits(
    *,
    store: Annotated[
        str | None,
        typer.Option(metavar="URL", help="sqlite:, sqlite:///PATH or redis://HOST; by default OKX_LIMITS, or sqlite:."),
    ] = None,
    prefix: Annotated[
        str | None, typer.Option(metavar="PREFIX", help="Of a server's limits, as RedisLimiter(prefix=) takes it.")
    ] = None,
    vouch: Annotated[
        bool, typer.Option("--vouch", help="No program of this account ran lately: end the pause after a loss.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Vouch without asking.")] = False,
    as_json: Json = False,
) -> None:
    """Show the limits that programs share, on this machine or by a server.

    For each key in use: how many slots are free, in flight and cooling, and which processes hold them or wait. The
    commands use the limits that OKX_LIMITS names, else the user's own file (sqlite:); a program does with
    OKX_LIMITS=sqlite: in its environment, or with limiter=okx_async.stores.SqliteLimiter().

    At a terminal --vouch asks first, unless --yes is given; in a script it does not ask.
    """
    from okx_async.cli.limits import limits as run  # noqa: PLC0415 - not needed for --help

    raise typer.Exit(run(store, prefix=prefix, vouch=vouch, yes=yes, as_json=as_json))


_command("Run a simulated exchange.")(simulate)


app.add_typer(simulated, short_help="Steer a simulated exchange while it runs.")


_command("Judge random histories in virtual time.")(torture)


_command("Measure on this machine.")(bench)
