"""Apply each fault to a copy of the package and see whether the tests notice: `make mutants`.

Run: python tests/mutants/run.py [words of a fault's name]. Prints who noticed what, and fails if anything went
unnoticed, or if the tests fail without any fault.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
FAULTS = Path(__file__).with_name("faults.txt")
TESTS = [
    *(f"_limiter/test_{name}.py" for name in ("bucket", "queue", "limiter", "registry", "bucket_model")),
    *(f"_calls/test_{name}.py" for name in ("capacity", "exchange_clock", "sender", "batch")),
    *(f"_rest/test_{name}.py" for name in ("bodies", "responses", "records", "redaction", "remedies", "signing")),
    "_rest/test_outcomes.py",
]
SECONDS = 300


class Fault(NamedTuple):
    """A text of one file, which stands there once, changed from `good` to `bad`."""

    path: str
    name: str
    good: str
    bad: str


def read(text: str) -> list[Fault]:
    """Read the list of faults."""
    faults = []
    for block in text.split("\n\n")[1:]:
        head, *lines = block.strip("\n").split("\n")
        path, _, name = head.partition(": ")
        good, bad = ("\n".join(line[1:] for line in lines if line[0] == sign) for sign in "-+")
        faults.append(Fault(path, name, good, bad))
    return faults


def noticed(fault: Fault | None) -> str:
    """Return the test that failed, or nothing if none did; None: the package as it is."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "okx_async"
        shutil.copytree(ROOT / "okx_async", copy, ignore=shutil.ignore_patterns("__pycache__"))
        tests = TESTS
        if fault is not None:
            # The nearest twin first: most faults end the run within seconds.
            tests = sorted(TESTS, key=lambda name: name != fault.path.replace("/", "/test_"))
            source = copy / fault.path
            text = source.read_text()
            if text.count(fault.good) != 1:
                raise SystemExit(f"{fault.name}: its line stands {text.count(fault.good)} times in {fault.path}")
            source.write_text(text.replace(fault.good, fault.bad))
        command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider"]
        command += ["--timeout=60", "-W", "ignore", *(f"tests/{name}" for name in tests)]
        # The copy before this checkout, whose tests they are, and that before an installed one. Safe path: the working
        # directory, which holds the real package, is not looked at.
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([folder, str(ROOT)]),
            "PYTHONSAFEPATH": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        where = [sys.executable, "-c", "import okx_async; print(okx_async.__file__)"]
        found = subprocess.run(where, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)  # noqa: S603
        if not found.stdout.startswith(folder):
            raise SystemExit(f"the tests would run the package at {found.stdout.strip()}, not the copy")
        try:
            done = subprocess.run(  # noqa: S603 - our own tests
                command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return "(ran out of time)"
    if done.returncode == 0:
        return ""
    lines = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR", "+++ Timeout"))]
    return lines[0].split(" - ")[0] if lines else f"(pytest ended with {done.returncode})"


def main() -> None:
    """Run all faults, two at a time."""
    words = " ".join(sys.argv[1:])
    faults = [fault for fault in read(FAULTS.read_text()) if words in fault.name]
    if not faults:
        raise SystemExit(f"no fault has {words!r} in its name")
    if failed := noticed(None):
        raise SystemExit(f"without any fault {failed} fails, so that nothing can be said of the others")
    with ThreadPoolExecutor(2) as pool:
        missed = 0
        for fault, test in zip(faults, pool.map(noticed, faults), strict=True):
            missed += not test
            print(f"{'noticed' if test else 'MISSED':8} {fault.path:12} {fault.name:42} {test}", flush=True)
    print(f"{len(faults) - missed} of {len(faults)} faults noticed")
    raise SystemExit(missed > 0)


if __name__ == "__main__":
    main()
