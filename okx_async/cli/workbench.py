"""The commands that need no account: they run on a simulated exchange of this machine.

Each imports the module that does its work when it runs, so that --help stays fast.
"""

from typing import Annotated

import typer

from okx_async.cli.help import one_of
from okx_async.cli.options import Json, seconds


def demo(
    *,
    seed: Annotated[int, typer.Option(metavar="N", help="Of the book and of the simulated network.")] = 1,
    latency: Annotated[
        float, typer.Option(min=0, max=0.2, callback=seconds, metavar="SECONDS", help="Seconds, each way.")
    ] = 0.02,
    jitter: Annotated[
        float, typer.Option(min=0, max=0.2, callback=seconds, metavar="SECONDS", help="Up to so much more.")
    ] = 0.03,
    compare: Annotated[bool, typer.Option("--compare", help="The same book once more, without a limiter.")] = False,
    as_json: Json = False,
) -> None:
    """Close a book of 140 positions on a simulated exchange: no keys, no network.

    Eight strategies share one client; the simulated exchange counts, and its count is shown. Exit code 1 if a 2 s
    window of any key held more than 20 requests, if anything was refused or if anything is left open.
    """
    from okx_async.cli.demo import run  # noqa: PLC0415 - imports the simulator
    from okx_async.cli.runs import Settings  # noqa: PLC0415 - not needed for --help

    raise typer.Exit(run(Settings(seed, latency, jitter), compare=compare, as_json=as_json))


def simulate(
    ctx: typer.Context,
    *,
    host: Annotated[
        str,
        typer.Option(
            metavar="HOST",
            help="Where to listen; 0.0.0.0 in a container. Every client that reaches it may trade on it.",
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="PORT", help="0: any free one.")] = 0,
    latency: Annotated[float, typer.Option(callback=seconds, metavar="SECONDS", help="Seconds, each way.")] = 0.0,
    jitter: Annotated[float, typer.Option(callback=seconds, metavar="SECONDS", help="Up to so much more.")] = 0.0,
    window: Annotated[str, typer.Option(help="How it counts.", **one_of("sliding", "fixed"))] = "sliding",
    pos_mode: Annotated[str, typer.Option(help="Position mode.", **one_of("net_mode", "long_short_mode"))] = "net_mode",
    fill_delay: Annotated[
        float, typer.Option(callback=seconds, metavar="SECONDS", help="Seconds from accepted to flat.")
    ] = 0.0,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Of everything that is random.")] = None,
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
    recording: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Behave as a recording has settled (`rehearse --record`); options go first."),
    ] = None,
    control: Annotated[
        bool, typer.Option("--control", help="Other machines may steer it, too, not this one alone; see `simulated`.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run a simulated exchange until interrupted, and print how to reach it.

    For clients in any language: with --json the first line is an object with the address, and the keys of every
    account. Its keys are made up and open nothing else. While it runs, `okx-async simulated` steers it.
    """
    from okx_async.cli import simulation  # noqa: PLC0415 - imports the simulator

    given = {name for name in ("window", "fill_delay") if _is_given(ctx, name)}
    options = simulation.Options(
        host,
        port,
        latency,
        jitter,
        window if "window" in given else None,
        pos_mode,
        fill_delay if "fill_delay" in given else None,
        seed,
        control,
        recording,
    )
    scene = simulation.Scene(position or (), account or (), fault or ())
    raise typer.Exit(simulation.run(options, scene, as_json=as_json))


def _is_given(ctx: typer.Context, name: str) -> bool:
    """Whether an option stands on the command line: one that does not leaves the value to a recording."""
    source = ctx.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def torture(
    *,
    seeds: Annotated[int, typer.Option(min=1, metavar="N", help="How many histories.")] = 100,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="The first one's seed.")] = 0,
    processes: Annotated[int, typer.Option(min=1, max=64, metavar="N", help="At once.")] = 1,
    shared: Annotated[bool, typer.Option("--shared", help="Of programs that share a limit.")] = False,
    shrink: Annotated[bool, typer.Option("--shrink", help="Of a broken one, leave out what does not matter.")] = False,
    as_json: Json = False,
) -> None:
    """Let random histories happen in virtual time, and judge them.

    Clients, network and simulated exchange, all in memory and decided by a seed: closes, crowds, cancellations,
    resets, outages, odd answers. Exit code 1 if an invariant was broken; the first such history is told. With --shared
    several programs share one limit, and are stopped and killed, as is its store.
    """
    from okx_async.cli.torture import run  # noqa: PLC0415 - imports the simulator

    raise typer.Exit(run(seeds, seed, processes=processes, shrinks=shrink, as_json=as_json, shared=shared))


def bench(*, as_json: Json = False) -> None:
    """Measure on this machine, within a minute: a free slot, the rate through jitter, a batch of 100.

    Against the simulated exchange only. Exit code 1 if a 2 s window held more than 20 or anything was refused.
    """
    from okx_async.cli.bench import run  # noqa: PLC0415 - imports the simulator

    raise typer.Exit(run(as_json=as_json))
