"""The parts of a page of alignment show the numbers they are given."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from slhf.evaluation import Estimates
from slhf.reports import Page
from slhf.reports.alignment import (
    margins_part,
    recipe_part,
    stages_part,
    touched_part,
    weights_part,
    win_rates_part,
)
from slhf.reports.margin_figures import Margins, histograms, weights
from slhf.robust import adversary


@pytest.fixture
def updates() -> list[Margins]:
    """Two updates, the second against an adversary."""
    rng = np.random.default_rng(0)
    xi = rng.normal(0.3, 0.6, 200)
    worst = adversary(xi, window=(-1.5, 3.0), epsilon=0.1)
    zero = np.zeros(50)
    return [
        Margins("seed", zero, rng.normal(0.4, 0.2, 50), expit(-zero), np.zeros(50), 0.0),
        Margins("iteration-1", xi, xi + 0.5, worst.weights * 200, worst.moved, worst.multiplier),
    ]


def test_histograms_hold_every_pair(updates):
    for axes, update in zip(histograms(updates).axes, updates, strict=True):
        counted = sum(patch.get_height() for patch in axes.patches)
        assert counted == 2 * len(update.before)  # before and after
        assert axes.get_title(loc="left") == update.name


def test_weights_stand_at_their_margins_and_moved_pairs_on_the_plateau(updates):
    first, second = weights(updates).axes
    assert [line.get_label() for line in first.lines] == ["DPO: σ(−ξ)"]
    kept, moved = (np.asarray(c.get_offsets()) for c in second.collections)
    assert len(kept) + len(moved) == 200
    np.testing.assert_allclose(kept[:, 1], expit(-kept[:, 0]))
    whole = moved[np.isclose(moved[:, 1], updates[1].multiplier)]
    assert len(whole) >= len(moved) - 1  # but one, which is moved in part
    assert second.lines[1].get_ydata()[0] == updates[1].multiplier


def test_the_page(updates, tmp_path):
    rates = Estimates(np.array([0.6, 0.7]), np.full(2, 0.01), np.array([0.58, 0.68]), np.array([0.62, 0.72]), 40)
    later = Estimates(*(getattr(rates, k)[1:] for k in ("mean", "stderr", "low", "high")), 40)
    rows = [
        {"prompt": f"<p{i}>", "chosen": "good", "rejected": f"bad {i}", "margin_before": i / 10, "weight": 0.4}
        | {"moved": float(i < 3), "iteration": 1}
        for i in range(12)
    ]
    parts = [
        win_rates_part({"the base": rates, "the seed stage": later}, [0, 1]),
        stages_part([{"name": "seed", "pairs": 1234, "loss": "dpo", "mean_loss": 0.693147, "certificate": 1e-12}]),
        margins_part(updates),
        weights_part(updates),
        touched_part(rows, limit=4),
        recipe_part("model: <toy>\n"),
    ]
    lines = parts[0].blocks[0].figure.axes[0].lines
    assert [list(line.get_xdata()) for line in lines if line.get_marker() in "os"] == [[0.0, 1.0], [1.0]]
    page = Page("Alignment", parts).write(tmp_path).read_text()
    for text in (
        "1,234",
        "0.6931",
        "1.0e-12",
        "&lt;p0&gt;",
        "<pre>model: &lt;toy&gt;\n</pre>",
        "bad 3",
        "margin 0.20, weight 0.400, moved 1.00",
        "–",
    ):
        assert text in page
    assert "bad 4" not in page
    assert "<p0>" not in page
