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
from collections.abc import Sequence
from pathlib import Path

__all__ = ["neighbours", "rounds"]

ROOT = Path(__file__).parent.parent


def rounds(module: str, jobs: Sequence[Sequence[str]], count: int) -> dict[str, list[dict[str, float]]]:
    """Run ``python -m module --job …`` for each job, `count` times; the answers by the job's first word.

    A job answers with one JSON object on stdout. Several jobs of one first word are merged, round by round.
    """
    answers: dict[str, list[dict[str, float]]] = {job[0]: [{} for _ in range(count)] for job in jobs}
    rng = random.Random(1)
    for number in range(count):
        for job in rng.sample(jobs, len(jobs)):
            answers[job[0]][number] |= _run(module, job, f"round {number + 1} of {count}")
    return answers


def neighbours(
    module: str, jobs: Sequence[Sequence[str]], count: int, ours: Sequence[str]
) -> tuple[dict[str, list[dict[str, float]]], dict[str, list[dict[str, float]]]]:
    """Do the same with a run of `ours` right before each of the others: return the answers, and those neighbours.

    A machine whose speed changes from minute to minute makes medians of different processes incomparable. What is
    compared is therefore each run with the one beside it. The answers of `ours` are all of its runs.
    """
    answers: dict[str, list[dict[str, float]]] = {job[0]: [] for job in [ours, *jobs]}
    beside: dict[str, list[dict[str, float]]] = {job[0]: [] for job in jobs}
    rng = random.Random(1)
    for number in range(count):
        for job in rng.sample(jobs, len(jobs)):
            beside[job[0]].append(_run(module, ours, f"round {number + 1} of {count}"))
            answers[job[0]].append(_run(module, job, f"round {number + 1} of {count}"))
    answers[ours[0]] = [answer for name in beside for answer in beside[name]]
    return answers, beside


def _run(module: str, job: Sequence[str], title: str) -> dict[str, float]:
    if sys.stderr.isatty():
        print(f"\r{title}: {job[0]:40}", end="\r", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", module, "--job", *job]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)  # noqa: S603 - this very interpreter, on our own module
    answer: dict[str, float] = json.loads(done.stdout)
    return answer
