"""Arrivals in the 2 s before each moment, for every limiter and network: one picture, with a line at the limit."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import matplotlib as mpl

mpl.use("Agg")
from collections.abc import Sequence
from pathlib import Path

from matplotlib import pyplot as plt

__all__ = ["windows"]

LIMIT, PER = 20, 2.0


def counts(arrivals: Sequence[float]) -> tuple[list[float], list[int]]:
    """Return the moments at which the count changes, and the arrivals in the `PER` seconds up to each."""
    moments = sorted([*arrivals, *(at + PER for at in arrivals)])
    return moments, [bisect_right(arrivals, at) - bisect_left(arrivals, at - PER + 1e-9) for at in moments]


def windows(runs: Sequence[tuple[str, str, Sequence[float]]], folder: Path) -> Path:
    """Draw (limiter, network, arrivals) as a grid and return the file."""
    limiters = list(dict.fromkeys(run[0] for run in runs))
    profiles = list(dict.fromkeys(run[1] for run in runs))
    figure, grid = plt.subplots(
        len(limiters), len(profiles), figsize=(10, 1.05 * len(limiters)), sharex=True, sharey=True, squeeze=False
    )
    for limiter, profile, arrivals in runs:
        axes = grid[limiters.index(limiter)][profiles.index(profile)]
        moments, held = counts(arrivals)
        ours = limiter.startswith("okx_async")
        axes.axhline(LIMIT, color="black", linewidth=0.7, linestyle="--")
        axes.fill_between(
            moments, held, LIMIT, where=[n > LIMIT for n in held], step="post", color="tab:red", alpha=0.6, linewidth=0
        )
        axes.step(moments, held, where="post", linewidth=0.8, color="tab:blue" if ours else "tab:gray")
        axes.tick_params(labelsize=6)
    for axes, profile in zip(grid[0], profiles, strict=True):
        axes.set_title(profile, fontsize=8)
    for row, limiter in zip(grid, limiters, strict=True):
        row[0].set_ylabel(limiter, fontsize=6, rotation=0, ha="right", va="center")
    for axes in grid[-1]:
        axes.set_xlabel("s", fontsize=7)
        axes.set_xlim(0, 1 + max(arrivals[-1] + PER for _, _, arrivals in runs))
    figure.suptitle("Arrivals at the exchange in the last 2 s; above the line: over the limit of 20", fontsize=9)
    figure.tight_layout(pad=0.5, rect=(0, 0, 1, 0.99))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "windows.png"
    figure.savefig(path, dpi=100)
    plt.close(figure)
    return path
