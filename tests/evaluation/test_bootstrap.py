from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from scipy import stats

from slhf.errors import InputError
from slhf.evaluation import (
    Bootstrap,
    clustered_stderr,
    clusters_of,
    estimate,
    estimates,
    rate,
    resampled_means,
)
from slhf.evaluation import bootstrap as module


def test_stderr_is_the_textbook_one_where_every_row_is_its_own_cluster():
    values = np.random.default_rng(3).random(17)
    assert clustered_stderr(values) == pytest.approx(statistics.stdev(values) / math.sqrt(17), rel=1e-12)
    assert math.isnan(float(clustered_stderr([0.3])))


def test_clustered_stderr_by_hand():
    # clusters {1, 0} and {0} and {1}: mean 1/2, sums of deviations 0, -1/2, 1/2
    assert clustered_stderr([1, 0, 0, 1], [5, 5, 2, 9]) == pytest.approx(math.sqrt(3 / 2 * (0.25 + 0.25)) / 4)


def test_a_prompt_listed_twice_is_no_more_evidence_than_once():
    values = np.random.default_rng(4).random(12)
    twice, prompts = np.repeat(values, 2), np.repeat(np.arange(12), 2)
    assert clustered_stderr(twice, prompts) == pytest.approx(float(clustered_stderr(values)), rel=1e-12)
    assert clustered_stderr(twice) < 0.8 * clustered_stderr(values)
    found = rate(twice, prompts)
    assert found.count == 12
    assert found.stderr == pytest.approx(rate(values).stderr, rel=1e-12)
    once, doubled = estimate(values), estimate(twice, prompts)
    assert (doubled.low, doubled.high) == pytest.approx((once.low, once.high), abs=1e-12)


def test_resampled_means_are_those_of_the_drawn_rows():
    """Each resample is checked against the plain mean of the rows drawn, from the same seed."""
    values = np.random.default_rng(5).random((2, 15))
    groups = np.array([0, 0, 1, 2, 2, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
    means = resampled_means(values, groups, Bootstrap(seed=8, resamples=100))
    drawn = np.random.default_rng(8).integers(12, size=(100, 12))
    for b in range(100):
        rows = np.concatenate([np.flatnonzero(groups == g) for g in drawn[b]])
        np.testing.assert_allclose(means[b], values[:, rows].mean(axis=1), rtol=1e-12)


def test_resamples_do_not_depend_on_blocks(monkeypatch):
    values = np.random.default_rng(6).random(23)
    whole = resampled_means(values, None, Bootstrap(resamples=301))
    monkeypatch.setattr(module, "_BLOCK", 23 * 7)
    np.testing.assert_allclose(resampled_means(values, None, Bootstrap(resamples=301)), whole, rtol=1e-14)


def test_comparisons_are_paired():
    rng = np.random.default_rng(9)
    a, b = rng.random((2, 40))
    settings = Bootstrap(seed=2)
    difference = estimate(a - b, None, settings)
    apart = resampled_means(a, None, settings) - resampled_means(b, None, settings)
    low, high = module.quantiles(apart, 40, 0.95)
    assert (difference.low, difference.high) == pytest.approx((float(low), float(high)), abs=1e-12)


def test_ends_are_students_for_normal_values():
    """A thousand normal values need no bootstrap: its ends must be Student's, and SciPy's percentiles."""
    values = np.random.default_rng(10).normal(0.6, 0.1, 1000)
    found = estimate(values, None, Bootstrap(seed=1, resamples=20_000))
    exact = stats.t.interval(0.95, 999, values.mean(), stats.sem(values))
    assert (found.low, found.high) == pytest.approx(exact, abs=0.03 * (exact[1] - exact[0]))
    theirs = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=4).confidence_interval
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.03 * (exact[1] - exact[0]))


def test_few_normal_values_get_students_tails():
    """Averaged over 300 seeded samples of 12, the width is Student's within 5 %; plain percentiles are 15 % short."""
    rng = np.random.default_rng(11)
    ours, student = 0.0, 0.0
    for draw in rng.normal(0, 1, (300, 12)):
        found = estimate(draw, None, Bootstrap(resamples=2000))
        ours += found.high - found.low
        student += 2 * stats.t.ppf(0.975, 11) * float(stats.sem(draw))
    assert ours == pytest.approx(student, rel=0.05)


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_coverage(level):
    """Of 1,000 seeded experiments with 40 skewed values, the interval holds the truth in the stated share."""
    rng = np.random.default_rng(12)
    draws = rng.choice([0.0, 0.5, 1.0], p=[0.15, 0.15, 0.7], size=(1000, 40))
    found = estimates(draws, None, Bootstrap(seed=3, resamples=1000, level=level))
    covered = float(np.mean((found.low <= 0.775) & (found.high >= 0.775)))
    assert covered == pytest.approx(level, abs=3 * math.sqrt(level * (1 - level) / 1000) + 0.01)


def test_coverage_with_several_rows_a_prompt():
    """Three alike rows a prompt: clustered intervals hold the truth; those of independent rows do not."""
    rng = np.random.default_rng(13)
    groups = np.repeat(np.arange(30), 3)
    draws = rng.normal(0.5, 0.2, (600, 30)).repeat(3, axis=1) + rng.normal(0, 0.05, (600, 90))
    clustered = estimates(draws, groups, Bootstrap(resamples=1000))
    naive = estimates(draws, None, Bootstrap(resamples=1000))
    shares = [float(np.mean((e.low <= 0.5) & (e.high >= 0.5))) for e in (clustered, naive)]
    assert shares[0] == pytest.approx(0.95, abs=0.03)
    assert shares[1] < 0.8
    assert clustered.stderr.mean() == pytest.approx(draws.mean(axis=1).std(), rel=0.1)


def test_interval_stays_within_the_values_and_closes_where_they_agree():
    found = estimate([1.0] * 30)
    assert (found.mean, found.stderr, found.low, found.high) == (1.0, 0.0, 1.0, 1.0)
    almost = estimate([1.0] * 29 + [0.0])
    assert almost.high <= 1.0
    assert almost.low > 0.8
    assert str(found) == "1.000 ± 0.000 [1.000, 1.000]"
    assert set(found.as_dict()) == {"mean", "stderr", "low", "high", "count"}


def test_numbering_of_prompts():
    assert clusters_of(["z", "a", "z", "b"]).tolist() == [0, 1, 0, 2]


@pytest.mark.parametrize(
    ("values", "clusters", "message"),
    [
        ([0.5] * 9, None, "at least 10 different prompts, there are 9"),
        ([0.5] * 40, [0, 1] * 20, "at least 10 different prompts, there are 2"),
        ([], None, "at least one prompt"),
        ([0.5, math.nan] * 10, None, r"values\[0, 1\] is nan"),
        ([0.5] * 20, [0] * 19, "19,"),
    ],
)
def test_bad_values(values, clusters, message):
    with pytest.raises(InputError, match=message):
        estimate(values, clusters)


@pytest.mark.parametrize(
    ("settings", "message"), [({"resamples": 10}, "resamples=10"), ({"level": 95}, "level=95"), ({"seed": -1}, "seed")]
)
def test_bad_settings(settings, message):
    with pytest.raises(InputError, match=message):
        Bootstrap(**settings)
