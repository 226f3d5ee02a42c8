"""Do majorities run in circles among a model's own answers? One digraph a prompt, and what they add up to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slhf.errors import InputError
from slhf.evaluation.bootstrap import Bootstrap, Estimate, clusters_of, estimate
from slhf.evaluation.intervals import Rate, rate
from slhf.games import Cycle, condorcet_winner, cyclic_share, has_cycle, majority_cycles
from slhf.judges import Judge, preferences
from slhf.types import Comparison

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PreferenceGraph:
    """The preferences among the different answers to one prompt.

    Attributes:
        prompt: x as text.
        answers: Y different answers, in the order they first came.
        counts: how often each came, shape (Y,).
        p: p[y, y′] = P(y ≻ y′), shape (Y, Y).
    """

    prompt: str
    answers: tuple[str, ...]
    counts: NDArray[np.int64]
    p: Array

    @property
    def cyclic(self) -> bool:
        """Whether majorities run in a circle of any length."""
        return bool(has_cycle(self.p))

    @property
    def cyclic_triples(self) -> float:
        """Share of triples of answers that run in a circle."""
        return float(cyclic_share(self.p))

    @property
    def winner(self) -> int | None:
        """The answer that beats every other one, if there is one."""
        return condorcet_winner(self.p)

    @property
    def strongest_cycle(self) -> Cycle | None:
        """The circle of three whose weakest majority is largest, if there is one of three."""
        return max(majority_cycles(self.p), key=lambda cycle: min(cycle.margins), default=None)


@dataclass(frozen=True, eq=False)
class CycleReport:
    """What the digraphs of all prompts add up to.

    Attributes:
        graphs: X digraphs.
        cyclic: whether each has a circle, shape (X,).
        triples: each one's share of triples that are a circle, shape (X,).
        winners: the number of each one's Condorcet winner, −1 where there is none, shape (X,).
        clusters: number of each row's prompt, shape (X,).
    """

    graphs: tuple[PreferenceGraph, ...]
    cyclic: NDArray[np.bool_]
    triples: Array
    winners: NDArray[np.int64]
    clusters: NDArray[np.intp]

    def rate(self) -> Rate:
        """Return the share of prompts with a circle, with its standard error."""
        return rate(self.cyclic.astype(np.float64), self.clusters)

    def share(self, bootstrap: Bootstrap | None = None) -> Estimate:
        """Return the share of prompts with a circle, with its interval.

        Raises:
            InputError: fewer prompts than an interval needs.
        """
        return estimate(self.cyclic.astype(np.float64), self.clusters, bootstrap)

    def winner_share(self, bootstrap: Bootstrap | None = None) -> Estimate:
        """Return the share of prompts with a Condorcet winner, with its interval.

        Raises:
            InputError: fewer prompts than an interval needs.
        """
        return estimate((self.winners >= 0).astype(np.float64), self.clusters, bootstrap)

    def triple_share(self, bootstrap: Bootstrap | None = None) -> Estimate:
        """Return the mean share of triples that are a circle, with its interval.

        Raises:
            InputError: fewer prompts than an interval needs.
        """
        return estimate(self.triples, self.clusters, bootstrap)

    @property
    def most_cyclic(self) -> PreferenceGraph | None:
        """The digraph to draw: the largest share of circular triples, then the strongest circle; None without any."""
        return max((g for g in self.graphs if g.cyclic), key=_circularity, default=None)

    def as_dict(self, bootstrap: Bootstrap | None = None) -> dict[str, Any]:
        """Return the shares with their intervals, and the mean number of different answers.

        Raises:
            InputError: fewer prompts than an interval needs.
        """
        return {
            "cycles": self.share(bootstrap).as_dict(),
            "winners": self.winner_share(bootstrap).as_dict(),
            "triples": self.triple_share(bootstrap).as_dict(),
            "different_answers": float(np.mean([len(g.answers) for g in self.graphs])),
        }


def cycles(
    judge: Judge,
    prompts: Sequence[str],
    answers: Sequence[Sequence[str]],
    columns: Sequence[Mapping[str, Any]] | None = None,
) -> CycleReport:
    """Judge every two answers to the same prompt, and look for circles of majorities.

    An answer that came several times counts once: it ties with itself and adds no circle. To pool several
    seeds, list a prompt once a seed; standard errors and intervals are clustered by prompt.

    Paper: SLHF Fig. 2.

    Args:
        judge: who decides; all pairs of all prompts in one call.
        prompts: X prompts as text.
        answers: n answers to each.
        columns: the prompts' extra columns.

    Raises:
        InputError: no prompts, answers to another number of them, or a prompt without answers.
        JudgeError: the judge's answer is no preference.
    """
    return cycle_report(preference_graphs(judge, prompts, answers, columns))


def preference_graphs(
    judge: Judge,
    prompts: Sequence[str],
    answers: Sequence[Sequence[str]],
    columns: Sequence[Mapping[str, Any]] | None = None,
) -> list[PreferenceGraph]:
    """Return each prompt's preferences among its different answers; arguments as for :func:`cycles`."""
    extra: Sequence[Mapping[str, Any]] = [{}] * len(prompts) if columns is None else columns
    if not len(prompts) == len(answers) == len(extra):
        raise InputError(f"answers to {len(answers)} prompts and {len(extra)} rows of columns for {len(prompts)}")
    empty = next((x for x, row in enumerate(answers) if isinstance(row, str) or not row), None)
    if empty is not None:
        raise InputError(f"there is no list of answers to prompt {empty}; a digraph needs one or more texts")
    listed = [list(dict.fromkeys(row)) for row in answers]
    asked = [
        Comparison(prompt, y, z, row)
        for prompt, different, row in zip(prompts, listed, extra, strict=True)
        for y, z in combinations(different, 2)
    ]
    found = preferences(judge, asked)
    graphs, start = [], 0
    for prompt, different, row in zip(prompts, listed, answers, strict=True):
        size = len(different)
        p, upper = np.full((size, size), 0.5), np.triu_indices(size, 1)
        part = found[start : start + len(upper[0])]
        p[upper], p[upper[::-1]] = part, 1.0 - part
        start += len(part)
        counts = np.array([list(row).count(answer) for answer in different], dtype=np.int64)
        graphs.append(PreferenceGraph(prompt, tuple(different), counts, p))
    return graphs


def cycle_report(graphs: Sequence[PreferenceGraph]) -> CycleReport:
    """Add up digraphs.

    Args:
        graphs: X digraphs; those of the same prompt are one cluster.

    Raises:
        InputError: there are none.
    """
    if not graphs:
        raise InputError("there are no prompts; a share of cycles needs at least one")
    winners = [-1 if (winner := g.winner) is None else winner for g in graphs]
    return CycleReport(
        tuple(graphs),
        np.array([g.cyclic for g in graphs]),
        np.array([g.cyclic_triples for g in graphs]),
        np.array(winners, dtype=np.int64),
        clusters_of([g.prompt for g in graphs]),
    )


def _circularity(graph: PreferenceGraph) -> tuple[float, float]:
    strongest = graph.strongest_cycle
    return graph.cyclic_triples, 0.0 if strongest is None else min(strongest.margins)
