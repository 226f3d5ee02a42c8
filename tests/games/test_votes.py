"""Votes into preferences: shares by hand, pairs nobody compared, refusals."""

from __future__ import annotations

import logging
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from slhf.errors import InputError
from slhf.games.preference_matrix import preference_matrix
from slhf.games.votes import from_votes, uncompared

counts = st.integers(1, 6).flatmap(lambda y: hnp.arrays(np.int64, (y, y), elements=st.integers(0, 9)))


def without_diagonal(votes):
    return votes * (1 - np.eye(len(votes), dtype=np.int64))


@given(counts)
def test_shares_of_votes_are_a_preference_matrix(votes):
    """Oracle: exact fractions."""
    votes = without_diagonal(votes)
    p = from_votes(votes)
    preference_matrix(p)
    missing = 0
    for y in range(len(votes)):
        for z in range(len(votes)):
            total = int(votes[y, z] + votes[z, y])
            missing += total == 0 and y < z
            assert p[y, z] == (float(Fraction(int(votes[y, z]), total)) if total else 0.5)
    assert uncompared(votes) == missing


@given(counts, st.randoms(use_true_random=False))
def test_permuting_actions_permutes_preferences(votes, random):
    votes = without_diagonal(votes)
    order = list(range(len(votes)))
    random.shuffle(order)
    np.testing.assert_array_equal(from_votes(votes[np.ix_(order, order)]), from_votes(votes)[np.ix_(order, order)])


@pytest.mark.parametrize(("prompts", "actions"), [(500, 8), (2, 150)])
def test_batches_are_prompt_by_prompt(prompts, actions):
    votes = np.random.default_rng(0).integers(0, 3, size=(prompts, actions, actions))
    votes[:, range(actions), range(actions)] = 0
    p = from_votes(votes)
    for x in range(prompts):
        np.testing.assert_array_equal(p[x], from_votes(votes[x]))
    assert uncompared(votes) == sum(uncompared(one) for one in votes)


def test_pairs_nobody_compared_are_said_once(caplog):
    votes = np.zeros((2, 4, 4))
    votes[:, 0, 1:] = 1
    with caplog.at_level(logging.WARNING):
        p = from_votes(votes)
    assert [record.getMessage() for record in caplog.records] == [
        "votes: 6 of 12 pairs were never compared; they get ½"
    ]
    assert (p[:, 1:, 1:] == 0.5).all()


def test_nothing_is_said_where_all_were_compared(caplog):
    with caplog.at_level(logging.WARNING):
        from_votes([[0, 1], [0, 0]])
    assert not caplog.records


def test_the_largest_counts_do_not_overflow():
    assert from_votes([[0, 1.5e308], [0.5e308, 0]]).tolist() == [[0.5, 0.75], [0.25, 0.5]]


def test_votes_are_not_changed():
    votes = np.array([[0.0, 3.0], [1.0, 0.0]])
    from_votes(votes)
    assert votes.tolist() == [[0.0, 3.0], [1.0, 0.0]]


@pytest.mark.parametrize(
    ("votes", "message"),
    [
        ([[0, 1, 2], [1, 0, 1]], r"square.*got shape \(2, 3\)"),
        ([[0, 1], [2]], "all rows equally long"),
        ([[0, -1], [2, 0]], r"votes\[0, 1\] is -1"),
        ([[0, np.nan], [2, 0]], r"votes\[0, 1\] is nan"),
        ([[0, np.inf], [2, 0]], r"votes\[0, 1\] is inf"),
        ([[0, 1], [2, 3]], r"votes\[1, 1\] is 3; nobody can choose an action over itself"),
        ([[[0, 1], [2, 0]], [[4, 1], [2, 0]]], r"votes\[1, 0, 0\] is 4"),
    ],
)
def test_bad_votes_are_refused(votes, message):
    with pytest.raises(InputError, match=message):
        from_votes(votes)
