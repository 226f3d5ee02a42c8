"""Eq. (6) and Eq. (11) against sums written out by cases; the paradox of §4.1; favourites."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from slhf.errors import InputError
from slhf.games.population import from_scores, population
from slhf.games.preference_data import paradox
from slhf.games.preference_matrix import preference_matrix
from slhf.toy.game import preference_matrix as toy_preferences


def enumerated(utilities, weights):
    """Σ_a ν_a ([u_a(y) > u_a(y′)] + ½ [=]), in exact fractions."""
    total = sum(map(Fraction, weights))
    actions = len(utilities[0])
    p = np.empty((actions, actions))
    for y in range(actions):
        for z in range(actions):
            votes = Fraction(0)
            for u, weight in zip(utilities, weights, strict=True):
                if u[y] > u[z]:
                    votes += Fraction(weight)
                elif u[y] == u[z]:
                    votes += Fraction(weight) / 2
            p[y, z] = votes / total
    return p


@st.composite
def panels(draw):
    annotators, actions = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    u = draw(hnp.arrays(np.float64, (annotators, actions), elements=st.integers(-2, 2)))
    w = draw(st.lists(st.floats(0.01, 10), min_size=annotators, max_size=annotators))
    return u, w


@given(panels())
def test_preferences_are_equation_6(panel):
    utilities, weights = panel
    wanted = enumerated(utilities.tolist(), weights)
    np.testing.assert_allclose(population(utilities, weights).preferences(), wanted, rtol=0, atol=1e-14)
    np.testing.assert_allclose(from_scores(utilities, weights), wanted, rtol=0, atol=1e-14)


@given(panels())
def test_the_result_is_a_preference_matrix_to_the_last_bit_but_one(panel):
    p = from_scores(*panel)
    preference_matrix(p)
    assert np.abs(p + p.T - 1.0).max() <= 2.3e-16
    assert (np.diagonal(p) == 0.5).all()


@given(panels(), st.randoms(use_true_random=False))
def test_permuting_actions_permutes_preferences_and_permuting_people_changes_nothing(panel, random):
    utilities, weights = panel
    p = from_scores(utilities, weights)
    order = list(range(utilities.shape[1]))
    random.shuffle(order)
    np.testing.assert_array_equal(from_scores(utilities[:, order], weights), p[np.ix_(order, order)])
    people = list(range(len(weights)))
    random.shuffle(people)
    np.testing.assert_allclose(from_scores(utilities[people], np.array(weights)[people]), p, rtol=0, atol=1e-15)


def test_equal_weights_are_the_panel_of_equation_11():
    """Oracle: the embedded world's own panel, which takes the responses in rows."""
    scores = np.random.default_rng(0).integers(0, 4, size=(5, 9))
    np.testing.assert_allclose(from_scores(scores), toy_preferences(scores.T), rtol=0, atol=1e-15)


@pytest.mark.parametrize(("prompts", "actions"), [(7, 3), (400, 9), (2, 140)])
def test_batches_are_prompt_by_prompt(prompts, actions):
    """Several games a block, several blocks of games, several blocks of rows."""
    u = np.random.default_rng(1).integers(0, 5, size=(prompts, 4, actions)).astype(float)
    people = population(u, [1, 2, 3, 4])
    batch, masks = people.preferences(), people.favourites()
    assert batch.shape == (prompts, actions, actions)
    assert masks.shape == u.shape
    for x in range(prompts):
        alone = population(u[x], [1, 2, 3, 4])
        np.testing.assert_array_equal(batch[x], alone.preferences())
        np.testing.assert_array_equal(masks[x], alone.favourites())


def test_favourites_are_all_the_best():
    masks = population([[1, 3, 3], [0, 0, -1], [2, 1, 0]]).favourites()
    assert masks.tolist() == [[False, True, True], [True, True, False], [True, False, False]]


def test_only_the_order_of_utilities_matters():
    u = np.random.default_rng(2).normal(size=(6, 8))
    np.testing.assert_array_equal(from_scores(u), from_scores(np.exp(3 * u) - 100))


def test_large_and_opposite_scores_do_not_overflow():
    assert from_scores([[1e308, -1e308]]).tolist() == [[0.5, 1.0], [0.0, 0.5]]


def test_weights_whose_sum_rounds_above_one_stay_in_range():
    for count in range(2, 60):
        p = from_scores(np.tile([1.0, 0.0], (count, 1)), np.linspace(0.1, 0.7, count))
        assert p.max() <= 1.0
        assert p[0, 1] == pytest.approx(1.0, abs=1e-14)


@pytest.mark.parametrize("shares", [(0.4, 0.35, 0.25), (1 / 3, 1 / 3, 1 / 3), (0.6, 0.3, 0.1), (1, 0, 0)])
def test_paradox_is_section_4_1(shares):
    a, b, c = shares
    data = paradox(shares)
    p = data.p
    assert data.actions == ("A", "B", "C")
    assert p[0, 1] == pytest.approx(1 - b, abs=1e-15)
    assert p[0, 2] == pytest.approx(a, abs=1e-15)
    assert p[1, 2] == pytest.approx(1 - c, abs=1e-15)
    preference_matrix(p)
    people = data.population
    assert people is not None
    assert people.names == ("a1", "a2", "a3")
    np.testing.assert_allclose(people.weights, shares, rtol=0, atol=1e-15)
    assert people.favourites().tolist() == np.eye(3, dtype=bool).tolist()


def test_paradox_divides_by_the_sum():
    np.testing.assert_allclose(paradox([40, 35, 25]).p, paradox([0.4, 0.35, 0.25]).p, rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("utilities", "weights", "names", "message"),
    [
        ([1, 2, 3], None, None, r"shape \(A, Y\).*got shape \(3,\)"),
        ([[]], None, None, r"got shape \(1, 0\)"),
        ([[1, 2], [3]], None, None, "a table of numbers"),
        ([["good", "bad"]], None, None, "a table of numbers"),
        ([[1, np.nan]], None, None, r"scores\[0, 1\] is nan"),
        ([[1, 2]], [1, 2], None, "1 weights are needed"),
        ([[1, 2], [2, 1]], [1, -1], None, "0 or more and not all 0; got 1, -1"),
        ([[1, 2], [2, 1]], [0, 0], None, "not all 0"),
        ([[1, 2], [2, 1]], [1, np.inf], None, "finite"),
        ([[1, 2], [2, 1]], ["a", "b"], None, "weights of a population's types are numbers"),
        ([[1, 2], [2, 1]], None, ["x"], "1 names for a population of 2 types"),
        ([[1, 2], [2, 1]], None, ["x", "x"], "distinct names"),
    ],
)
def test_bad_input_is_refused(utilities, weights, names, message):
    with pytest.raises(InputError, match=message):
        population(utilities, weights, names)


def test_paradox_needs_three_shares():
    with pytest.raises(InputError, match="3 weights are needed"):
        paradox([0.5, 0.5])
