"""Winner, loser, Smith set and cycles against enumeration, networkx and hand-made orders."""

from __future__ import annotations

from itertools import combinations, permutations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exact_games import matrix
from slhf.errors import InputError
from slhf.games.majority import (
    condorcet_loser,
    condorcet_winner,
    cyclic_share,
    has_cycle,
    majority_cycles,
    smith_set,
)


@st.composite
def games(draw, most=6):
    """Small games in which ties are common."""
    actions = draw(st.integers(1, most))
    pairs = actions * (actions - 1) // 2
    values = st.sampled_from([0.0, 0.2, 0.4, 0.5, 0.5, 0.55, 0.8, 1.0])
    return matrix(draw(st.lists(values, min_size=pairs, max_size=pairs)), actions)


def random_games(seed, count, actions):
    rng = np.random.default_rng(seed)
    values = np.round(rng.random((count, actions * (actions - 1) // 2)), 1)
    return np.stack([matrix(row, actions) for row in values])


@given(games())
def test_winner_and_loser_beat_and_lose_to_all_others(p):
    """Oracle: the definition, action by action."""
    every = range(len(p))
    winners = [y for y in every if all(p[y, z] > 0.5 for z in every if z != y)]
    losers = [y for y in every if all(p[y, z] < 0.5 for z in every if z != y)]
    assert condorcet_winner(p) == (winners[0] if winners else None)
    assert condorcet_loser(p) == (losers[0] if losers else None)


def dominates(p, members):
    others = set(range(len(p))) - set(members)
    return all(p[y, z] > 0.5 for y in members for z in others)


@given(games())
def test_smith_set_is_the_smallest_that_beats_all_outside(p):
    """Oracle: all subsets, smallest first."""
    every = range(len(p))
    smallest = next(s for k in range(1, len(p) + 1) for s in combinations(every, k) if dominates(p, s))
    assert smith_set(p) == smallest


@pytest.mark.parametrize("actions", [3, 7, 20, 60])
def test_smith_set_is_the_top_component_of_the_weak_majority_graph(actions):
    """Oracle: networkx's strongly connected components, condensed; edges where y is not beaten."""
    for p in random_games(1, 10, actions):
        p[: actions // 2, actions // 2 :] = np.maximum(p[: actions // 2, actions // 2 :], 0.6)
        p[actions // 2 :, : actions // 2] = 1.0 - p[: actions // 2, actions // 2 :].T
        graph = nx.from_numpy_array((p >= 0.5) & ~np.eye(actions, dtype=bool), create_using=nx.DiGraph)
        condensed = nx.condensation(graph)
        (top,) = [node for node in condensed if condensed.in_degree(node) == 0]
        found = smith_set(p)
        assert found == tuple(sorted(condensed.nodes[top]["members"]))
        assert len(found) <= actions // 2


@given(games(most=7))
def test_cycles_are_all_triples_that_beat_in_a_circle(p):
    """Oracle: all ordered triples; a cycle is written from its smallest action."""
    wanted = [
        (i, j, k)
        for i, j, k in permutations(range(len(p)), 3)
        if i < min(j, k) and p[i, j] > 0.5 and p[j, k] > 0.5 and p[k, i] > 0.5
    ]
    cycles = majority_cycles(p)
    assert [cycle.actions for cycle in cycles] == sorted(wanted)
    for cycle in cycles:
        i, j, k = cycle.actions
        assert cycle.margins == (p[i, j] - 0.5, p[j, k] - 0.5, p[k, i] - 0.5)
        assert min(cycle.margins) > 0.0
    triples = len(list(combinations(range(len(p)), 3)))
    assert cyclic_share(p) == pytest.approx(len(wanted) / triples if triples else 0.0, abs=1e-15)


@given(games(most=7))
def test_has_cycle_is_networkx_not_acyclic(p):
    graph = nx.from_numpy_array(p > 0.5, create_using=nx.DiGraph)
    assert has_cycle(p) is not nx.is_directed_acyclic_graph(graph)


@pytest.mark.parametrize("actions", [1, 2, 3, 5, 130])
def test_batches_answer_prompt_by_prompt(actions):
    """130 actions: several blocks of rows; oracle: the single game, and there the list of cycles."""
    batch = random_games(2, 3 if actions > 100 else 40, actions)
    share, circular = cyclic_share(batch), has_cycle(batch)
    assert share.shape == circular.shape == batch.shape[:1]
    for x, p in enumerate(batch):
        assert circular[x] == has_cycle(p)
        triples = actions * (actions - 1) * (actions - 2) // 6
        assert share[x] == pytest.approx(len(majority_cycles(p)) / max(triples, 1), abs=1e-15)


def test_count_over_several_row_blocks():
    """Oracle: Kendall's count, C(n, 3) − Σ C(wins, 2), for a tournament without ties on 300 actions."""
    rng = np.random.default_rng(3)
    p = matrix(rng.random(300 * 299 // 2), 300)
    wins = (p > 0.5).sum(axis=1)
    cyclic = 300 * 299 * 298 // 6 - (wins * (wins - 1) // 2).sum()
    assert cyclic_share(p) == pytest.approx(cyclic / (300 * 299 * 298 // 6), rel=1e-12)


def test_a_difference_below_the_tolerance_is_a_tie():
    close, clear = matrix([0.5 + 1e-10], 2), matrix([0.5 + 1e-8], 2)
    assert condorcet_winner(close) is None
    assert smith_set(close) == (0, 1)
    assert condorcet_winner(clear) == 0
    assert smith_set(clear) == (0,)


@settings(max_examples=60)
@given(games(), st.randoms(use_true_random=False))
def test_renaming_the_actions_renames_the_answers(p, random):
    order = list(range(len(p)))
    random.shuffle(order)
    renamed = p[np.ix_(order, order)]
    old = dict(enumerate(order))
    for find in (condorcet_winner, condorcet_loser):
        found = find(renamed)
        assert find(p) == (None if found is None else old[found])
    assert smith_set(p) == tuple(sorted(old[y] for y in smith_set(renamed)))

    def rotated(cycle):
        i, j, k = (old[y] for y in cycle.actions)
        return min((i, j, k), (j, k, i), (k, i, j))

    assert sorted(map(rotated, majority_cycles(renamed))) == [cycle.actions for cycle in majority_cycles(p)]
    assert cyclic_share(renamed) == pytest.approx(cyclic_share(p), abs=1e-15)


def test_no_answer_changes_the_preferences():
    p = matrix([0.6, 0.4, 0.7], 3)
    before = p.copy()
    for find in (condorcet_winner, condorcet_loser, smith_set, majority_cycles, cyclic_share, has_cycle):
        find(p)
    np.testing.assert_array_equal(p, before)


@pytest.mark.parametrize("find", [condorcet_winner, condorcet_loser, smith_set, majority_cycles])
def test_one_prompt_at_a_time_is_said(find):
    with pytest.raises(InputError, match=r"one prompt at a time: got shape \(2, 3, 3\); pass p\[x\]"):
        find(random_games(0, 2, 3))


@pytest.mark.parametrize("find", [condorcet_winner, cyclic_share, has_cycle, smith_set])
def test_what_is_no_preference_matrix_is_refused(find):
    with pytest.raises(InputError, match="add up to"):
        find([[0.5, 0.7], [0.7, 0.5]])
