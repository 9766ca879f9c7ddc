"""The typer application: the commands and their options.

Each command imports the module that does its work when it runs, so that --help stays fast.
"""

from math import isfinite
from typing import TYPE_CHECKING, Annotated

import typer

from okx_async import ClosePosition, __version__
from okx_async.cli.exits import log_to_stderr, show
from okx_async.cli.options import with_target

if TYPE_CHECKING:
    from okx_async.cli.target import Target

app = typer.Typer(
    name="okx-async",
    help="Close OKX positions: never refused for rate, honest about every outcome.",
    epilog="Exit codes: 0 done, 1 refused, not sent or failed, 2 wrong usage, 3 outcome unknown.",
    no_args_is_help=True,
    rich_markup_mode="markdown",  # other modes keep the line breaks of docstrings
    add_completion=False,
    # A traceback with locals would print keys.
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
)


def _seconds(value: float | None) -> float | None:
    if value is not None and not (isfinite(value) and value >= 0):
        raise typer.BadParameter("must be a number of seconds, 0 or more")
    return value


def _version(asked: bool) -> None:  # noqa: FBT001 - typer calls it with the option's value
    if asked:
        show(f"okx-async {__version__}")
        raise typer.Exit


_Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")]
_Insts = Annotated[list[str] | None, typer.Option("--inst", metavar="INST_ID", help="Only this one; may be repeated.")]
_Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before sending.")]


