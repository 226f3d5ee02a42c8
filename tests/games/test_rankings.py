"""Rankings, complete or not, with ties: pair by pair against the definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slhf.errors import InputError
from slhf.games.preference_matrix import preference_matrix
from slhf.games.rankings import from_rankings, ranked_population

ACTIONS = "ABCDE"


@st.composite
def rankings(draw, whole=False):
    """Several rankings with ties; incomplete unless ``whole``."""
    found = []
    for _ in range(draw(st.integers(1, 5))):
        order = draw(st.permutations(ACTIONS))
        order = order if whole else order[: draw(st.integers(1, len(order)))]
        ranking = []
        for action in order:
            if ranking and draw(st.booleans()):
                ranking[-1].append(action)
            else:
                ranking.append([action])
        found.append([group[0] if len(group) == 1 else group for group in ranking])
    return found


def place(ranking, action):
    for position, entry in enumerate(ranking):
        if action == entry or (isinstance(entry, list) and action in entry):
            return position
    return None


@given(rankings(), st.data())
def test_each_pair_is_decided_by_those_who_placed_both(found, data):
    """Oracle: positions looked up ranking by ranking, pair by pair."""
    counts = data.draw(st.lists(st.integers(1, 4), min_size=len(found), max_size=len(found)))
    p = from_rankings(found, ACTIONS, counts=counts)
    preference_matrix(p)
    for i, y in enumerate(ACTIONS):
        for j, z in enumerate(ACTIONS):
            won = total = 0.0
            for ranking, count in zip(found, counts, strict=True):
                first, second = place(ranking, y), place(ranking, z)
                if y != z and first is not None and second is not None:
                    total += count
                    won += count * (0.5 if first == second else float(first < second))
            assert p[i, j] == pytest.approx(won / total if total else 0.5, abs=1e-15)


@given(rankings(whole=True))
def test_complete_rankings_are_a_population(found):
    people = ranked_population(found, ACTIONS)
    np.testing.assert_allclose(people.preferences(), from_rankings(found, ACTIONS), rtol=0, atol=1e-15)
    for ranking, mask in zip(found, people.favourites(), strict=True):
        assert {a for a, best in zip(ACTIONS, mask, strict=True) if best} == set(ranking[0])


@given(rankings(), st.permutations(range(5)))
def test_permuting_actions_permutes_preferences(found, order):
    p = from_rankings(found, ACTIONS)
    permuted = from_rankings(found, [ACTIONS[y] for y in order])
    np.testing.assert_array_equal(permuted, p[np.ix_(order, order)])


def test_a_count_is_so_many_people():
    np.testing.assert_array_equal(
        from_rankings(["ABC", "CBA"], "ABC", counts=[3, 1]), from_rankings(["ABC", "ABC", "ABC", "CBA"], "ABC")
    )


def test_numbers_may_name_the_actions():
    assert from_rankings([[1, (0, 2)]], range(3)).tolist() == [[0.5, 0.0, 0.5], [1.0, 0.5, 1.0], [0.5, 0.0, 0.5]]


def test_unranked_is_not_worse():
    """Whoever ranks only A says nothing about A against B."""
    p = from_rankings(["A", "BA"], "AB")
    assert p[0, 1] == 0.0


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ([["A", "B", "F"]], r"ranking 1: 'F' is not among the 3 actions \(A, B, C\)"),
        (["ABC", ["A", ("B", "A"), "C"]], "ranking 2: 'A' stands twice"),
        ([[]], "ranking 1: the ranking is empty"),
        ([["A", [], "B"]], "ranking 1: a group of ties is empty"),
        ([3], "ranking 1: a ranking is a list of actions"),
        ([], "there are no rankings"),
        ([["A", ["B", ["C"]]]], r"\['C'\] is not among"),
    ],
)
def test_bad_rankings_are_refused(given_, message):
    with pytest.raises(InputError, match=message):
        from_rankings(given_, "ABC")


def test_a_misspelt_action_is_recognised():
    with pytest.raises(InputError, match=r"Did you mean 'muffin'\?"):
        from_rankings([["tea", "mufin"]], ["tea", "muffin"])


def test_actions_need_names_of_their_own():
    with pytest.raises(InputError, match="the action 'A' is listed twice"):
        from_rankings(["AB"], ["A", "B", "A"])


@pytest.mark.parametrize("counts", [[1, 2], [-1], [np.nan], ["many"]])
def test_bad_counts_are_refused(counts):
    with pytest.raises(InputError, match="counts"):
        from_rankings(["AB"], "AB", counts=counts)


def test_a_type_places_every_action():
    with pytest.raises(InputError, match=r"ranking 2: 'C' is not placed.*tie those"):
        ranked_population(["ABC", "AB"], "ABC")
