"""The `doctor` command: the findings of `okx_async.doctor`, one line each, printed as they come."""

from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from okx_async import InvalidRequestError, Limiter, NotSentError
from okx_async._rest.rate_keys import check_user_id
from okx_async.cli.exits import ExitCode, emit, exit_code, say, say_error
from okx_async.cli.limits import lease_finding
from okx_async.cli.signals import Stop, interruptible, run
from okx_async.cli.target import Target
from okx_async.doctor import Finding, Level, examine_exchange, examine_keys, examine_limits, examine_machine
from okx_async.doctor.limits import unusable_limits


def examine(target: Target, user_id: str | None, *, as_json: bool) -> ExitCode:
    """Examine machine, keys and exchange, and print the findings; return FAILED if anything will not work."""
    findings: list[Finding] = []

    def found(finding: Finding) -> None:
        findings.append(finding)
        if not as_json:
            from okx_async.cli.tables import print_finding  # noqa: PLC0415 - not for JSON

            print_finding(finding)

    try:
        target.check()  # a wrong option is reported before any finding
        if user_id is not None:
            check_user_id(user_id)
    except InvalidRequestError as error:
        say_error(error)
        return exit_code(error)
    credentials, keys = examine_keys()
    stop = Stop()
    limits: Finding | None = None
    of_limits: list[Finding] = []
    finished = False
    with suppress(KeyboardInterrupt), interruptible(stop):
        limits = examine_limits()  # asks a server, perhaps a slow one
    try:
        if limits is not None:
            given = {"credentials": credentials, "user_id": user_id, "on_finding": found}
            finished, of_limits = _look(target, given, stop, limits)
    except InvalidRequestError as error:  # options that these limits do not go with
        say_error(error)
        return exit_code(error)
    # After what the exchange told: host, environment and clock matter most.
    for finding in (keys, *examine_machine(), *of_limits):
        found(finding)
    counts = Counter(finding.level for finding in findings)
    if not finished:
        say(f"{stop.word}: not everything was looked at")
    if as_json:
        emit({"finished": finished, "findings": [asdict(finding) for finding in findings]})
    else:
        from okx_async.cli.tables import print_counts  # noqa: PLC0415 - the same

        print_counts(counts)
    return ExitCode.FAILED if counts[Level.FAIL] or not finished else ExitCode.DONE


def _look(target: Target, given: dict[str, Any], stop: Stop, limits: Finding) -> tuple[bool, list[Finding]]:
    """Look at the exchange; return whether that was finished, and what is found of the limits."""
    usable = limits.level is not Level.FAIL  # those that cannot be used bar no look at the exchange
    lease = lease_finding(target.connect_timeout, target.timeout) if usable else None
    given |= target.arguments()
    try:
        limiter = None if usable and lease is None else Limiter()
        finished = _visit(examine_exchange(**given, limiter=limiter), given["on_finding"], stop)
    except InvalidRequestError as error:
        if error.key is None:
            raise
        limits = unusable_limits(error)  # on the terms of this command line, say
        finished = _visit(examine_exchange(**given, limiter=Limiter()), given["on_finding"], stop)
    return finished, [limits, *filter(None, [lease])]


def _visit(visit: Coroutine[Any, Any, list[Finding]], found: Callable[[Finding], object], stop: Stop) -> bool:
    """Look at the exchange; return whether that was finished."""
    try:
        return run(visit, stop) is not None
    except NotSentError as error:  # no event loop could be made
        found(Finding("host", Level.FAIL, f"not looked at: {error}", "ulimit -n 1024, or close what has them open"))
        return True
