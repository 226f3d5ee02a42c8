"""Farthest-first choice against brute force, and its guarantee against every possible choice."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from slhf.data.farthest import farthest_first
from slhf.errors import InputError


def brute_force(points: np.ndarray, count: int, first: int) -> list[int]:
    """Choose by the definition, all distances computed afresh each time."""
    chosen = [first]
    while len(chosen) < count:
        left = [i for i in range(len(points)) if i not in chosen]
        chosen.append(max(left, key=lambda i: min(np.linalg.norm(points[i] - points[j]) for j in chosen)))
    return chosen


def radius(points: np.ndarray, chosen: list[int]) -> float:
    """How far any point is from its nearest chosen one."""
    return max(min(np.linalg.norm(p - points[j]) for j in chosen) for p in points)


@pytest.mark.parametrize("seed", range(20))
def test_each_point_is_the_farthest_from_those_before(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(int(rng.integers(2, 25)), 3))
    count, first = int(rng.integers(1, len(points) + 1)), int(rng.integers(len(points)))
    assert farthest_first(points, count, first).tolist() == brute_force(points, count, first)


@pytest.mark.parametrize("seed", range(20))
def test_at_most_twice_the_best_radius(seed: int) -> None:
    points = np.random.default_rng(seed).standard_cauchy(size=(9, 2))
    for count in (1, 2, 3, 4):
        best = min(radius(points, list(chosen)) for chosen in combinations(range(9), count))
        assert radius(points, farthest_first(points, count).tolist()) <= 2.0 * best + 1e-12


def test_equal_points_are_chosen_once_each() -> None:
    chosen = farthest_first(np.ones((5, 2)), 5, 3)
    assert sorted(chosen.tolist()) == [0, 1, 2, 3, 4]
    assert chosen[0] == 3


@pytest.mark.parametrize(
    ("points", "count", "first", "message"),
    [
        (np.zeros((3, 2)), 4, 0, "cannot choose 4 points"),
        (np.zeros((3, 2)), 0, 0, "cannot choose 0 points"),
        (np.zeros((3, 2)), 1, 3, "number 3"),
        (np.zeros(3), 1, 0, r"array \(3,\)"),
        (np.array([[0.0], [np.nan]]), 1, 0, "point 1 has a coordinate"),
    ],
)
def test_bad_input(points: np.ndarray, count: int, first: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        farthest_first(points, count, first)
