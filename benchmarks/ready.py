"""Whether all that a run measures can be imported, in seconds and not after half of the run.

Run: python -m benchmarks.ready (fails and names what is missing; `make bench` begins with it)
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

from benchmarks import clients, peers


def missing() -> list[str]:
    """Return what a whole run would leave out."""
    names = [f"{name} (client)" for name in clients.NAMES if not clients.interpreter(name)]
    found = {peer.name for peer in peers.installed()}
    names += [f"{name} (limiter)" for name in peers.NAMES if name not in found]
    names += [name for name in ("matplotlib", "pyperf", "trustme", "uvloop") if not find_spec(name)]
    if clients.PEER.exists():
        command = [str(clients.PEER), "-P", "-c", "import okx_async.AsyncTrade"]
        done = subprocess.run(command, check=False, capture_output=True)  # noqa: S603 - the neighbour's own
        names += ["python-okx-async (cannot be imported)"] if done.returncode else []
    return names


def main() -> None:
    """Say so."""
    if names := missing():
        raise SystemExit(f"not ready: {', '.join(names)}")
    print(f"ready: {len(clients.NAMES)} clients, {len(peers.NAMES)} limiters", file=sys.stderr)


if __name__ == "__main__":
    main()
