"""The options of every command that talks to an exchange: which one it is, and the way to it."""

import inspect
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any

import typer

from okx_async import InvalidRequestError
from okx_async.cli.exits import say
from okx_async.cli.help import one_of

if TYPE_CHECKING:
    from okx_async.cli.target import Target


Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")]


def seconds(value: float | None) -> float | None:
    """Return an option's number of seconds, checked."""
    if value is not None and not (isfinite(value) and value >= 0):
        raise typer.BadParameter("must be a number of seconds, 0 or more")
    return value


def exchange(
    *,
    demo: Annotated[bool, typer.Option("--demo", help="Demo trading; needs an API key of demo trading.")] = False,
    region: Annotated[
        str, typer.Option("--region", help="The account's home.", **one_of("global", "eea", "us", "app", "au", "tr"))
    ] = "global",
    base_url: Annotated[
        str | None, typer.Option("--base-url", metavar="URL", help="Another host, for instance `okx-async simulate`.")
    ] = None,
    counts_as: Annotated[
        str | None,
        typer.Option("--counts-as", help="That host leads to OKX: one UID has one limit.", **one_of("live", "demo")),
    ] = None,
    proxy: Annotated[
        str | None,
        typer.Option(
            "--proxy",
            metavar="URL|env",
            envvar="OKX_PROXY",
            show_envvar=False,
            help="http://user:password@host:port; env: as HTTPS_PROXY and NO_PROXY say. Default: OKX_PROXY.",
        ),
    ] = None,
    cafile: Annotated[
        str | None, typer.Option("--cafile", metavar="PATH", help="Certificates to be trusted, too, in PEM form.")
    ] = None,
    local_addr: Annotated[
        str | None, typer.Option("--local-addr", metavar="IP", help="This machine's address to connect from.")
    ] = None,
    family: Annotated[
        str | None, typer.Option("--family", help="Connect by IPv4 or IPv6 only.", **one_of("ipv4", "ipv6"))
    ] = None,
    connect_timeout: Annotated[
        float, typer.Option("--connect-timeout", metavar="SECONDS", help="Seconds to a usable connection.")
    ] = 2.0,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", help="Seconds from there to the answer.")
    ] = 5.0,
) -> "Target":
    """Return the exchange that a command talks to."""
    from okx_async.cli.target import Target  # noqa: PLC0415 - not needed for --help

    target = Target(
        demo,
        region,
        base_url,
        counts_as=counts_as,
        proxy=(proxy or "").strip() or None,
        cafile=cafile,
        local_addr=local_addr,
        family=family,
        connect_timeout=connect_timeout,
        timeout=timeout,
    )
    with suppress(InvalidRequestError):  # an address that cannot be used: the command says so
        if note := target.route_note():
            say(note)
    return target


def with_target(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command in which the options of `exchange` stand in the place of its argument `target`."""
    options = inspect.signature(exchange).parameters
    signature = inspect.signature(command)
    parameters: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        parameters += options.values() if parameter.name == "target" else [parameter]

    @wraps(command)
    def run(**given: Any) -> None:
        command(target=exchange(**{name: given.pop(name) for name in options}), **given)

    shown: Any = run
    shown.__signature__ = signature.replace(parameters=parameters)
    shown.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run
