"""Apply each fault to a copy of the package and see whether the tests notice: `make mutants`.

Run: python -m tests.mutants.run [words of a fault's name]. Prints the test that noticed each fault, and fails if one
went unnoticed, or if the tests fail without any fault.
"""

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
FAULTS = Path(__file__).with_name("faults.txt")
FURTHER = ["tests/_limiter", "tests/_rest", "tests/_http", "tests/_calls", "tests/_flatten", "tests/faults"]
FURTHER += ["tests/sockets", "tests/cli/test_streams.py", "tests/test_pytest_plugin_beside.py"]
"""Run where the twin of the changed module, which comes first, and its folder notice nothing."""
STORES = ["tests/stores", "tests/conformance"]
"""The same for the limits that processes share."""
SECONDS = 400
MEMORY = 4 << 30
"""Bytes for the tests of a fault, which need 1 GiB: a loop that turns for ever may keep something each time."""


class Fault(NamedTuple):
    """A text that occurs once in a file of the package, changed from `good` to `bad`."""

    path: str
    name: str
    good: str
    bad: str

    @property
    def nearest(self) -> list[list[str]]:
        """The twin of the changed module with the files that add a topic to its name; then their folder."""
        module = PurePosixPath(self.path)
        folder, twin = ROOT / "tests" / module.parent, f"test_{module.stem.lstrip('_')}"
        steps = [[*folder.glob(f"{twin}.py"), *sorted(folder.glob(f"{twin}_*.py"))]]
        if folder.is_dir() and folder.name != "tests":  # all of them would take too long
            steps.append([folder])
        return [[str(path.relative_to(ROOT)) for path in step] for step in steps if step]


def read(text: str) -> list[Fault]:
    """Return the faults of a list: blocks of a head, "path: name", and of lines that begin with - or +."""
    faults = []
    for block in text.split("\n\n")[1:]:
        head, *lines = block.strip("\n").split("\n")
        path, _, name = head.partition(": ")
        good, bad = ("\n".join(line[1:] for line in lines if line[0] == sign) for sign in "-+")
        faults.append(Fault(path, name, good, bad))
    return faults


@contextmanager
def planted(fault: Fault | None) -> Iterator[dict[str, str]]:
    """Copy the package, with the fault; yields the environment of a process that imports the copy."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "okx_async"
        shutil.copytree(ROOT / "okx_async", copy, ignore=shutil.ignore_patterns("__pycache__"))
        if fault is not None:
            text = (copy / fault.path).read_text()
            if text.count(fault.good) != 1:
                raise SystemExit(f"{fault.name}: its text occurs {text.count(fault.good)} times in {fault.path}")
            (copy / fault.path).write_text(text.replace(fault.good, fault.bad))
        # The copy before this checkout, whose tests they are, and that before an installed one. A safe path leaves out
        # the working directory, which holds the real package.
        path = os.pathsep.join([folder, str(ROOT)])
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONSAFEPATH": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        where = [sys.executable, "-c", "import okx_async; print(okx_async.__file__)"]
        found = subprocess.run(where, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)  # noqa: S603
        if not found.stdout.startswith(folder):
            raise SystemExit(f"{found.stdout.strip()} would be imported, not the copy")
        yield environment


def noticed(fault: Fault | None) -> str:
    """Return the test that failed, or nothing if none did; None: the package as it is."""
    if fault is None:
        steps = [FURTHER, STORES]
    else:
        further = STORES if fault.path.startswith("stores/") else FURTHER
        steps = [*fault.nearest, further]
    with planted(fault) as environment:
        return next(filter(None, (failed(tests, environment) for tests in steps)), "")


def failed(tests: list[str], environment: dict[str, str]) -> str:
    """Run tests until one fails, and return its name."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider"]
    command += ["--timeout=60", "-W", "ignore", *tests]
    with tempfile.TemporaryFile(
        "w+"
    ) as told:  # a pipe would be awaited until forked children of a test have ended, too
        process = subprocess.Popen(  # noqa: S603 - our own tests
            command, cwd=ROOT, env=environment, stdout=told, stderr=subprocess.STDOUT, start_new_session=True
        )
        resource.prlimit(process.pid, resource.RLIMIT_AS, (MEMORY, MEMORY))
        try:
            code = process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            return "(ran out of time)"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        told.seek(0)
        output = told.read()
    if code == 0:
        return ""
    lines = [line for line in output.splitlines() if line.startswith(("FAILED", "ERROR", "+++ Timeout"))]
    return lines[0].split(" - ")[0] if lines else f"(pytest ended with {code})"


def main() -> None:
    """Run all faults, two at a time."""
    words = " ".join(sys.argv[1:])
    faults = [fault for fault in read(FAULTS.read_text()) if words in fault.name]
    if not faults:
        raise SystemExit(f"no fault has {words!r} in its name")
    if test := noticed(None):
        raise SystemExit(f"{test} fails without any fault, so the faults would prove nothing")
    missed = 0
    with ThreadPoolExecutor(2) as pool:
        for fault, test in zip(faults, pool.map(noticed, faults), strict=True):
            missed += not test
            print(f"{'noticed' if test else 'MISSED':8} {fault.path:22} {fault.name:48} {test}", flush=True)
    print(f"{len(faults) - missed} of {len(faults)} faults noticed")
    raise SystemExit(missed > 0)


if __name__ == "__main__":
    main()
