"""The common way to run a dynamics, on iterates whose gaps are known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np
import pytest

from slhf.errors import InputError
from slhf.games.dynamics import mirror_descent
from slhf.games.game import game
from slhf.games.gaps import gaps
from slhf.games.stopping import average_gap, gap_curve, last_gap, run, trajectory


@dataclass(frozen=True)
class Point:
    step: int


def halving() -> Iterator[Point]:
    return (Point(t) for t in count())


def gap(point: Point) -> float:
    return 0.5**point.step


def test_it_stops_at_the_first_look_that_meets_the_tolerance() -> None:
    found = run(halving(), steps=100, tolerance=0.01, gap=gap, every=5)
    assert found.converged
    assert found.last == Point(10)  # 2⁻⁷ would do, and the next look is at step 10
    np.testing.assert_array_equal(found.steps, [0, 5, 10])
    np.testing.assert_array_equal(found.gaps, [1.0, 0.5**5, 0.5**10])


def test_it_stops_when_the_steps_are_used_up_and_looks_at_the_last_one() -> None:
    found = run(halving(), steps=12, tolerance=1e-9, gap=gap, every=5)
    assert not found.converged
    assert found.last == Point(12)
    np.testing.assert_array_equal(found.steps, [0, 5, 10, 12])


def test_without_a_tolerance_it_records_and_without_a_gap_it_only_runs() -> None:
    recorded = run(halving(), steps=4, gap=gap)
    np.testing.assert_array_equal(recorded.gaps, 0.5 ** np.arange(5.0))
    assert not recorded.converged
    silent = run(halving(), steps=4)
    assert silent.last == Point(4)
    assert silent.steps.size == silent.gaps.size == 0


def test_no_iterate_is_computed_beyond_the_last() -> None:
    iterates = halving()
    run(iterates, steps=3)
    assert next(iterates) == Point(4)


def test_a_trajectory_keeps_one_in_so_many_and_its_curve_can_be_drawn() -> None:
    points = trajectory(halving(), steps=7, every=3)
    assert points == [Point(0), Point(3), Point(6), Point(7)]
    steps, curve = gap_curve(points, gap)
    np.testing.assert_array_equal(steps, [0, 3, 6, 7])
    np.testing.assert_array_equal(curve, 0.5**steps)


def test_gaps_of_iterates_are_the_certificates_of_their_policies() -> None:
    p = [[0.5, 0.65, 0.4], [0.35, 0.5, 0.75], [0.6, 0.25, 0.5]]
    played = game(p, tau_leader=0.1, tau_follower=0.2)
    point = run(mirror_descent(played), steps=3).last
    settings = {"tau_leader": 0.1, "tau_follower": 0.2}
    assert last_gap(played)(point) == gaps(p, point.leader, point.follower, **settings).duality
    averaged = gaps(p, point.average_leader, point.average_follower, **settings).duality
    assert average_gap(played)(point) == averaged
    assert averaged > last_gap(played)(point) > 0.0


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(InputError, match="a tolerance needs a gap"):
        run(halving(), steps=3, tolerance=0.1)
    with pytest.raises(InputError, match="steps is -1"):
        run(halving(), steps=-1)
    with pytest.raises(InputError, match="every is 0"):
        trajectory(halving(), steps=1, every=0)
    with pytest.raises(InputError, match="nothing to run"):
        run(iter(()), steps=1)
