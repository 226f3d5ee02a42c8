"""What is a preference matrix, what is none, and where it is not one."""

from __future__ import annotations

import re

import numpy as np
import pytest

from exact_games import preferences
from slhf.errors import InputError
from slhf.games import preference_matrix, symmetrise
from slhf.games.preference_matrix import actions_first, blocks, part, stretches


def test_good_matrices_come_back_uncopied_single_and_batched():
    rng = np.random.default_rng(0)
    for p in (preferences(rng, 4), preferences(rng, 3, prompts=5), preferences(rng, 130), np.array([[0.5]])):
        assert np.shares_memory(preference_matrix(p), p)
    assert preference_matrix([[0.5, 1], [0, 0.5]]).dtype == np.float64


@pytest.mark.parametrize("shape", [(2, 3), (4,), (0, 0), (1, 2, 3), (2, 2, 2, 2), (0, 3, 3)])
def test_what_is_not_square_is_refused_with_its_shape(shape):
    with pytest.raises(InputError, match=f"square.*{re.escape(str(shape))}"):
        preference_matrix(np.full(shape, 0.5))


def test_rows_of_different_length_and_words_are_refused():
    for table in ([[0.5, 0.5], [0.5]], [["a", "b"], ["c", "d"]]):
        with pytest.raises(InputError, match="all rows equally long"):
            preference_matrix(table)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (np.nan, r"p\[1, 2\] = nan is not a number"),
        (1.25, r"p\[1, 2\] = 1\.25 is outside \[0, 1\]"),
        (-0.5, r"p\[1, 2\] = -0\.5 is outside \[0, 1\]"),
        (np.inf, r"p\[1, 2\] = inf is outside \[0, 1\]"),
    ],
)
def test_a_bad_entry_is_named(entry, message):
    p = preferences(np.random.default_rng(1), 4)
    p[1, 2] = entry
    with pytest.raises(InputError, match=message):
        preference_matrix(p)


def test_a_pair_that_does_not_add_up_is_named_with_the_distance_and_the_remedy():
    p = np.full((3, 3), 0.5)
    p[0, 2], p[2, 0] = 0.75, 0.5
    with pytest.raises(InputError) as caught:
        preference_matrix(p, actions=["tea", "milk", "beer"])
    told = str(caught.value)
    for words in ("p[0, 2] = 0.75", "'tea' against 'beer'", "1.25", "+0.25 from 1", "0.25", "--symmetrise"):
        assert words in told


def test_the_diagonal_must_be_one_half():
    p = np.full((2, 2), 0.5)
    p[1, 1] = 0.4
    with pytest.raises(InputError, match=r"p\[1, 1\] = 0\.4.*-0\.2 from 1"):
        preference_matrix(p)


@pytest.mark.parametrize(("prompts", "actions", "where"), [(9000, 3, (8765, 2, 1)), (2, 150, (1, 149, 3))])
def test_a_bad_entry_is_found_in_any_block_of_a_large_batch(prompts, actions, where):
    p = preferences(np.random.default_rng(2), actions, prompts=prompts)
    p[where] = 2.0
    with pytest.raises(InputError, match=re.escape(f"p[{', '.join(map(str, where))}] = 2")):
        preference_matrix(p)
    p[where] = 1.0 - p[where[0], where[2], where[1]] + 3e-9
    x, y, z = where
    pair = f"p\\[{x}, ({y}, {z}|{z}, {y})\\]"
    with pytest.raises(InputError, match=f"{pair}.*\\+3e-09 from 1.*largest distance anywhere: 3e-09"):
        preference_matrix(p)


def test_rounding_is_forgiven():
    p = preferences(np.random.default_rng(3), 4)
    p[0, 1] += 5e-10
    assert preference_matrix(p)[0, 1] == p[0, 1]


def test_checking_changes_nothing():
    for actions in (3, 80, 200):
        p = preferences(np.random.default_rng(4), actions)
        before = p.copy()
        preference_matrix(p)
        np.testing.assert_array_equal(p, before)


def test_symmetrised_is_the_nearest_preference_matrix_because_the_constraints_split_into_pairs():
    rng = np.random.default_rng(5)
    for shape in ((4, 4), (3, 4, 4)):
        raw = rng.random(shape)
        mended = preference_matrix(symmetrise(raw))
        # the nearest point on a + b = 1 to a pair (a, b) moves both by half of what is missing
        for index in np.ndindex(shape):
            mirror = (*index[:-2], index[-1], index[-2])
            assert mended[index] == pytest.approx(raw[index] + (1 - raw[index] - raw[mirror]) / 2, abs=1e-15)
        np.testing.assert_allclose(symmetrise(mended), mended, atol=1e-15)
    with pytest.raises(InputError, match="square"):
        symmetrise(np.ones((2, 3)))


@pytest.mark.parametrize(("prompts", "actions"), [(1, 1), (5000, 3), (3, 200), (1, 20_000), (2, 128)])
def test_blocks_cover_every_entry_once(prompts, actions):
    seen = np.zeros((prompts, actions), dtype=int)
    for xs, ys in blocks(prompts, actions):
        seen[xs, ys] += 1
    assert (seen == 1).all()
    seen = np.zeros(prompts, dtype=int)
    for xs in stretches(prompts, actions):
        seen[xs] += 1
    assert (seen == 1).all()


def test_a_part_of_something_that_broadcasts_is_the_part_of_it_spread_out():
    rng = np.random.default_rng(6)
    for shape in ((1, 1, 4), (1, 4, 4), (6, 1, 4), (6, 4, 4)):
        array = rng.random(shape)
        block = (slice(2, 5), slice(1, 3))
        spread = np.broadcast_to(array, (6, 4, 4))[block]
        np.testing.assert_array_equal(np.broadcast_to(part(array, block), spread.shape), spread)


@pytest.mark.parametrize("actions", [3, 100])
def test_turned_blocks_have_the_actions_in_front(actions):
    block = np.random.default_rng(7).random((2, 5, actions))
    np.testing.assert_array_equal(actions_first(block), np.moveaxis(block, (0, 1, 2), (2, 1, 0)))
