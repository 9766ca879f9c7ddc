"""Plant each fault in a copy of the package and see whether random histories find it: `make planted`.

Run: python -m tests.planted.run [words of a fault's name] [--seeds 200]. Prints for each fault the number of seeds and
the invariant that found it, and fails if one was not found: then the world is too tame.
"""

import argparse
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutants.run import Fault, planted, read

FAULTS = Path(__file__).with_name("faults.txt")
SECONDS = 600
SHARED = "shared: "
"""The beginning of a fault's name that histories of programs that share a limit must find."""
# Prints the number of seeds that it took, and the breach.
HUNT = """
import sys
from okx_async.torture import happen, happen_shared, plan_of, sharing_plan
shared = sys.argv[2:] == ["shared"]
for seed in range(int(sys.argv[1])):
    try:
        broken = (happen_shared(sharing_plan(seed)) if shared else happen(plan_of(seed))).broken
    except Exception as error:
        broken = [repr(error)]
    if broken:
        print(seed + 1, broken[0])
        break
"""


def found(fault: Fault, seeds: int) -> tuple[int, str]:
    """Return the number of seeds that it took and the breach; 0 if the fault was not found, and why."""
    with planted(fault) as environment:
        command = [sys.executable, "-c", HUNT, str(seeds), *["shared"] * fault.name.startswith(SHARED)]
        try:
            done = subprocess.run(  # noqa: S603 - our own interpreter and text
                command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return 0, "it ran out of time"
    if done.returncode:
        return 0, done.stderr.strip()[-300:]
    taken, _, breach = done.stdout.strip().partition(" ")
    return int(taken or 0), breach


def main() -> None:
    """Run all faults, two at a time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="of a fault's name")
    parser.add_argument("--seeds", type=int, default=200)
    arguments = parser.parse_args()
    words = " ".join(arguments.words)
    faults = [fault for fault in read(FAULTS.read_text()) if words in fault.name]
    if not faults:
        parser.error(f"no fault's name has the words {words!r}")
    missed = 0
    with ThreadPoolExecutor(2) as pool:
        results = pool.map(lambda fault: found(fault, arguments.seeds), faults)
        for fault, (seeds, breach) in zip(faults, results, strict=True):
            missed += not seeds
            print(
                f"{'found' if seeds else 'MISSED':6} {seeds or '-':>4} {fault.path:22} {fault.name:52} {breach[:110]}",
                flush=True,
            )
    print(f"{len(faults) - missed} of {len(faults)} faults found within {arguments.seeds} seeds")
    raise SystemExit(missed > 0)


if __name__ == "__main__":
    main()
