"""One way to run any dynamics: how long, how close, and the curve of how close it was."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from slhf.errors import InputError
from slhf.games.dynamics import Iterate
from slhf.games.game import Game
from slhf.games.gaps import gaps_of
from slhf.games.simplex import Array


class Numbered(Protocol):
    """Anything with a step number: iterates of both games."""

    @property
    def step(self) -> int:
        """The number of steps taken; 0 at the start."""
        ...


Point = TypeVar("Point", bound=Numbered)


@dataclass(frozen=True, eq=False)
class Run(Generic[Point]):
    """Where a dynamics got to.

    Attributes:
        last: the last iterate.
        steps: the steps at which the gap was looked at, shape (N,); empty if none was asked for.
        gaps: the gaps there, preference, shape (N,).
        converged: True if the tolerance was met; False if the steps ran out or none was given.
    """

    last: Point
    steps: NDArray[np.int64]
    gaps: Array
    converged: bool


def run(
    iterates: Iterable[Point],
    *,
    steps: int,
    tolerance: float | None = None,
    gap: Callable[[Point], float] | None = None,
    every: int = 1,
) -> Run[Point]:
    """Run a dynamics until its gap is small enough or its steps are used up.

    The gap is looked at on steps 0, every, 2·every, … and on the last one; a gap costs about as much as a step.

    Args:
        iterates: any of the generators of this room.
        steps: the most steps to take.
        tolerance: stop at a gap of at most this, preference; never if not given.
        gap: how far an iterate is from the solution, such as ``last_gap(game)``; needed with a tolerance.
        every: look at the gap once in so many steps.

    Raises:
        InputError: steps < 0, every < 1, a tolerance without a gap, or no iterates.
    """
    if tolerance is not None and gap is None:
        raise InputError("a tolerance needs a gap to hold it against; pass gap=last_gap(game), or another measure")
    last, seen, gaps, converged = None, [], [], False
    for last, looked_at in _marked(iterates, steps, every):
        if gap is None or not looked_at:
            continue
        seen.append(last.step)
        gaps.append(float(gap(last)))
        converged = tolerance is not None and gaps[-1] <= tolerance
        if converged:
            break
    if last is None:
        raise InputError("there is nothing to run: the iterates were used up; start the dynamics again")
    return Run(last, np.array(seen, dtype=np.int64), np.array(gaps, dtype=np.float64), converged)


def trajectory(iterates: Iterable[Point], *, steps: int, every: int = 1) -> list[Point]:
    """Return the iterates on steps 0, every, 2·every, … and on the last one.

    Args:
        iterates: any of the generators of this room.
        steps: the steps to take.
        every: keep one in so many.

    Raises:
        InputError: steps < 0 or every < 1.
    """
    return [point for point, kept in _marked(iterates, steps, every) if kept]


def gap_curve(points: Iterable[Point], gap: Callable[[Point], float]) -> tuple[NDArray[np.int64], Array]:
    """Return step numbers and gaps of a finite trajectory, ready to be drawn.

    Args:
        points: from :func:`trajectory`.
        gap: how far an iterate is from the solution.

    Returns:
        Steps and gaps, shapes (N,).
    """
    kept = list(points)
    return np.array([point.step for point in kept], dtype=np.int64), np.array(
        [gap(point) for point in kept], dtype=np.float64
    )


def last_gap(game: Game) -> Callable[[Iterate], float]:
    """Return the duality gap of an iterate's current policies, as a function of the iterate.

    Args:
        game: the game that is played.
    """
    return lambda point: _duality(game, point.leader, point.follower)


def average_gap(game: Game) -> Callable[[Iterate], float]:
    """Return the duality gap of an iterate's averaged policies, as a function of the iterate.

    Args:
        game: the game that is played.
    """
    return lambda point: _duality(game, point.average_leader, point.average_follower)


def _duality(game: Game, leader: Array, follower: Array) -> float:
    return gaps_of(game, leader.reshape(game.p.shape[:2]), follower.reshape(game.p.shape)).duality


def _marked(iterates: Iterable[Point], steps: int, every: int) -> Iterator[tuple[Point, bool]]:
    """Give out the points up to the last, each with whether it is one to look at."""
    if steps < 0 or every < 1:
        raise InputError(f"steps is {steps} and every is {every}; take 0 steps or more, and look every 1 step or more")
    for point in iterates:
        ends = point.step >= steps
        yield point, ends or point.step % every == 0
        if ends:
            return