@app.callback()
def _options(
    *,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="The library's whole log on stderr.")] = False,
    version: Annotated[  # noqa: ARG001 - its callback does the work
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    log_to_stderr(verbose=verbose)


@app.command()
def demo(
    *,
    seed: Annotated[int, typer.Option(help="Of the book and of the simulated network.")] = 1,
    latency: Annotated[float, typer.Option(min=0, max=0.2, callback=_seconds, help="Seconds, each way.")] = 0.02,
    jitter: Annotated[float, typer.Option(min=0, max=0.2, callback=_seconds, help="Up to so much more.")] = 0.03,
    compare: Annotated[bool, typer.Option("--compare", help="The same book once more, without a limiter.")] = False,
    as_json: _Json = False,
) -> None:
    """Close a book of 140 positions on a simulated exchange: no keys, no network.

    Eight strategies share one client; the simulated exchange counts, and its count is shown. Exit code 1 if a 2 s
    window of any key held more than 20 requests, if anything was refused or if anything is left open.
    """
    from okx_async.cli.demo import run  # noqa: PLC0415 - imports the simulator
    from okx_async.cli.runs import Settings  # noqa: PLC0415 - not needed for --help

    raise typer.Exit(run(Settings(seed, latency, jitter), compare=compare, as_json=as_json))


@app.command()
@with_target
def close(
    inst_id: Annotated[str, typer.Argument(metavar="INST_ID", help="For instance BTC-USDT-SWAP.")],
    *,
    mgn_mode: Annotated[str, typer.Option(metavar="cross|isolated", help="Margin mode of the position.")],
    pos_side: Annotated[str | None, typer.Option(metavar="net|long|short", help="Needed in long/short mode.")] = None,
    ccy: Annotated[str | None, typer.Option(help="Margin currency: cross MARGIN positions only.")] = None,
    auto_cxl: Annotated[bool, typer.Option("--auto-cxl", help="Cancel pending close orders first.")] = False,
    cl_ord_id: Annotated[str | None, typer.Option(help="Your id: up to 32 letters and digits.")] = None,
    tag: Annotated[str | None, typer.Option(help="Order tag: up to 16 letters and digits.")] = None,
    max_wait: Annotated[float | None, typer.Option(callback=_seconds, help="Seconds to the last send.")] = None,
    confirm: Annotated[bool, typer.Option("--confirm", help="Return once the exchange no longer lists it.")] = False,
    target: "Target",
    yes: _Yes = False,
    as_json: _Json = False,
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


@app.command()
@with_target
def flatten(
    *,
    inst: _Insts = None,
    mgn_mode: Annotated[str | None, typer.Option(metavar="cross|isolated", help="Only this margin mode.")] = None,
    pos_side: Annotated[str | None, typer.Option(metavar="net|long|short", help="Only this position side.")] = None,
    inst_type: Annotated[
        str | None, typer.Option(metavar="MARGIN|SWAP|FUTURES|OPTION", help="Only instruments of this type.")
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
        float, typer.Option(help="Seconds until a second look for what such orders opened meanwhile; 0: none.")
    ] = 2.0,
    deadline: Annotated[float, typer.Option(help="Seconds until nothing more is sent.")] = 30.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be closed, and send nothing.")] = False,
    target: "Target",
    yes: _Yes = False,
    as_json: _Json = False,
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


@app.command()
@with_target
def positions(
    *,
    inst: _Insts = None,
    target: "Target",
    as_json: _Json = False,
) -> None:
    """List the open positions.

    Keys come from OKX_API_KEY, OKX_SECRET_KEY and OKX_PASSPHRASE only.
    """
    from okx_async.cli import trading  # noqa: PLC0415 - not needed for --help

    raise typer.Exit(trading.positions(inst or None, target, as_json=as_json))


@app.command()
@with_target
def doctor(
    *,
    user_id: Annotated[str | None, typer.Option(help="The UID that your clients are given, to be compared.")] = None,
    target: "Target",
    as_json: _Json = False,
) -> None:
    """Look at everything that could stand between you and the exit, and say what to do about it.

    This machine, the keys in OKX_API_KEY, OKX_SECRET_KEY and OKX_PASSPHRASE (never shown), the exchange's host and
    clock, the account. Changes nothing, runs without keys and without a network, and says what it could not look at.
    Exit code 1 if something will not work.
    """
    from okx_async.cli.doctor import examine  # noqa: PLC0415 - not needed for --help

    raise typer.Exit(examine(target, user_id, as_json=as_json))


@app.command()
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
    deadline: Annotated[float, typer.Option(help="Seconds until no further trial begins.")] = 300.0,
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
    as_json: _Json = False,
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
    if replay is not None:
        from okx_async.cli.recordings import replay_file  # noqa: PLC0415 - imports the simulator

        raise typer.Exit(replay_file(replay, as_json=as_json))
    options = command.RehearseOptions(live, live_uid, inst, tuple(only or ()), deadline, record)
    raise typer.Exit(command.rehearse(options, target, yes=yes, as_json=as_json))


@app.command()
def limits(
    *,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="sqlite:|sqlite:///PATH|redis://HOST", help="Which limits; by default OKX_LIMITS, or sqlite:."
        ),
    ] = None,
    vouch: Annotated[
        bool, typer.Option("--vouch", help="No program of this account ran lately: end the pause after a loss.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Show the limits that programs share, on this machine or by a server.

    For each key in use: how many slots are free, in flight and cooling, and which processes hold them or wait. The
    commands use the limits that OKX_LIMITS names, else the user's own file (sqlite:); a program does with
    OKX_LIMITS=sqlite: in its environment, or with limiter=okx_async.stores.SqliteLimiter().
    """
    from okx_async.cli.limits import limits as run  # noqa: PLC0415 - not needed for --help

    raise typer.Exit(run(store, vouch=vouch, as_json=as_json))


@app.command()
def simulate(
    *,
    host: Annotated[
        str, typer.Option(help="Where to listen; 0.0.0.0 in a container. Every client that reaches it may trade on it.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 0,
    latency: Annotated[float, typer.Option(callback=_seconds, help="Seconds, each way.")] = 0.0,
    jitter: Annotated[float, typer.Option(callback=_seconds, help="Up to so much more.")] = 0.0,
    window: Annotated[str, typer.Option(metavar="sliding|fixed", help="How it counts.")] = "sliding",
    pos_mode: Annotated[str, typer.Option(metavar="net_mode|long_short_mode", help="Position mode.")] = "net_mode",
    fill_delay: Annotated[float, typer.Option(callback=_seconds, help="Seconds from accepted to flat.")] = 0.0,
    seed: Annotated[int | None, typer.Option(help="Of everything that is random.")] = None,
    position: Annotated[
        list[str] | None,
        typer.Option(
            metavar="INST:POS:MODE:SIDE",
            help="An open position, MODE and SIDE optional; 2@INST... of the second account; may be repeated.",
        ),
    ] = None,
    account: Annotated[
        list[str] | None,
        typer.Option(metavar="KINDS", help="One more: net, long-short, demo, sub, read-only, lead; may be repeated."),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME:TIMES:executed",
            help="A fault of the catalogue, for the next close or the next TIMES ('always' is a number too); "
            "'executed': the position is closed all the same. May be repeated.",
        ),
    ] = None,
    as_json: _Json = False,
) -> None:
    """Run a simulated exchange until interrupted, and print how to reach it.

    For clients in any language: with --json the first line is an object with the address, and the keys of every
    account. Its keys are made up and open nothing else.
    """
    from okx_async.cli import simulation  # noqa: PLC0415 - imports the simulator

    options = simulation.Options(host, port, latency, jitter, window, pos_mode, fill_delay, seed)
    scene = simulation.Scene(position or (), account or (), fault or ())
    raise typer.Exit(simulation.run(options, scene, as_json=as_json))


@app.command()
def torture(
    *,
    seeds: Annotated[int, typer.Option(min=1, help="How many histories.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="The first one's seed.")] = 0,
    processes: Annotated[int, typer.Option(min=1, max=64, help="At once.")] = 1,
    shrink: Annotated[bool, typer.Option("--shrink", help="Of a broken one, leave out what does not matter.")] = False,
    as_json: _Json = False,
) -> None:
    """Let random histories happen in virtual time, and judge them.

    Clients, network and simulated exchange, all in memory and decided by a seed: closes, crowds, cancellations,
    resets, outages, odd answers. Exit code 1 if an invariant was broken; the first such history is told.
    """
    from okx_async.cli.torture import run  # noqa: PLC0415 - imports the simulator

    raise typer.Exit(run(seeds, seed, processes=processes, shrinks=shrink, as_json=as_json))


@app.command()
def bench(*, as_json: _Json = False) -> None:
    """Measure on this machine, within a minute: a free slot, the rate through jitter, a batch of 100.

    Against the simulated exchange only. Exit code 1 if a 2 s window held more than 20 or anything was refused.
    """
    from okx_async.cli.bench import run  # noqa: PLC0415 - imports the simulator

    raise typer.Exit(run(as_json=as_json))
