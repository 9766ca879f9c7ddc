"""The command line, `okx-async`: needs the extra ``[cli]`` (typer and rich)."""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["main"]


def main() -> None:
    """Run the command line; the process ends with the command's exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # an ASCII terminal shows "?", and no command dies of a dash
    try:
        import rich  # noqa: F401, PLC0415 - only here can its absence be put in words

        from okx_async.cli.app import app  # noqa: PLC0415 - the same
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.startswith("okx_async"):
            raise  # a fault of ours
        sys.stderr.write(f"okx-async: {missing.name} is not installed; run: pip install 'okx-async[cli]'\n")
        sys.exit(2)
    except ImportError as fault:
        if fault.name != "okx_async":
            raise
        _overwritten()
        raise  # a fault of ours
    app()


def _overwritten() -> None:
    """End the process with the remedy, if another distribution has put its files in place of ours."""
    from okx_async.doctor.clash import clash  # noqa: PLC0415 - only needed here
    from okx_async.doctor.finding import Level  # noqa: PLC0415 - the same

    wrong = [one for one in clash(sys.path, Path(__file__).parent.parent) if one.level is Level.FAIL]
    if wrong:
        sys.stderr.write(f"okx-async: {wrong[0].text}; {wrong[0].remedy}\n")
        sys.exit(2)
