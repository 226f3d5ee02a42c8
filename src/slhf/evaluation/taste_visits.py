"""One user at one prompt: what they have been shown and asked, and the ways to go on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from slhf.errors import InputError
from slhf.taste import Taste, information, most_informative

Array = NDArray[np.float64]

Between = Callable[[Sequence[int]], Array]
"""Takes the numbers of n answers and returns the annotators' preferences between them, shape (A, n, n)."""


@dataclass(frozen=True)
class Visit:
    """What happened so far. Answers go by numbers; the same number is the same text.

    Attributes:
        belief: about the user's taste.
        shown: answers in the order they were shown; one may come again.
        asked: pairs of answers the user was asked to compare.
    """

    belief: Taste
    shown: tuple[int, ...] = ()
    asked: tuple[tuple[int, int], ...] = ()

    @property
    def clicks(self) -> int:
        """Answers shown and comparisons asked, each of which cost the user one click."""
        return len(self.shown) + len(self.asked)

    @property
    def seen(self) -> list[int]:
        """The different answers shown, in the order of their first time."""
        return list(dict.fromkeys(self.shown))

    def showing(self, answer: int) -> Visit:
        """Return the visit after one more answer."""
        return replace(self, shown=(*self.shown, answer))

    def told(self, pair: tuple[int, int], chosen: int, between: Between) -> Visit:
        """Return the visit after the user compared a pair of answers; ``chosen`` is 0 or 1."""
        return replace(self, belief=self.belief.picked(between(pair), chosen), asked=(*self.asked, pair))

    def ended(self, chosen: int, between: Between) -> Taste:
        """Return the belief after the user took one of the answers they saw, by its place in ``seen``.

        Every user ends a visit so, whatever the method, and it is no click of the search.
        """
        return self.belief.picked(between(self.seen), chosen) if len(self.seen) > 1 else self.belief


@dataclass(frozen=True)
class Wanted:
    """Answers to be sampled.

    Attributes:
        previous: the answer they refine; None asks the Leader.
        step: 0 for the Leader's, i for the i-th refinement.
        samples: numbers of the samples; equal numbers are the same draw.
    """

    previous: int | None
    step: int
    samples: range


@dataclass(frozen=True)
class Ask:
    """A comparison to be asked; both answers have been shown."""

    pair: tuple[int, int]


class Method(Protocol):
    """A way to spend clicks."""

    def next(self, visit: Visit, between: Between) -> Wanted | Ask:
        """Return what the next click is for."""
        ...

    def choose(self, visit: Visit, answers: Sequence[int], between: Between) -> int:
        """Return which of the sampled answers is shown."""
        ...


@dataclass(frozen=True)
class Independent:
    """Show one more answer of the Leader's with every click."""

    def next(self, visit: Visit, between: Between) -> Wanted:
        """Return the Leader's next sample."""
        return Wanted(None, 0, range(len(visit.shown), len(visit.shown) + 1))

    def choose(self, visit: Visit, answers: Sequence[int], between: Between) -> int:
        """Return the only answer."""
        return answers[0]


@dataclass(frozen=True)
class Chained:
    """Show the Leader's answer, then the Follower's refinement of whatever was shown last."""

    def next(self, visit: Visit, between: Between) -> Wanted:
        """Return the next answer of the chain."""
        return _refinements(visit, 1)

    def choose(self, visit: Visit, answers: Sequence[int], between: Between) -> int:
        """Return the only answer."""
        return answers[0]


@dataclass(frozen=True)
class Personal:
    """A chain that samples several answers a step and shows the one this user would most likely pick.

    The first answers are the Leader's, the others refine what was shown last. Shown is what :func:`kept` returns.

    Attributes:
        candidates: answers sampled a step.
        ask: a comparison of two answers shown is asked where it tells more than this, nats; infinity never asks.

    Raises:
        InputError: no candidates.
    """

    candidates: int = 4
    ask: float = np.inf

    def __post_init__(self) -> None:
        if self.candidates < 1:
            raise InputError(f"candidates={self.candidates}: at least one answer is sampled a step")

    def next(self, visit: Visit, between: Between) -> Wanted | Ask:
        """Return a comparison if one tells enough, else the next answers."""
        seen = visit.seen
        if np.isfinite(self.ask) and len(seen) > 1:
            p = between(seen)
            i, j = most_informative(visit.belief, p)
            pair = seen[i], seen[j]
            if pair not in visit.asked and information(visit.belief, p)[i, j] > self.ask:
                return Ask(pair)
        return _refinements(visit, self.candidates)

    def choose(self, visit: Visit, answers: Sequence[int], between: Between) -> int:
        """Return the answer this user would most likely pick of those not seen yet."""
        return kept(visit.belief, visit.seen, answers, between)


def kept(belief: Taste, seen: Sequence[int], answers: Sequence[int], between: Between) -> int:
    """Return the answer that this user would most likely pick of those sampled that they have not seen yet.

        argmax_i Σ_k P(k | clicks) q_k(i),   q among the new answers, or among all where none is new

    Args:
        belief: about the user's taste.
        seen: answers they know.
        answers: those sampled now, at least one.
        between: the annotators' preferences.
    """
    different = list(dict.fromkeys(answers))
    new = [answer for answer in different if answer not in seen] or different
    return new[belief.best(between(new))]


def _refinements(visit: Visit, count: int) -> Wanted:
    previous = visit.shown[-1] if visit.shown else None
    return Wanted(previous, len(visit.shown), range(count))
