"""Plant each fault in a copy of the package and see whether random histories find it: `make planted`.

Run: python tests/planted/run.py [words of a fault's name] [--seeds 200]. Prints by how many seeds, and by which
invariant, each was found, and fails if one was not: then the world is too tame.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[2]
FAULTS = Path(__file__).with_name("faults.txt")
SECONDS = 600
# Ends with the seed and the breach that gave the fault away.
HUNT = """
import sys
import okx_async
from okx_async.torture import happen, plan_of
assert okx_async.__file__.startswith(sys.argv[2]), "not the copy"
for seed in range(int(sys.argv[1])):
    try:
        broken = happen(plan_of(seed)).broken
    except Exception as error:
        broken = [repr(error)]
    if broken:
        print(seed + 1, broken[0])
        break
"""


def mutants() -> ModuleType:
    """Return the script of the mutants, for the way in which it reads a list of faults."""
    spec = importlib.util.spec_from_file_location("mutants", ROOT / "tests" / "mutants" / "run.py")
    if spec is None or spec.loader is None:
        raise SystemExit("tests/mutants/run.py is gone")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def found(fault: Any, seeds: int) -> str:
    """Return the number of seeds that it took and the breach; nothing if it was not found."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "okx_async"
        shutil.copytree(ROOT / "okx_async", copy, ignore=shutil.ignore_patterns("__pycache__"))
        source = copy / fault.path
        text = source.read_text()
        if text.count(fault.good) != 1:
            return f"0 STALE: its text stands {text.count(fault.good)} times in {fault.path}"
        source.write_text(text.replace(fault.good, fault.bad))
        # Safe path: the working directory, which holds the real package, is not looked at.
        environment = {**os.environ, "PYTHONPATH": folder, "PYTHONSAFEPATH": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-c", HUNT, str(seeds), folder]
        try:
            done = subprocess.run(  # noqa: S603 - our own interpreter and text
                command, cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return "? it ran out of time"
    return done.stdout.strip() if done.returncode == 0 else f"? {done.stderr.strip()[-300:]}"


def main() -> None:
    """Run all faults, two at a time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="of a fault's name")
    parser.add_argument("--seeds", type=int, default=200)
    arguments = parser.parse_args()
    words = " ".join(arguments.words)
    faults = [fault for fault in mutants().read(FAULTS.read_text()) if words in fault.name]
    if not faults:
        parser.error(f"no fault's name has the words {words!r}")
    missed = 0
    with ThreadPoolExecutor(2) as pool:
        for fault, line in zip(faults, pool.map(lambda one: found(one, arguments.seeds), faults), strict=True):
            seeds, _, breach = line.partition(" ")
            lost = not seeds.isdecimal() or seeds == "0"
            missed += lost
            print(f"{'MISSED' if lost else 'found':6} {seeds or '-':>4} {fault.path:14} {fault.name:52} {breach[:110]}")
    print(f"{len(faults) - missed} of {len(faults)} faults found within {arguments.seeds} seeds")
    raise SystemExit(missed > 0)


if __name__ == "__main__":
    main()
