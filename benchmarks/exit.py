"""Seconds to proven flat, in virtual time: alone, beside pollers of positions, beside a hog, and with orders resting.

Run: python -m benchmarks.exit [--seeds N] [--folder DIR]

1, 20 and 100 positions, each on an instrument of its own, 20 to 22 ms each way. Three pollers read positions in a tight
loop on the same client. The hog is another program of the same user, without a limiter, on the key of the first
position: see `benchmarks/_rivals.py`. With orders resting, each position has two entries, a trigger order that would
add, and a stop. Its time ends as the last cancel arrives, which is that of the stops, after the proof.
A run that is not flat after 30 s counts as such.
"""

import asyncio
from functools import partial
from math import inf, isfinite
from statistics import median

from benchmarks._rivals import Rivals, Scene, flat_beside_a_hog, stage
from benchmarks._table import Report, arguments

BOOKS = (1, 20, 100)
RESTING = "orders that are cancelled"
RIVALS = ("alone", "three pollers", "a hog on one key", RESTING)  # a row each; another is a branch in `_play`
JITTER = 0.002
IN_TIME = 30.0


async def _play(scene: Scene, rivals: str, positions: int) -> tuple[float, ...]:
    """Flatten a book; return the seconds to proven flat (inf: not within 30 s) and to the first close that arrived."""
    names = [f"S{number}-USDT-SWAP" for number in range(positions)]
    for name in names:
        scene.exchange.open_position(name, 3)
        if rivals == RESTING:
            _rest(scene, name)
    async with scene.client() as client, Rivals() as others:
        await client.warm_up(min(positions, 100))
        if rivals == "three pollers":
            others.poll(client)
        elif rivals == "a hog on one key":
            others.hog(scene, names[0])
        await asyncio.sleep(4.0 + scene.rng.random())
        begun = scene.loop.clock()
        if rivals == RESTING:
            report = await client.flatten(deadline=IN_TIME, cancel_orders="entries", look_again=0.0)
        else:
            report = await client.flatten(deadline=IN_TIME)
        sent = [attempt.sent for row in report.rows for attempt in row.attempts if attempt.sent is not None]
        first = min(sent) - (scene.wall_clock() - (scene.loop.clock() - begun))
        seconds = report.seconds
        if rivals == RESTING:
            seconds = max(row.at for row in scene.exchange.journal if "/cancel-" in row.path) - begun
        left = bool(scene.exchange.pending_orders or scene.exchange.algo_orders)
        return seconds if report.flat and not left else inf, first


def _rest(scene: Scene, inst_id: str) -> None:
    """Let orders rest beside a long position."""
    for _ in range(2):
        scene.exchange.add_pending_order(inst_id, side="buy", reduce_only=False)
    scene.exchange.add_algo_order(inst_id, "trigger", side="buy", sz="1", reduce_only=False)
    scene.exchange.add_algo_order(inst_id)


def _cell(ends: list[float]) -> str:
    flat = [seconds for seconds in ends if isfinite(seconds)]
    if not flat:
        return f"0 of {len(ends)}"
    return f"{median(flat):.2f} s, at most {max(flat):.2f} s; {len(flat)} of {len(ends)}"


def main() -> None:
    """Play every book beside every rival."""
    given = arguments(__doc__, seeds=20).parse_args()
    report = Report("exit", "Seconds to proven flat", ("beside", *(f"{count} positions" for count in BOOKS)))
    raw = {}
    for rivals in RIVALS:
        cells = []
        for count in BOOKS:
            ends = [
                stage(partial(_play, rivals=rivals, positions=count), seed, jitter=JITTER)
                for seed in range(given.seeds)
            ]
            raw[f"{rivals}, {count}"] = ends
            cells.append(_cell([seconds for seconds, _ in ends]))
        report.add(rivals, *cells)
    hard = [stage(flat_beside_a_hog, seed)[0] for seed in range(5 * given.seeds)]
    report.notes.append(f"Median and most of {given.seeds} seeds, and how many were flat within {IN_TIME:g} s.")
    within = sum(map(isfinite, hard))
    report.notes.append(f"A hog on a network without jitter, the hardest: {within} of {len(hard)} seeds flat in time.")
    report.raw = raw
    report.publish(given.folder)


if __name__ == "__main__":
    main()
