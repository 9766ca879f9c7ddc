"""What a close costs, for every client: one picture."""

from __future__ import annotations

import statistics

import matplotlib as mpl

mpl.use("Agg")
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib import pyplot as plt

__all__ = ["bars"]


def bars(figures: Mapping[str, Sequence[Sequence[float]]], folder: Path) -> Path:
    """Draw (one by one, fifty at once) for each client, in microseconds, and return the file."""
    shown = {name: both for name, both in figures.items() if all(both)}
    names = sorted(shown, key=lambda name: statistics.median(shown[name][0]), reverse=True)
    figure, axes = plt.subplots(figsize=(8, 0.6 + 0.45 * len(names)))
    for place, name in enumerate(names):
        for part, (runs, shade) in enumerate(zip(shown[name], (1.0, 0.5), strict=True)):
            middle = statistics.median(runs)
            axes.barh(
                place + 0.2 - 0.4 * part,
                middle,
                height=0.38,
                color="tab:blue" if name.startswith("okx_async") else "tab:gray",
                alpha=shade,
                xerr=[[middle - min(runs)], [max(runs) - middle]],
                error_kw={"linewidth": 0.7},
            )
            axes.text(middle, place + 0.2 - 0.4 * part, f" {middle:,.0f}", va="center", fontsize=6)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.set_xscale("log")
    axes.set_xlabel("µs of CPU a close; dark: one by one, light: 50 at once", fontsize=8)
    axes.tick_params(axis="x", labelsize=7)
    figure.tight_layout()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "clients.png"
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path
