"""The command line, `okx-async`: needs the extra ``[cli]`` (typer and rich)."""

from __future__ import annotations

import sys

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
    app()
