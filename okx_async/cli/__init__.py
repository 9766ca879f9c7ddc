"""The command line `okx-async`; needs the extra ``[cli]`` (typer and rich)."""

import sys
from pathlib import Path

from okx_async.cli.phases import guard_signals
from okx_async.cli.streams import guard_streams

_INTERRUPTED = 130
"""As a shell tells Ctrl-C."""


def main() -> None:
    """Run the command line; the process ends with the command's exit code."""
    guard_streams()
    guard_signals()
    try:
        _run()
    except KeyboardInterrupt:  # before the command has begun: what it imports takes a while
        sys.exit(_INTERRUPTED)


def _run() -> None:
    try:
        import rich  # noqa: F401, PLC0415 - its absence is reported below

        from okx_async import NotSentError  # noqa: PLC0415 - the same
        from okx_async.cli.app import app  # noqa: PLC0415 - the same
        from okx_async.cli.exits import ExitCode, finish, say_error  # noqa: PLC0415 - the same
        from okx_async.cli.log import finish_log  # noqa: PLC0415 - the same
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.startswith("okx_async"):
            raise  # a bug of this package, not a missing extra
        sys.stderr.write(f"okx-async: {missing.name} is not installed; run: pip install 'okx-async[cli]'\n")
        sys.exit(2)
    except ImportError as fault:
        if fault.name != "okx_async":
            raise
        _exit_if_overwritten()
        raise
    try:
        app()
    except SystemExit as end:
        finish_log()
        finish(end.code)
    except NotSentError as error:  # no event loop could be made, of a command that has nothing to tell of requests
        say_error(error)
        finish(ExitCode.FAILED)


def _exit_if_overwritten() -> None:
    """Exit with the remedy if another distribution has replaced files of this package."""
    from okx_async.doctor.clash import clash  # noqa: PLC0415 - only needed here
    from okx_async.doctor.finding import Level  # noqa: PLC0415 - the same

    wrong = [one for one in clash(sys.path, Path(__file__).parent.parent) if one.level is Level.FAIL]
    if wrong:
        sys.stderr.write(f"okx-async: {wrong[0].text}; {wrong[0].remedy}\n")
        sys.exit(2)
