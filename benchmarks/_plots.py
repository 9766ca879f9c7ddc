"""The pictures of docs/benchmarks.md, and that of docs/index.md."""

import statistics
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt

mpl.use("Agg")
mpl.rcParams.update({"svg.hashsalt": "okx_async", "svg.fonttype": "none"})  # one drawing, one file; text as text
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
        moments, held = _counts(arrivals)
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


SHOWN = ("okx_async", "aiolimiter", "ccxt-rolling", "limits", "pyrate-limiter")
_INKS = {"light": ("#1b1b1f", "#1f6feb"), "dark": ("#d4d4d8", "#58a6ff")}


def landing(runs: Sequence[tuple[str, str, Sequence[float]]], folder: Path, profile: str = "jitter") -> None:
    """Draw the same for some limiters over one network, once for light pages and once for dark ones."""
    drawn = {limiter: arrivals for limiter, network, arrivals in runs if network == profile and limiter in SHOWN}
    names = [name for name in SHOWN if name in drawn]
    for theme, (ink, ours) in _INKS.items() if names else ():
        figure, _ = plt.subplots(len(names), 1, figsize=(7.2, 0.9 * len(names)), sharex=True, sharey=True)
        for axes, name in zip(figure.axes, names, strict=True):
            moments, held = _counts(drawn[name])
            over = [n > LIMIT for n in held]
            axes.fill_between(moments, held, LIMIT, where=over, step="post", color="#e5484d", linewidth=0)
            axes.step(moments, held, where="post", linewidth=1.2, color=ours if name == "okx_async" else ink)
            axes.axhline(LIMIT, color=ink, linewidth=0.8, linestyle="--")
            worst = max(held)
            axes.text(
                1.01,
                0.5,
                f"{worst}",
                transform=axes.transAxes,
                va="center",
                fontsize=13,
                weight="bold",
                color="#e5484d" if worst > LIMIT else ours,
            )
            axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=11, color=ink)
            axes.set_yticks([0, LIMIT, 2 * LIMIT])
            axes.tick_params(labelsize=8, colors=ink)
            for spine in axes.spines.values():
                spine.set_visible(False)
        figure.axes[-1].set_xlabel("s", fontsize=9, color=ink)
        figure.tight_layout(pad=0.4)
        figure.savefig(folder / f"arrivals-{theme}.svg", transparent=True, metadata={"Date": None})
        plt.close(figure)


def _counts(arrivals: Sequence[float]) -> tuple[list[float], list[int]]:
    """Return the moments at which the count of arrivals in the last 2 s changes, and the count at each."""
    moments = sorted([*arrivals, *(at + PER for at in arrivals)])
    return moments, [bisect_right(arrivals, at) - bisect_left(arrivals, at - PER + 1e-9) for at in moments]
