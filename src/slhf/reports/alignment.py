"""The parts of the page a run of alignment from few labels ends with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from slhf.evaluation import Estimates
from slhf.reports.line_figures import Axis, Line, line_figure
from slhf.reports.margin_figures import Margins, histograms, weights
from slhf.reports.page import Part
from slhf.reports.pictures import Picture
from slhf.reports.side_by_side import answers_part
from slhf.reports.templates import fill

RATES_NOTE = (
    "How often each stage's answers to held-out prompts are preferred to the base's, and to those of the seed stage, "
    "by the judge of the evaluation. The bands are 95 % intervals, the dashed line is a draw."
)
MARGINS_NOTE = (
    "The margin of a pair is ξ = β[log π/π_SFT(chosen) − log π/π_SFT(rejected)]: how much more the policy than the SFT "
    "model favours the chosen answer. Under the SFT model all margins are 0."
)
WEIGHTS_NOTE = (
    "What each pair weighs when an update begins. DPO's weight grows towards 1 the more a pair looks wrong. The "
    "adversary moves the pairs below a threshold to the lower end of the window, and all of these weigh the same, λ*: "
    "more than in DPO just below the threshold, less far below it, so that no wrong label weighs more than that."
)
TOUCHED_NOTE = (
    "The pairs the adversary moved, largest share first, then smallest margin. Marked in the rejected answer: what the "
    "chosen one has and it has not is struck out, what it has and the chosen one has not is underlined."
)


def win_rates_part(rates: Mapping[str, Estimates], iterations: Sequence[int]) -> Part:
    """Return the win rates of the iterations as lines with intervals.

    Args:
        rates: by opponent, win rates at ``iterations``; one opponent may have fewer: the last ones.
        iterations: their numbers, 0 being the seed stage.
    """
    lines = [
        Line(f"over {name}", np.array(iterations[len(iterations) - found.mean.size :], dtype=float), found)
        for name, found in rates.items()
    ]
    figure = line_figure(lines, Axis("iteration (0: seed pairs alone)", whole=True), "win rate (95 % interval)")
    return Part(
        "Win rates", [Picture("win-rates", "Win rates on held-out prompts after each iteration", figure)], RATES_NOTE
    )


def stages_part(rows: Sequence[Mapping[str, Any]]) -> Part:
    """Return what every iteration trained on and what the adversary did, as a table.

    Args:
        rows: a dict an iteration, with ``name`` and the values of :data:`slhf.reports.alignment.COLUMNS`.
    """
    table = fill(
        "numbers.html",
        corner="update",
        columns=list(COLUMNS.values()),
        rows=[(row["name"], [_written(row.get(key)) for key in COLUMNS]) for row in rows],
        caption="",
    )
    return Part("Updates", [table])


COLUMNS = {
    "new_pairs": "new pairs",
    "pairs": "pairs trained on",
    "loss": "loss",
    "mean_loss": "mean loss",
    "value": "worst case V",
    "multiplier": "λ*",
    "moved": "share moved",
    "projected": "outside the window",
    "certificate": "primal − dual",
}
"""What is shown of an update, and its heading."""


def margins_part(updates: Sequence[Margins]) -> Part:
    """Return histograms of the margins before and after each update."""
    figure = histograms(updates)
    return Part(
        "Margins", [Picture("margins", "Margins of the pairs before and after each update", figure)], MARGINS_NOTE
    )


def weights_part(updates: Sequence[Margins]) -> Part:
    """Return what each pair weighs against its margin."""
    figure = weights(updates)
    return Part("Weights", [Picture("weights", "Weights of the pairs against their margins", figure)], WEIGHTS_NOTE)


def touched_part(rows: Sequence[Mapping[str, Any]], limit: int = 8) -> Part:
    """Return the pairs the adversary touched most, side by side.

    Args:
        rows: at least one dict a pair: ``prompt`` as text, ``chosen``, ``rejected``, ``margin_before``, ``weight``,
            ``moved`` and ``iteration``, the one it is from.
        limit: pairs shown.
    """
    order = sorted(rows, key=lambda row: (-row["moved"], row["margin_before"]))[:limit]
    prompts = [
        f"{row['prompt']}\n(from iteration {row['iteration']}; margin {row['margin_before']:.2f}, weight "
        f"{row['weight']:.3f}, moved {row['moved']:.2f})"
        for row in order
    ]
    columns = [("chosen", [row["chosen"] for row in order]), ("rejected", [row["rejected"] for row in order])]
    return answers_part(prompts, columns, limit=limit, heading="What the adversary touched most", note=TOUCHED_NOTE)


def recipe_part(recipe: str) -> Part:
    """Return a run's recipe, folded away."""
    return Part("Recipe", [fill("recipe.html", recipe=recipe)])


def _written(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.1e}" if 0.0 < abs(value) < 1e-4 else f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
