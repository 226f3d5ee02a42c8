"""Clicks of simulated users, added up: how many each method needs, and how far that may be off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slhf.errors import InputError, suggestion
from slhf.evaluation.bootstrap import Bootstrap, Estimate, Estimates, estimates
from slhf.evaluation.taste_sessions import Place
from slhf.evaluation.taste_visits import Array


@dataclass(frozen=True, eq=False)
class Tally:
    """The same users at the same prompts, by every method.

    Attributes:
        places: by the method's name; one entry a user and prompt, in the same order for all methods.
        annotators: A names.
        limit: N; a user who saw no top answer by then counts N + 1 clicks.
    """

    places: Mapping[str, Sequence[Place]]
    annotators: tuple[str, ...]
    limit: int

    def clicks(self, method: str) -> Array:
        """Return a method's clicks, one number a user and prompt.

        Raises:
            InputError: there is no such method.
        """
        if method not in self.places:
            raise InputError(f"there is no method {method!r}.{suggestion(method, self.places)}")
        return np.array([place.clicks for place in self.places[method]], dtype=np.float64)

    def mean(
        self, method: str, *, user: int | None = None, place: int | None = None, bootstrap: Bootstrap | None = None
    ) -> Estimate:
        """Return a method's mean number of clicks, min(T, N + 1); the standard error is clustered by session.

        Args:
            method: whose.
            user: number of an annotator, whose users alone count; all if not given.
            place: of a prompt in its session, likewise.
            bootstrap: seed, resamples and level of the interval.
        """
        return self._of(self.clicks(method), user, place, bootstrap)[0]

    def difference(
        self, first: str, second: str, *, user: int | None = None, place: int | None = None,
        bootstrap: Bootstrap | None = None,
    ) -> Estimate:  # fmt: skip
        """Return how many clicks more the first method needs than the second, user by user and prompt by prompt."""
        return self._of(self.clicks(first) - self.clicks(second), user, place, bootstrap)[0]

    def content(self, method: str, bootstrap: Bootstrap | None = None) -> Estimates:
        """Return the share of users and prompts with a top answer by the n-th click, n = 1 … N, shape (N,)."""
        by_click = self.clicks(method) <= np.arange(1, self.limit + 1)[:, None]
        return self._of(by_click.astype(np.float64), None, None, bootstrap)

    def belief(self, method: str) -> list[float]:
        """Return the mean belief in the user's own annotator before the first click, by the prompt's place."""
        return [
            float(np.mean([p.belief for p in self.places[method] if p.place == place])) for place in range(self.length)
        ]

    @property
    def length(self) -> int:
        """Prompts a session."""
        return 1 + max(place.place for places in self.places.values() for place in places)

    def as_dict(self) -> dict[str, Any]:
        """Return every method's figures, and how they differ from one another."""
        return {
            "limit": self.limit,
            "methods": {name: self._told(name) for name in self.places},
            "differences": [
                {"more": first, "than": second, **self.difference(first, second).as_dict()}
                for first, second in permutations(self.places, 2)
            ],
        }

    def _told(self, name: str) -> dict[str, Any]:
        passed = self.content(name)
        comparisons = float(np.mean([place.asked for place in self.places[name]]))
        return {
            "clicks": self.mean(name).as_dict(),
            "comparisons": comparisons,
            "content": [passed[n].as_dict() for n in range(self.limit)],
            "annotators": {a: self.mean(name, user=k).as_dict() for k, a in enumerate(self.annotators)},
            "places": [self.mean(name, place=place).as_dict() for place in range(self.length)],
            "belief": self.belief(name),
        }

    def _of(self, values: Array, user: int | None, place: int | None, bootstrap: Bootstrap | None) -> Estimates:
        some = next(iter(self.places.values()))
        counts = np.array([user in (None, p.user) and place in (None, p.place) for p in some])
        sessions: NDArray[np.intp] = np.array([p.session for p in some], dtype=np.intp)
        return estimates(np.atleast_2d(values)[:, counts], sessions[counts], bootstrap)


def pooled(tallies: Sequence[Tally]) -> Tally:
    """Return the tally of several models on the same sessions; a session's users of all models are one cluster.

    Args:
        tallies: one a model, of the same methods, annotators and limit.

    Raises:
        InputError: there are none, or they are of different methods.
    """
    if not tallies or any(
        (list(t.places), t.annotators, t.limit) != (list(tallies[0].places), tallies[0].annotators, tallies[0].limit)
        for t in tallies
    ):
        raise InputError("only tallies of the same methods, annotators and number of clicks can be pooled")
    places = {name: [place for tally in tallies for place in tally.places[name]] for name in tallies[0].places}
    return Tally(places, tallies[0].annotators, tallies[0].limit)
