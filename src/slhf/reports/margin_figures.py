"""Figures of margins: how they spread before and after an update, and what each one weighs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.special import expit

from slhf.reports.style import CYCLE, FOLLOWER, INK, LEADER, LITERAL, SOFT

Array = NDArray[np.float64]

_ACROSS = 3
_BINS = 40


@dataclass(frozen=True, eq=False)
class Margins:
    """The pairs of one update.

    Attributes:
        name: of the update.
        before: ξ when it began, shape (N,).
        after: ξ when it was done, shape (N,).
        weight: what each pair weighed when it began, N times −∂V/∂ξ; σ(−ξ) without an adversary.
        moved: share of each pair that the adversary moved or flipped, shape (N,).
        multiplier: λ*, the adversary's price of moving; 0 without one.
    """

    name: str
    before: Array
    after: Array
    weight: Array
    moved: Array
    multiplier: float


def histograms(updates: Sequence[Margins]) -> Figure:
    """Draw the margins before and after each update; the few beyond the axis stand in its outermost bars."""
    ends = _ends(np.concatenate([m for u in updates for m in (u.before, u.after)]))
    edges = np.linspace(*ends, _BINS + 1)
    with rc_context(LITERAL):
        figure, grid = _grid(len(updates))
        for axes, update in zip(grid.flat, updates, strict=False):
            for values, colour, name in ((update.before, SOFT, "before"), (update.after, LEADER, "after")):
                axes.hist(np.clip(values, *ends), bins=edges, color=colour, alpha=0.55, label=name)
            axes.axvline(0.0, color=INK, linewidth=0.8)
            axes.set_title(update.name, fontsize=10)
        _finish(figure, grid, len(updates), "margin ξ", "pairs")
        return figure


def weights(updates: Sequence[Margins]) -> Figure:
    """Draw what each pair weighs against its margin, those the adversary moved in another colour, DPO's as a line."""
    before = np.concatenate([u.before for u in updates])
    ends = min(float(before.min()) - 0.05, -0.1), _ends(before)[1]  # the lowest are those that are moved
    line = np.linspace(*ends, 200)
    with rc_context(LITERAL):
        figure, grid = _grid(len(updates))
        for axes, update in zip(grid.flat, updates, strict=False):
            axes.plot(line, expit(-line), color=SOFT, linewidth=1.2, label="DPO: σ(−ξ)")
            kept = update.moved <= 0.0
            for rows, colour, name in ((kept, LEADER, "left in place"), (~kept, FOLLOWER, "moved")):
                axes.scatter(update.before[rows], update.weight[rows], s=9, color=colour, linewidth=0, label=name)
            if update.multiplier > 0.0:
                axes.axhline(update.multiplier, color=CYCLE, linewidth=0.9, linestyle=":", label="λ*")
            axes.set_xlim(*ends)
            axes.set_title(update.name, fontsize=10)
        _finish(figure, grid, len(updates), "margin ξ before the update", "weight")
        return figure


def _ends(values: Array) -> tuple[float, float]:
    """Return an axis that holds all but the outermost margins, and is never empty."""
    low, high = (float(x) for x in np.quantile(values, [0.005, 0.995]))
    return min(low, -0.1), max(high, 0.1)


def _grid(count: int) -> tuple[Figure, Any]:
    """Return a figure and its charts as an array of Axes."""
    across = 2 if count == 4 else min(_ACROSS, count)
    down = -(-count // across)
    figure = Figure(figsize=(max(3.0 * across + 0.4, 5.0), 2.5 * down + 0.7), layout="constrained")
    return figure, figure.subplots(down, across, squeeze=False, sharex=True)


def _finish(figure: Figure, grid: Any, count: int, across: str, up: str) -> None:
    for number, axes in enumerate(grid.flat):
        axes.set_visible(number < count)
        axes.tick_params(labelbottom=number + grid.shape[1] >= count)
    for axes in grid[:, 0]:
        axes.set_ylabel(up)
    figure.supxlabel(across, fontsize=10)
    handles, labels = _keys(grid.flat[:count])
    figure.legend(handles, labels, loc="outside upper center", frameon=False, ncols=len(labels))


def _keys(panels: Iterable[Axes]) -> tuple[list[Any], list[str]]:
    """Return each name of the legend once, whichever panel has it."""
    found: dict[str, Any] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    return list(found.values()), list(found)
