"""Each figure from a process of its own, all subjects taking turns within a round.

pyperf runs one benchmark to its end before it starts the next, so noise that comes and goes hits one subject and not
the other. Here a round visits every subject once, in an order that changes from round to round; a fresh process
each time, as pyperf's workers are, so that no subject inherits another's threads, timers and garbage.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["rounds"]

ROOT = Path(__file__).parent.parent


def rounds(module: str, jobs: Sequence[Sequence[str]], count: int) -> dict[str, list[dict[str, float]]]:
    """Run ``python -m module --job …`` for each job, `count` times; the answers by the job's first word.

    A job answers with one JSON object on stdout. Several jobs of one first word are merged, round by round.
    """
    answers: dict[str, list[dict[str, float]]] = {job[0]: [{} for _ in range(count)] for job in jobs}
    rng = random.Random(1)
    for number in range(count):
        for job in rng.sample(jobs, len(jobs)):
            if sys.stderr.isatty():
                print(f"\rround {number + 1} of {count}: {job[0]:40}", end="\r", file=sys.stderr, flush=True)
            done = subprocess.run(  # noqa: S603 - this very interpreter, on our own module
                [sys.executable, "-m", module, "--job", *job], cwd=ROOT, check=True, stdout=subprocess.PIPE
            )
            answers[job[0]][number] |= json.loads(done.stdout)
    return answers
