"""The three classes against enumeration of all triples; scores are strongly transitive."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exact_games import matrix
from slhf.errors import InputError
from slhf.games.transitivity import CLASSES, transitive_share, transitivity


@st.composite
def games(draw, most=5):
    actions = draw(st.integers(1, most))
    pairs = actions * (actions - 1) // 2
    values = st.sampled_from([0.25, 0.5, 0.5, 0.625, 0.75, 0.875, 1.0])
    return matrix(draw(st.lists(values, min_size=pairs, max_size=pairs)), actions)


ASKED = {"weak": lambda first, second: 0.5, "moderate": min, "strong": max}


def shortfalls(p, name):
    """Enumerate every triple whose premise holds, with what is missing from the conclusion."""
    for a, b, c in product(range(len(p)), repeat=3):
        if p[a, b] >= 0.5 and p[b, c] >= 0.5:
            yield ASKED[name](p[a, b], p[b, c]) - p[a, c], (a, b, c)


@given(games())
def test_classes_and_worst_witnesses_agree_with_enumeration(p):
    """Entries are eighths, so all sums are exact and no tolerance is at work."""
    found = transitivity(p)
    for name in CLASSES:
        worst, _ = max(shortfalls(p, name))
        assert getattr(found, name) == (worst <= 0.0)
        assert (name in found.violations) == (worst > 0.0)
        if worst > 0.0:
            violation = found.violations[name]
            a, b, c = violation.actions
            assert violation.preferences == (p[a, b], p[b, c], p[a, c])
            assert violation.shortfall == worst
            assert (worst, (a, b, c)) in set(shortfalls(p, name))


@given(games())
def test_each_class_implies_those_before_it(p):
    found = transitivity(p)
    assert found.weak >= found.moderate >= found.strong


def test_scores_are_strongly_transitive():
    """A Bradley–Terry model is strong: σ is monotone and the differences add."""
    scores = np.random.default_rng(4).normal(size=40)
    p = 1.0 / (1.0 + np.exp(scores[None, :] - scores[:, None]))
    assert transitivity(p).strong


def test_rounding_breaks_nothing_and_a_real_difference_does():
    """p(a≻c) is short of the premise by 5e-10, then by 5e-9; and a tie that is 1e-12 below ½ is a tie."""
    assert transitivity(matrix([0.7, 0.7 - 5e-10, 0.7], 3)).strong
    found = transitivity(matrix([0.7, 0.7 - 5e-9, 0.7], 3))
    assert not found.moderate
    assert found.weak
    assert found.violations["moderate"].shortfall == pytest.approx(5e-9, rel=1e-6)
    assert not transitivity(matrix([0.5 - 1e-12, 0.2, 0.7], 3)).weak


def test_renaming_the_actions_changes_no_class():
    rng = np.random.default_rng(5)
    for _ in range(30):
        p = matrix(np.clip(np.round(0.5 + 0.4 * rng.random(6), 2), 0, 1), 4)
        order = rng.permutation(4)
        first, second = transitivity(p), transitivity(p[np.ix_(order, order)])
        assert [getattr(first, c) for c in CLASSES] == [getattr(second, c) for c in CLASSES]
        for name in first.violations:
            assert first.violations[name].shortfall == second.violations[name].shortfall


@pytest.mark.parametrize("actions", [3, 4, 130])
def test_shares_are_the_weighted_mean_over_prompts(actions):
    """Oracle: one prompt at a time. 130 actions: one game a block; 3: hundreds."""
    rng = np.random.default_rng(6)
    prompts = 3 if actions > 100 else 2000
    pairs = actions * (actions - 1) // 2
    batch = np.stack([matrix(np.round(0.4 + 0.6 * rng.random(pairs), 1), actions) for _ in range(prompts)])
    rho = rng.random(prompts)
    single = [transitivity(p) for p in batch]
    share, weighted = transitive_share(batch), transitive_share(batch, 7.0 * rho)
    for name in CLASSES:
        holds = np.array([getattr(found, name) for found in single], dtype=float)
        assert getattr(share, name) == pytest.approx(holds.mean(), abs=1e-12)
        assert getattr(weighted, name) == pytest.approx((rho * holds).sum() / rho.sum(), abs=1e-12)
    if actions == 3:
        assert 0.0 < share.strong < share.moderate < share.weak < 1.0


def test_bad_input_is_refused():
    batch = np.full((2, 3, 3), 0.5)
    with pytest.raises(InputError, match="transitive_share takes many"):
        transitivity(batch)
    with pytest.raises(InputError, match="2 weights are needed, one for each of the prompts"):
        transitive_share(batch, [1.0, 2.0, 3.0])
    with pytest.raises(InputError, match="is not a number"):
        transitivity([[0.5, np.nan], [np.nan, 0.5]])
