"""The two pictures of docs/benchmarks.md."""

import statistics
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt

mpl.use("Agg")
LIMIT, PER = 20, 2.0


def bars(figures: Mapping[str, Sequence[Sequence[float]]], path: Path) -> None:
    """Draw µs of CPU a close, one by one and fifty at once, for each client."""
    shown = {name: both for name, both in figures.items() if all(both)}
    names = sorted(shown, key=lambda name: statistics.median(shown[name][0]), reverse=True)
    figure, axes = plt.subplots(figsize=(8, 0.6 + 0.45 * len(names)))
    for place, name in enumerate(names):
        color = "tab:blue" if name.startswith("okx_async") else "tab:gray"
        for y, runs, shade in zip((place + 0.2, place - 0.2), shown[name], (1.0, 0.5), strict=True):
            middle = statistics.median(runs)
            error = {"xerr": [[middle - min(runs)], [max(runs) - middle]], "error_kw": {"linewidth": 0.7}}
            axes.barh(y, middle, height=0.38, color=color, alpha=shade, **error)
            axes.text(middle, y, f" {middle:,.0f}", va="center", fontsize=6)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.set_xscale("log")
    axes.set_xlabel("µs of CPU a close; dark: one by one, light: 50 at once", fontsize=8)
    axes.tick_params(axis="x", labelsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def windows(runs: Sequence[tuple[str, str, Sequence[float]]], path: Path) -> None:
    """Draw the arrivals in the 2 s before each moment, with a line at the limit: (limiter, network, arrivals)."""
    limiters, profiles = (list(dict.fromkeys(names)) for names in list(zip(*runs, strict=True))[:2])
    figure, grid = plt.subplots(
        len(limiters), len(profiles), figsize=(10, 1.05 * len(limiters)), sharex=True, sharey=True, squeeze=False
    )
    for limiter, profile, arrivals in runs:
        axes = grid[limiters.index(limiter)][profiles.index(profile)]
        moments = sorted([*arrivals, *(at + PER for at in arrivals)])  # at which the count changes
        held = [bisect_right(arrivals, at) - bisect_left(arrivals, at - PER + 1e-9) for at in moments]
        axes.axhline(LIMIT, color="black", linewidth=0.7, linestyle="--")
        over = [n > LIMIT for n in held]
        axes.fill_between(moments, held, LIMIT, where=over, step="post", color="tab:red", alpha=0.6, linewidth=0)
        color = "tab:blue" if limiter.startswith("okx_async") else "tab:gray"
        axes.step(moments, held, where="post", linewidth=0.8, color=color)
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
    figure.savefig(path, dpi=100)
