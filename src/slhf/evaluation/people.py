"""How far people agree with each other about pairs of responses, and a judge with them, by one rule for both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slhf.errors import InputError
from slhf.evaluation.bootstrap import FEWEST, Bootstrap, Estimate, clusters_of, estimate

Array = NDArray[np.float64]

TIE = 1e-9
"""A preference so close to ½ is a tie: what is left is rounding."""

FEWEST_VOTES = 2
"""Votes a pair needs: whoever is left out must leave somebody behind."""


@dataclass(frozen=True)
class Agreement:
    """How far one party, a judge or a person, agrees with people; an entry is None with fewer than 10 prompts.

    Attributes:
        pairs: pairs with two votes or more, and a verdict of the party.
        person: with one person.
        others: with the majority of all people but one. A person is measured against the majority of the others, a
            judge against the same majorities, each person left out in turn: the same questions.
        majority: with the majority of all; None for people, who are part of it.
        beside: how much more the party agrees with one person than another person does; None for people.
        ties: share of the party's own verdicts that are ties.
    """

    pairs: int
    person: Estimate | None
    others: Estimate | None
    majority: Estimate | None
    beside: Estimate | None
    ties: Estimate | None

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as a dict."""
        return asdict(self)


def verdicts(p: ArrayLike) -> Array:
    """Return 1 for the first, −1 for the second, 0 for a tie; NaN stays."""
    values = np.asarray(p, dtype=np.float64)
    return np.where(np.abs(values - 0.5) <= TIE, 0.0, np.sign(values - 0.5))


def agreed(one: ArrayLike, other: ArrayLike) -> Array:
    """Return how far two verdicts agree.

        a(u, v) = 1 − |u − v| / 2,  u, v ∈ {1, 0, −1}

    Args:
        one: u, as :func:`verdicts` returns them.
        other: v.

    Returns:
        1 where both are the same, ties included; ½ where one of them is a tie; 0 where they are opposite.
    """
    return 1.0 - 0.5 * np.abs(np.asarray(one) - np.asarray(other))


def people_agreement(
    votes: Sequence[Sequence[float]], prompts: Sequence[str], bootstrap: Bootstrap | None = None
) -> Agreement:
    """Measure people against each other, each in turn against the rest.

    Args:
        votes: for each pair P(first ≻ second) by each person who voted, 0, ½ or 1; pairs with fewer than two votes
            say nothing here.
        prompts: the pairs' prompts.
        bootstrap: how intervals are drawn.

    Raises:
        InputError: another number of prompts than of pairs, or a vote that is no probability.
    """
    told = _told(votes, prompts)
    mean = _Means([prompts[i] for i in told], bootstrap)
    said = [verdicts(votes[i]) for i in told]
    return Agreement(
        pairs=len(told),
        person=mean([_among(v) for v in said]),
        others=mean([float(agreed(v, _without_one(v)).mean()) for v in said]),
        majority=None,
        beside=None,
        ties=mean([float((v == 0).mean()) for v in said]),
    )


def each_person(
    votes: Sequence[Sequence[float]], prompts: Sequence[str], bootstrap: Bootstrap | None = None
) -> list[Agreement]:
    """Measure every person by themselves, where the same number of people voted on every pair.

    Args:
        votes: as :func:`people_agreement` takes them; the places in the list are taken for people.
        prompts: the pairs' prompts.
        bootstrap: how intervals are drawn.

    Returns:
        One entry a person, in order; empty where the numbers of votes differ, or are below two.
    """
    counts = {len(v) for v in votes}
    told = _told(votes, prompts)
    if len(counts) != 1 or not told:
        return []
    mean = _Means(prompts, bootstrap)
    said = verdicts(votes)
    left = np.array([_without_one(v) for v in said])
    found = []
    for person in range(said.shape[1]):
        mine, rest = said[:, person], np.delete(said, person, axis=1)
        found.append(
            Agreement(
                pairs=len(told),
                person=mean(agreed(mine[:, None], rest).mean(axis=1)),
                others=mean(agreed(mine, left[:, person])),
                majority=None,
                beside=None,
                ties=mean(mine == 0),
            )
        )
    return found


def judge_agreement(
    p: ArrayLike, votes: Sequence[Sequence[float]], prompts: Sequence[str], bootstrap: Bootstrap | None = None
) -> Agreement:
    """Measure a judge against people, as people are measured against each other.

    Args:
        p: P(first ≻ second), one a pair; NaN where the judge has no verdict.
        votes: as :func:`people_agreement` takes them.
        prompts: the pairs' prompts.
        bootstrap: how intervals are drawn.

    Raises:
        InputError: another number of preferences or prompts than of pairs, or a vote that is no probability.
    """
    if np.shape(p) != (len(votes),):
        raise InputError(f"{np.size(p)} preferences for {len(votes)} pairs; give one each")
    verdict = verdicts(p)
    told = [i for i in _told(votes, prompts) if not np.isnan(verdict[i])]
    mean = _Means([prompts[i] for i in told], bootstrap)
    mine = verdict[told]
    said = [verdicts(votes[i]) for i in told]
    person = np.array([agreed(u, v).mean() for u, v in zip(mine, said, strict=True)])
    return Agreement(
        pairs=len(told),
        person=mean(person),
        others=mean([float(agreed(u, _without_one(v)).mean()) for u, v in zip(mine, said, strict=True)]),
        majority=mean([float(agreed(u, np.sign(v.sum()))) for u, v in zip(mine, said, strict=True)]),
        beside=mean(person - np.array([_among(v) for v in said])),
        ties=mean(mine == 0),
    )


class _Means:
    """Means over the same pairs, with standard errors and intervals by prompt."""

    def __init__(self, prompts: Sequence[str], bootstrap: Bootstrap | None):
        self._clusters, self._bootstrap = clusters_of(prompts), bootstrap

    def __call__(self, values: ArrayLike) -> Estimate | None:
        if len(np.unique(self._clusters)) < FEWEST:
            return None
        return estimate(np.asarray(values, dtype=np.float64), self._clusters, self._bootstrap)


def _told(votes: Sequence[Sequence[float]], prompts: Sequence[str]) -> list[int]:
    """Return the places of pairs with two votes or more."""
    if len(prompts) != len(votes):
        raise InputError(f"{len(prompts)} prompts for the votes on {len(votes)} pairs; give one each")
    for place, given in enumerate(votes):
        wrong = next((p for p in given if not 0.0 <= p <= 1.0), None)
        if wrong is not None:
            raise InputError(f"pair {place}: a vote is {wrong}; it is a number from 0 to 1")
    return [place for place, given in enumerate(votes) if len(given) >= FEWEST_VOTES]


def _without_one(said: Array) -> Array:
    """Return the majority's verdict without each person in turn: the side with more votes, or a tie."""
    return np.sign(said.sum() - said)


def _among(said: Array) -> float:
    """Return how far two of these people agree, over all pairs of them."""
    table, n = agreed(said[:, None], said[None]), len(said)
    return float((table.sum() - n) / (n * (n - 1)))
